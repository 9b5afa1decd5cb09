"""Every named data set, and whether it holds cells or images: known without reading any."""

CELLS = (
    *("wishbone", "huimm", "huimm_panels", "shaham_p1", "cytonorm", "krieg_panel3"),
    *("snare_rna", "snare_atac", "three_clusters"),
)
IMAGES = (
    *("mnist", "mnist28", "mnist_plain", "mnist_background", "mnist_edges", "mnist_coloured", "moving_digits"),
    *("fashion", "emoji_noto", "emoji_fx", "horse", "deer", "automobile", "truck", "digits"),
)
KINDS = dict.fromkeys(CELLS, "cells") | dict.fromkeys(IMAGES, "images")
