"""Figures of the batch effects: distances between batches before correction."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from magan import keys
from magan.figures.style import ARM_MARKERS, GREY, GROUP_COLOURS, INK, counted, empty, key, new, short, styled

PAIRS = 6  # most pairs of batches in the figure, the most distant first
MARKERS = 30  # most markers in the figure, the most distant first


@styled
def batch_effects(
    emd: pd.DataFrame, samples: pd.DataFrame, auc: pd.DataFrame, *, dataset: str, reference: str, digest: str
) -> Figure:
    """Draw the distance of each marker between pairs of batches with its floor by sampling, and samples as points.

    Parameters
    ----------
    emd
        batch_1, batch_2, marker, emd and floor, in arcsinh units.
    samples
        sample, batch, n, x and y.
    auc
        batch_1, batch_2 and auc of a classifier that separates them.
    dataset, reference
        Their names.
    digest
        Of the data, written at the foot.
    """
    title = f"Batch effects before correction: {dataset}"
    if emd.empty:
        return empty(title, "There is one batch.", digest)
    of = emd["batch_1"] + " and " + emd["batch_2"]
    pairs = list(emd.groupby(of)["emd"].mean().sort_values(ascending=False, kind="stable").index[:PAIRS])
    markers = list(emd.groupby(keys.MARKER)["emd"].max().sort_values(kind="stable").index[-MARKERS:])
    colours = {
        name: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, name in enumerate(sorted(samples[keys.BATCH].unique()))
    }
    foot = f"{counted(len(samples), 'sample')} · grey ticks: sampling alone · reference {reference}"
    figure = new(max(3.6, 1.5 + 0.2 * len(markers)), "", foot, digest)
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _distances(left, emd.assign(pair=of), pairs, markers)
    _samples(right, samples, colours)
    auc_of_pair = auc.set_index(auc["batch_1"] + " and " + auc["batch_2"])["auc"]
    handles = [
        Line2D(
            [], [], ls="", marker=ARM_MARKERS[i], color=INK, label=f"{pair} (classifier AUC {short(auc_of_pair[pair])})"
        )
        for i, pair in enumerate(pairs)
    ]
    key(figure, title, handles, 2)
    return figure


def _distances(axes: Axes, emd: pd.DataFrame, pairs: list[str], markers: list[str]) -> None:
    rows = np.arange(len(markers))
    for i, pair in enumerate(pairs):
        subset = emd[emd["pair"] == pair].set_index(keys.MARKER).reindex(markers)
        axes.plot(subset["floor"], rows, "|", color=GREY, ms=7)
        axes.plot(subset["emd"], rows, ARM_MARKERS[i], color=INK, ms=5, mfc=INK if i == 0 else "white")
    axes.set(
        yticks=rows, yticklabels=markers, xlabel="EMD between batches (arcsinh units)", ylim=(-0.7, len(rows) - 0.3)
    )
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=GREY, alpha=0.2)


def _samples(axes: Axes, samples: pd.DataFrame, colours: dict[str, str]) -> None:
    for i, (batch, subset) in enumerate(samples.groupby(keys.BATCH, sort=True)):
        axes.plot(
            subset["x"],
            subset["y"],
            ARM_MARKERS[i % len(ARM_MARKERS)],
            color=colours[str(batch)],
            ms=6,
            alpha=0.85,
            label=batch,
        )
    if len(samples) <= 12:
        for row in samples.itertuples():
            axes.annotate(
                str(row.sample), (row.x, row.y), xytext=(5, 3), textcoords="offset points", fontsize=9, color=GREY
            )
    axes.set(
        xlabel="first direction (arcsinh units)", ylabel="second direction", title="Samples by their median markers"
    )
    axes.set_box_aspect(1)  # and equal units in both directions: distances are what is shown
    axes.set_aspect("equal", adjustable="datalim", anchor="N")
    axes.legend(loc="best", handletextpad=0.2)
