"""Draw a picture of a batch effect and its correction: the picture of the README and of the documents' first page.

The cells are the demo's: two healthy controls, each measured in three batches by CyTOF. Maps are learnt from the first
control. The second control, which no map has seen, is drawn. A path as the only argument replaces the path below.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import gaussian_kde

from magan import BatchMapper, keys
from magan.datasets.registry import load
from magan.figures.style import GROUP_COLOURS, INK, STYLE

MARKERS = ("CD3", "CD4", "CD8a", "CD19", "CD14", "CD16", "CD45", "CD45RA", "CD66", "HLADR")
DRAWN = ("CD45", "CD66", "CD16", "CD45RA")
REFERENCE = "PTLG021"
METHOD = "auto"
N_CELLS = 1000  # of each file
PATH = "docs/before_and_after.svg"
TITLES = ("as measured", "corrected")

cells = load("cytonorm", cache="data")
batches = [str(batch) for batch in cells.obs["batch"].unique() if batch != REFERENCE]


def sample(batch: str, name: str):
    """Cells of a sample in a batch, at most ``N_CELLS``, drawn with a fixed seed."""
    rows = np.flatnonzero((cells.obs["batch"] == batch) & (cells.obs["sample"] == name))
    chosen = np.random.default_rng(0).permutation(rows)[:N_CELLS]
    return cells[np.sort(chosen), list(MARKERS)].copy()


learnt, reference = [sample(batch, "control_1") for batch in batches], sample(REFERENCE, "control_1")
mapper = BatchMapper(METHOD).fit(learnt, [reference] * len(batches), names=batches)
before = {batch: sample(batch, "control_2") for batch in batches}
after = {batch: mapper.map(before[batch], fold) for fold, batch in enumerate(batches)}
goal = sample(REFERENCE, "control_2")

with plt.rc_context(STYLE):
    figure, axes = plt.subplots(2, len(DRAWN), figsize=(9, 3.8), sharex="col", sharey="col", layout="constrained")
    for row, shown, layer, title in zip(axes, (before, after), (keys.PREPROCESSED, keys.CONSENSUS), TITLES):
        for axis, marker in zip(row, DRAWN):
            lines = {REFERENCE: goal.layers[keys.PREPROCESSED]}
            lines |= {batch: drawn.layers[layer] for batch, drawn in shown.items()}
            for colour, (batch, x) in zip((INK, *GROUP_COLOURS), lines.items()):
                values = x[:, MARKERS.index(marker)]
                grid = np.linspace(-0.5, values.max(), 200)
                axis.plot(grid, gaussian_kde(values, 0.12)(grid), color=colour, label=batch, linewidth=1.2)
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)
        row[0].set_ylabel(title)
    for axis, marker in zip(axes[0], DRAWN):
        axis.set_title(marker)
    for axis in axes[1]:
        axis.set_xlabel("arcsinh units")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else PATH, metadata={"Date": None})
