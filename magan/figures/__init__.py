"""Figures: tidy table or AnnData in, matplotlib Figure out. None computes a score or writes a file but `save`."""

from magan.figures.curves import loss_curves
from magan.figures.drawing import Drawing
from magan.figures.embedding import umap
from magan.figures.lectures import OF_LECTURE
from magan.figures.samples import sample_grid
from magan.figures.style import METHOD_COLOURS, save
from magan.tasks.batch_correction.effect_figures import batch_effects
from magan.tasks.batch_correction.figures import batch_densities, batch_scores
from magan.tasks.cell_matching.figures import matching_cells, matching_scores
from magan.tasks.heldout_markers.figures import heldout_markers, heldout_scatter
from magan.tasks.image_generation.figures import generation_grid, generation_modes, generation_scores
from magan.tasks.image_translation.figures import translation_grid, translation_retrieval, translation_scores
from magan.tasks.panel_merging.figures import panel_calibration, panel_umap, panel_verdicts
from magan.tasks.rotated_digits.figures import digit_grid, digit_outcomes

__all__ = ["FIGURES", "METHOD_COLOURS", "OF_LECTURE", "OF_PANELS", "OF_TASK", "Drawing", "sample_grid", "save"]


FIGURES = {
    "heldout_markers": Drawing(
        heldout_markers,
        "Held-out markers, one by one",
        "Pearson's r between the measured and the predicted values of a marker that was removed from one panel before "
        "training. Small points are seeds, larger ones their mean with its 95 % bootstrap interval, hollow diamonds "
        "the mean prediction of all seeds; grey lines are baselines that draw no random numbers. The ceiling learns "
        "from the truth itself, which no panel has. Markers are sorted by the r of kNN.",
        "svg",
    ),
    "heldout_scatter": Drawing(
        heldout_scatter,
        "Measured and predicted values",
        "Every test cell, darker where there are more. On the dashed line a prediction equals the measurement.",
        "png",
    ),
    "batch_effects": Drawing(
        batch_effects,
        "Batch effects before correction",
        "Left, the distance between batches, marker by marker, beside what two samples of one batch of as many cells "
        "would give (grey ticks); the classifier's AUC is 0.5 where it cannot tell two batches apart. Right, samples "
        "placed by their median markers: near samples are alike. Held-out cells as measured.",
        "svg",
    ),
    "batch_scores": Drawing(
        batch_scores,
        "Scores of the mapped batches",
        "Points are means over seeds with their 95 % bootstrap interval, hollow diamonds the consensus of seeds, grey "
        "points baselines. The dashed line is the score of one half of the reference batch against the other: what "
        "a perfect map would score with half the cells.",
        "svg",
    ),
    "batch_densities": Drawing(
        batch_densities,
        "Markers before and after",
        "Densities over cells: the reference batch in grey, the other batches before (dashed) and after the map. The "
        "markers with the largest batch effect come first.",
        "svg",
    ),
    "umap": Drawing(
        umap,
        "Cells before and after",
        "One UMAP of the reference cells and of the same cells before and after the map, so that the panels share "
        "their coordinates. It shows neighbourhoods; distances between groups mean little.",
        "png",
    ),
    "digit_outcomes": Drawing(
        digit_outcomes,
        "How often the map keeps the digits",
        "A seed is right when nearly all images keep their digit, flipped when nearly all get the other one, and "
        "mixed otherwise. The black line is the 95 % Wilson interval of the share of seeds that are right.",
        "svg",
    ),
    "digit_grid": Drawing(
        digit_grid,
        "What the map does to an image",
        "Test images, what they are mapped to, the truth (the same image rotated) and what comes back, for the best, "
        "the median and the worst seed by the share of images that keep their digit.",
        "png",
    ),
    "translation_grid": Drawing(
        translation_grid,
        "What the maps do to an image",
        "Test images of one set, their true partners where they are known, and what the arms make of them: the best, "
        "the median and the worst seed of the first arm, the median seed of the others. No image was chosen.",
        "png",
    ),
    "translation_scores": Drawing(
        translation_scores,
        "Scores of the translated images",
        "Large points are means over seeds with their 95 % bootstrap interval, small ones seeds, hollow diamonds the "
        "mean image of all seeds, grey points baselines. Dashed: what real images of the target score against other "
        "real ones. Features are those of a classifier that saw real images alone; distances on them "
        "cannot be compared with published ones.",
        "svg",
    ),
    "translation_retrieval": Drawing(
        translation_retrieval,
        "Is the true partner among the nearest?",
        "For every mapped image the real partners are ordered by their distance from it. The line is the share of "
        "images whose own partner is among the first so many; dashed lines are baselines.",
        "svg",
    ),
    "generation_grid": Drawing(
        generation_grid,
        "What each arm makes",
        "Samples of the median seed of each arm, by the Fréchet distance, beside real test images. The first samples "
        "as they come; where classes were asked for one row each, and where an arm was given part of an image the "
        "sample stands below that image.",
        "png",
    ),
    "generation_scores": Drawing(
        generation_scores,
        "Scores of the images made",
        "Large points are means over seeds with their 95 % bootstrap interval, small ones seeds. Dashed: what real "
        "training images score against as many real test images. Features are those of a classifier "
        "that saw real images alone; distances on them cannot be compared with published ones.",
        "svg",
    ),
    "generation_modes": Drawing(
        generation_modes,
        "Which classes are made, and which are missing",
        "How often the classifier finds each class among the samples, relative to real images, for the median and "
        "the worst seed of each arm. A cross is a class that was dropped.",
        "svg",
    ),
    "matching_scores": Drawing(
        matching_scores,
        "Do cells land beside their own measurement?",
        "FOSCTTM is the share of other cells that lie closer than the cell's own second measurement (.5 is chance); "
        "label transfer the share of mapped cells whose five nearest real cells have their label. Cells whose pair "
        "was told count in neither. Large points are means with their 95 % bootstrap interval over seeds, small ones "
        "draws of the told pairs, hollow diamonds the consensus of seeds, grey points baselines.",
        "svg",
    ),
    "matching_cells": Drawing(
        matching_cells,
        "Where the mapped cells land",
        "Real cells and mapped cells in the target's space, along the two directions in which the real cells vary "
        "most. Where the colours of the left panel lie apart, the map missed the distribution; where those of the "
        "right panel mix, it lost the populations.",
        "png",
    ),
    "panel_verdicts": Drawing(
        panel_verdicts,
        "Which imputed markers may be used",
        "Of every marker that a panel lacks, Pearson's r to be expected of its prediction; the bar reaches from the "
        "lowest r that the audit allows for to the one that is claimed. Beside it, how well seeds agree with one "
        "another, and methods. A black tick is r with the truth, where the data know it.",
        "svg",
    ),
    "panel_calibration": Drawing(
        panel_calibration,
        "Do predictions and their intervals hold?",
        "Cells of each held-out marker in ten groups by what was predicted of them. Above, their mean measurement: on "
        "the dashed line predictions are right on average. Below, the share of them inside the 90 % interval.",
        "svg",
    ),
    "panel_umap": Drawing(
        panel_umap,
        "Merged cells",
        "One UMAP of all cells by all markers, measured or drawn. Panels that are well merged mix; confidence is how "
        "ordinary a cell would be among those of the panel that its markers come from.",
        "png",
    ),
    "loss_curves": Drawing(
        loss_curves,
        "Loss terms along training",
        "Thin lines are seeds, bold lines their mean. A lower loss is not a better map: the terms of a game move "
        "against one another.",
        "svg",
    ),
}

OF_TASK = {
    "heldout": ("heldout_markers", "heldout_scatter", "loss_curves"),
    "batch": ("batch_effects", "batch_scores", "batch_densities", "umap", "loss_curves"),
    "digits": ("digit_outcomes", "digit_grid", "loss_curves"),
    "translation": ("translation_grid", "translation_scores", "translation_retrieval", "loss_curves"),
    "generation": ("generation_grid", "generation_scores", "generation_modes", "loss_curves"),
    "matching": ("matching_scores", "matching_cells", "loss_curves"),
}
OF_PANELS = ("panel_verdicts", "panel_calibration", "panel_umap")
