"""Figures of batch correction: the effect of the map on each marker, and every score with its floor."""

from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter1d

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.embedding import umap
from magan.figures.forest import heading
from magan.figures.style import (
    GREY,
    INK,
    INTERVAL,
    METHOD_COLOURS,
    PALE,
    colour,
    counted,
    empty,
    key,
    label,
    lanes,
    marks,
    new,
    panels,
    styled,
)
from magan.tasks.batch_correction.biaxial_figures import BIAXIAL
from magan.tasks.batch_correction.effect_figures import batch_effects

SCORES = ("emd", "mmd", "batch_auc", "label_transfer", "rank_kept", "population_variance", "emd_reduction", "mad")
BEFORE, AFTER = "#E69F00", METHOD_COLOURS["magan"]
HALO = {"facecolor": "white", "edgecolor": "none", "pad": 1}
LETTERS = 38  # of a title that is as wide as one of two panels
SMOOTH = 0.1  # arcsinh units, the width of the kernel of a density


@styled
def batch_densities(truth: AnnData, mapped: AnnData, *, digest: str, n_markers: int | None = None) -> Figure:
    """Densities of each marker: the reference batch, and all further batches before and after the map.

    The markers with the largest batch effect come first; a thin line per batch. ``n_markers`` limits their number.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` as measured, ``obs["batch"]``, ``uns["reference"]``.
    mapped
        The same cells after the map; of seeds, their consensus is drawn.
    digest
        Of the data, written at the foot.
    """
    title = f"Each marker before and after the map: {mapped.uns.get('dataset', '')}"
    if mapped.uns.get("error"):
        return empty(title, f"{_name(mapped)} failed: {mapped.uns['error']}", digest)
    batch, measured = truth.obs[keys.BATCH].astype(str), truth.to_df(keys.PREPROCESSED)
    reference = measured[(batch == str(truth.uns["reference"])).to_numpy()]
    after = mapped.to_df()
    before, of = measured.loc[after.index], batch.loc[after.index]
    effects = _effects(reference, before, of)
    markers = list(effects.sort_values(ascending=False, kind="stable").index[:n_markers])
    seeds = np.atleast_1d(mapped.uns.get("seeds", []))
    foot = f"{len(reference):,} reference and {len(after):,} mapped cells"
    foot += f" · mean of the maps of {counted(len(seeds), 'seed')}" if len(seeds) else ""
    columns = 4
    figure = new(1.3 + 1.35 * -(-len(markers) // columns), "", foot, digest)
    for i, (axes, marker) in enumerate(zip(panels(figure, len(markers), columns), markers)):
        _densities(axes, reference[marker], before[marker], after[marker], of)
        axes.set_title(marker)
        axes.set_xlabel("arcsinh units" if i >= len(markers) - columns else "")
    names = (("reference", INK, "-"), ("before", BEFORE, (0, (4, 1))), ("after", AFTER, "-"))
    handles = [Line2D([], [], color=c, ls=s, lw=1.8, label=n) for n, c, s in names]
    key(figure, title, handles, 3)
    figure.supylabel("density of cells", fontsize=10)
    return figure


def _densities(axes: Axes, reference, before, after, of: pd.Series) -> None:
    everything = pd.concat([reference, before, after])
    low, high = everything.quantile([0.002, 0.998])
    low, high = low - 3 * SMOOTH, high + 3 * SMOOTH
    x, y = _density(reference, low, high)
    axes.fill_between(x, y, color=PALE, lw=0)
    axes.plot(x, y, color=INK, lw=1)
    for name in sorted(of.unique()):
        rows = (of == name).to_numpy()
        axes.plot(*_density(before[rows], low, high), color=BEFORE, lw=1.2, ls=(0, (4, 1)))
        axes.plot(*_density(after[rows], low, high), color=AFTER, lw=1.4)
    axes.set(yticks=[], ylim=(0, None), xlim=(low, high))
    axes.spines["left"].set_visible(False)


def _density(values: pd.Series, low: float, high: float, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A histogram smoothed by a Gaussian of fixed width: it also draws a marker that does not vary."""
    counts, edges = np.histogram(values.clip(low, high), bins=n, range=(low, high))
    width = (high - low) / n
    return (edges[1:] + edges[:-1]) / 2, gaussian_filter1d(counts / (counts.sum() * width), SMOOTH / width)


def _effects(reference: pd.DataFrame, before: pd.DataFrame, of: pd.Series) -> pd.Series:
    """How far each marker lies from the reference, mean absolute difference of 101 quantiles, averaged over batches."""
    levels = np.linspace(0, 1, 101)
    gaps = [
        np.abs(before[(of == name).to_numpy()].quantile(levels) - reference.quantile(levels)).mean()
        for name in of.unique()
    ]
    return pd.concat(gaps, axis=1).mean(axis=1)


def _name(mapped: AnnData) -> str:
    return label(str(mapped.uns.get("method", "")), str(mapped.uns.get("arm", "")))


@styled
def batch_scores(summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """Every score of the batch task: means with their interval, the consensus, the baselines and the floor.

    Parameters
    ----------
    summary
        The tidy summary; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Scores of the mapped batches: {dataset}"
    table = summary[(summary["task"] == "batch") & (summary["dataset"] == dataset)]
    table = table[(table["group"] == keys.ALL) & (table["feature"] == keys.ALL)]
    scores = [score for score in SCORES if score in set(table["metric"])]
    if not scores:
        return empty(title, "No method was scored.", digest)
    pairs = lanes(table)
    trained = table[~table["arm"].isin(keys.SEEDLESS)]
    foot = "dashed line: real against real"
    if len(trained):
        n = int(pd.to_numeric(trained["n_seeds"]).max())
        opening = f"up to {counted(n, 'seed')} per arm · point and number: mean; bar: {INTERVAL}"
        foot = f"{opening}\nhollow: mean of the maps of all seeds; {foot}"
    rows = -(-len(scores) // 2)
    figure = new(1.0 + rows * (0.7 + 0.22 * len(pairs)), title, foot, digest)
    for i, (axes, score) in enumerate(zip(panels(figure, len(scores), 2), scores)):
        _score_panel(axes, table, pairs, score)
        axes.set_yticks(range(len(pairs)), [label(*pair) for pair in pairs] if i % 2 == 0 else [])
    return figure


def _score_panel(axes: Axes, table: pd.DataFrame, pairs, score: str) -> None:
    rows = table[table["metric"] == score].set_index(["method", "arm"])
    shapes, across = marks(pairs), axes.get_yaxis_transform()
    for y, pair in enumerate(pairs):
        axes.axhline(y, color=PALE, lw=0.6, zorder=0)
        tint = colour(*pair)
        if pair not in rows.index or not np.isfinite(cast(float, rows.loc[pair, "mean"])):
            failed = (table[["method", "arm"]].apply(tuple, axis=1) == pair) & (table["n_failed"].fillna(0) > 0)
            text = "failed" if failed.any() else "not scored"
            axes.text(0.02, y, text, color=tint, fontsize=9, va="center", transform=across, bbox=HALO)
            continue
        row = rows.loc[pair]
        if np.isfinite(row["low"]) and np.isfinite(row["high"]):
            axes.plot([row["low"], row["high"]], [y, y], color=tint, lw=1.6)
        axes.text(1.01, y, f"{row['mean']:#.3g}", fontsize=9, va="center", transform=across)
        axes.plot(row["mean"], y, shapes.get(pair, "o"), ms=5, color=tint)
        if np.isfinite(row["consensus"]):
            axes.plot(row["consensus"], y + 0.28, "D", ms=4, mfc="white", mec=tint, mew=1.1)
    if (keys.FLOOR, keys.FLOOR) in rows.index:
        axes.axvline(
            cast(float, rows.loc[(keys.FLOOR, keys.FLOOR), "mean"]), color=GREY, lw=1, ls=(0, (4, 2)), zorder=0
        )
    heading(axes, score, LETTERS)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=4)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)


FIGURES = {
    "batch_effects": Drawing(
        batch_effects,
        "Batch effects before correction",
        "Left: the distance between batches for each marker; grey ticks are the distance of two samples of the same "
        "batch with equally many cells. The classifier's AUC is 0.5 if it cannot distinguish two batches. Right: "
        "samples placed by the medians of their markers; samples close to each other are similar. Held-out cells as "
        "measured.",
        "svg",
        lambda r: r.inputs,
    ),
    "batch_scores": Drawing(
        batch_scores,
        "Scores of the mapped batches",
        "Points are means over seeds with their 95 % bootstrap interval, hollow diamonds the mean of the maps of all "
        "seeds, grey points are baselines. The dashed line compares one half of the reference batch with the second "
        "half: the score that a perfect map would reach with half of the cells.",
        "svg",
        lambda r: {"summary": r.summary, "dataset": r.dataset},
    ),
    **BIAXIAL,
    "batch_densities": Drawing(
        batch_densities,
        "Markers before and after",
        "Densities over cells as they are written: the reference batch in grey, all further batches before (dashed) "
        "and after the map. Every corrected marker is drawn, those with the largest batch effect first.",
        "svg",
        lambda r: {"truth": r.truth, "mapped": r.headline},
    ),
    "umap": Drawing(
        umap,
        "Cells before and after",
        "A single UMAP of the reference cells and of the mapped cells before and after the map, so both panels have "
        "the same coordinates. UMAP shows neighbourhoods; distances between groups mean little.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.headline},
    ),
    "loss_curves": LOSS_CURVES,
}
