"""Figures of the digits: pictures of what the map does, and how often it does it."""

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.pictures import laid, ranked, shape_of
from magan.figures.style import (
    GREY,
    INK,
    PALE,
    counted,
    drawn_width,
    empty,
    label,
    lanes,
    new,
    panels,
    seeds_of,
    styled,
)

OUTCOMES = {"right": "#0072B2", "flipped": "#D55E00", "mixed": PALE}
SCORE = "identity_accuracy"  # by which seeds are ranked


@styled
def digit_grid(truth: AnnData, mapped: AnnData, metrics: pd.DataFrame, *, digest: str, n_images: int = 10) -> Figure:
    """Images, what they are mapped to, and what comes back, for the best, the median and the worst seed.

    Parameters
    ----------
    truth
        Images as the model sees them, ``uns["image"]["shape"]``; ``layers["truth"]`` is the rotated image, if known.
    mapped
        ``layers["seed_<s>"]`` and ``layers["back_<s>"]``.
    metrics
        The tidy table; seeds are ranked by its ``identity_accuracy``.
    digest
        Of the data, written at the foot.
    n_images
        Columns, shared among the digits.
    """
    name = label(str(mapped.uns["method"]), str(mapped.uns["arm"]))
    title = f"Digits mapped by {name}: {mapped.uns.get('dataset', '')}"
    chosen = [(rank, seed, value) for rank, seed, score, value in ranked(mapped, metrics, (SCORE,)) if score]
    if not chosen:
        return empty(title, f"{name} failed: {mapped.uns.get('error') or 'every seed failed'}", digest)
    rows = _shown(truth, mapped, n_images)
    n_seeds = len(np.atleast_1d(mapped.uns["seeds"]))
    foot = f"{counted(n_seeds, 'seed')} ranked by the share of images whose digit is kept · images of the test set"
    height = 1.0 + len(chosen) * (0.35 + drawn_width() * 0.85 * 4 / len(rows))
    figure = new(height, title, foot, digest)
    for axes, (rank, seed, accuracy) in zip(panels(figure, len(chosen), 1), chosen):
        strips = _strips(truth, mapped, rows, seed)
        pictures = np.stack(list(strips.values())).reshape(len(strips), len(rows), *shape_of(truth))
        laid(axes, pictures, list(strips))
        axes.set_title(f"{rank}: seed {seed}, digit kept in {100 * accuracy:.0f} % of images".removeprefix("only: "))
    return figure


def _shown(truth: AnnData, mapped: AnnData, n_images: int) -> list[str]:
    """Names of the images that are drawn: the first of every digit, as many of each."""
    digit = truth.obs[keys.CELL_TYPE].astype(str).loc[mapped.obs_names]
    each = max(n_images // digit.nunique(), 1)
    return [name for label in sorted(digit.unique()) for name in digit.index[digit == label][:each]]


def _strips(truth: AnnData, mapped: AnnData, rows: list[str], seed: int) -> dict[str, np.ndarray]:
    before, after = truth[rows], mapped[rows]
    strips = {"original": before.X, "mapped": after.layers[f"seed_{seed}"]}
    if keys.TRUTH in truth.layers:
        strips["truth"] = before.layers[keys.TRUTH]
    if f"back_{seed}" in mapped.layers:
        strips["mapped back"] = after.layers[f"back_{seed}"]
    return {name: np.asarray(values) for name, values in strips.items()}


@styled
def digit_outcomes(metrics: pd.DataFrame, *, digest: str) -> Figure:
    """The share of seeds whose map keeps the digits, swaps them, or mixes them; one panel per data set.

    The interval of the share that is right is Wilson's, 95 %.

    Parameters
    ----------
    metrics
        The tidy table; rows of other tasks are passed over.
    digest
        Of the data, written at the foot.
    """
    title = "How often the map preserves the digits"
    table = metrics[(metrics["task"] == "digits") & (metrics["group"] == keys.ALL) & (metrics["feature"] == keys.ALL)]
    table = table[(table["arm"] != keys.FLOOR) & seeds_of(table).notna()]
    datasets = list(dict.fromkeys(table["dataset"]))
    if not datasets:
        return empty(title, "No seed was trained on digits.", digest)
    pairs = lanes(table)
    foot = "bars: share of seeds; black: 95 % Wilson interval of the share that is right"
    figure = new(1.4 + len(datasets) * (0.6 + 0.42 * len(pairs)), title, foot, digest)
    for axes, dataset in zip(panels(figure, len(datasets), 1), datasets):
        rows = table[table["dataset"] == dataset]
        for y, pair in enumerate(pairs):
            _outcome(axes, y, rows[(rows["method"] == pair[0]) & (rows["arm"] == pair[1])], y == 0)
        axes.set_yticks(range(len(pairs)), [label(*pair) for pair in pairs])
        axes.set(ylim=(len(pairs) - 0.4, -0.45), xlim=(0, 1.18), xticks=np.linspace(0, 1, 5), title=dataset)
        axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
    return figure


def _outcome(axes: Axes, y: int, rows: pd.DataFrame, named: bool) -> None:
    counts = {name: int(rows.loc[rows["metric"] == name, "value"].sum()) for name in OUTCOMES}
    failed = int(rows.loc[rows["metric"] == keys.FAILED, "value"].sum())
    n = sum(counts.values())
    if n == 0:
        axes.text(0, y, f"failed ({counted(failed, 'seed')})" if failed else "not scored", color=GREY, va="center")
        return
    left = 0.0
    for name, tint in OUTCOMES.items():
        share = counts[name] / n
        axes.barh(y, share, left=left, height=0.55, color=tint, edgecolor="white", lw=0.8)
        if share > 0.04:
            ink = INK if name == "mixed" else "white"
            text = f"{name} {counts[name]}" if share > 0.14 else str(counts[name])
            axes.text(
                left + 0.01 if share > 0.14 else left + share / 2,
                y,
                text,
                color=ink,
                va="center",
                fontsize=9,
                ha="left" if share > 0.14 else "center",
            )
        left += share
    low, high = binomtest(counts["right"], n).proportion_ci(method="wilson")
    axes.plot([low, high], [y + 0.38] * 2, color=INK, lw=1.4, solid_capstyle="butt")
    axes.plot(counts["right"] / n, y + 0.38, "|", ms=6, color=INK)
    axes.text(1.015, y, counted(n, "seed") + (f"\n+ {failed} failed" if failed else ""), va="center", fontsize=9)


FIGURES = {
    "digit_outcomes": Drawing(
        digit_outcomes,
        "How often the map preserves the digits",
        "A seed is right if more than 0.9 of the images preserve their digit, flipped if more than 0.9 do so after a "
        "renaming of the digits, and mixed otherwise. The black line is the 95 % Wilson interval of the share of right "
        "seeds.",
        "svg",
        lambda r: {"metrics": r.metrics},
    ),
    "digit_grid": Drawing(
        digit_grid,
        "What the map does to an image",
        "Test images, their maps, the truth (the same images rotated) and the maps back to the source, for the best, "
        "the median and the worst seed by the share of images that preserve their digit.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.headline, "metrics": r.metrics},
    ),
    "loss_curves": LOSS_CURVES,
}
