"""Figures of merged panels: which imputed markers may be used, whether intervals hold, and where the cells lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from magan import keys
from magan.figures.drawing import Drawing
from magan.figures.embedding import coordinates, populations
from magan.figures.style import GREY, GROUP_COLOURS, INK, empty, key, new, panels, short, styled

WORDS = {"usable": "#0072B2", "as a trend": "#E69F00", "not usable": GREY}
SHAPES = {"usable": "o", "as a trend": "s", "not usable": "X"}
N_BINS = 10  # of cells with similar predictions
POINTS = {"s": 4, "lw": 0, "alpha": 0.7, "rasterized": True}
NOMINAL = 0.9  # share of cells whose value an interval is to hold


@dataclass(frozen=True)
class MergedPanels:
    """Inputs of the figures of merged panels."""

    verdicts: pd.DataFrame
    merged: AnnData
    audits: Mapping[str, tuple[AnnData, AnnData]]  # name -> truth, and maps of the merging arm
    asked: Mapping[str, float]  # verdict -> its threshold of the lowest r


@styled
def panel_verdicts(verdicts: pd.DataFrame, *, asked: Mapping[str, float], digest: str) -> Figure:
    """For every marker that a panel lacks, the expected r, the lowest r, and the verdict.

    Parameters
    ----------
    verdicts
        Columns panel, marker, claimed, expected, lower, seeds, methods, verdict and, where the data know it, true.
    asked
        Word -> the ``lower`` that it asks for; drawn as lines.
    digest
        Of the data, written at the foot.
    """
    title = "Which imputed markers may be used"
    groups = list(verdicts.groupby(keys.PANEL, sort=False))
    if not groups:
        return empty(title, "No panel lacks a marker.", digest)
    foot = "point: r to be expected; bar: from the lowest to the claimed; dashed: what a word asks of the judged r\n"
    foot += "numbers: how well seeds, and methods, agree with one another"
    sizes = [len(rows) for _, rows in groups]
    figure = new(1.5 + 0.24 * sum(sizes) + 0.55 * len(sizes), "", foot, digest)
    grid = figure.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=[n + 1 for n in sizes])[:, 0]
    for axes, (panel, rows) in zip(grid, groups):
        _verdict_panel(axes, rows.sort_values("lower", ascending=False, kind="stable", na_position="last"), asked)
        axes.set_title(f"on cells of panel {panel}")
        axes.text(1.01, 1.0, "seeds, methods", transform=axes.transAxes, fontsize=9, color=GREY, va="bottom")
    grid[-1].set_xlabel("Pearson's r over cells")
    signs = [Line2D([], [], ls="", marker=SHAPES[w], color=WORDS[w], label=w) for w in WORDS]
    if "true" in verdicts:
        signs.append(Line2D([], [], ls="", marker="|", ms=9, mew=2, color=INK, label="r with the truth"))
    key(figure, title, signs, 4)
    return figure


def _verdict_panel(axes: Axes, rows: pd.DataFrame, asked: Mapping[str, float]) -> None:
    for level in asked.values():
        axes.axvline(level, color=GREY, lw=0.8, ls=(0, (4, 2)), zorder=0)
    across = axes.get_yaxis_transform()
    for y, row in enumerate(rows.to_dict("records")):
        tint = WORDS[row["verdict"]]
        axes.plot([row["lower"], row["claimed"]], [y, y], color=tint, lw=3, alpha=0.4, solid_capstyle="butt")
        axes.plot(row["expected"], y, SHAPES[row["verdict"]], color=tint, ms=6)
        if np.isfinite(row.get("true", np.nan)):
            axes.plot(row["true"], y, "|", color=INK, ms=9, mew=2)
        shown = f"{_or_unknown(row['seeds'])}, {_or_unknown(row['methods'])}"
        axes.text(1.01, y, shown, transform=across, fontsize=9, va="center")
    axes.set_yticks(range(len(rows)), rows[keys.MARKER])
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(min(0, float(np.nanmin([0, rows["lower"].min()]))), 1))
    axes.spines["left"].set_visible(False)


def _or_unknown(value: float) -> str:
    return short(value) if np.isfinite(value) else "?"


@styled
def panel_calibration(audits: Mapping[str, tuple[AnnData, AnnData]], *, digest: str) -> Figure:
    """Calibration of predictions: the measured mean, and the coverage of the interval.

    Cells of a held-out marker are put into ten groups of equal size by what is predicted of them.

    Parameters
    ----------
    audits
        Name -> truth and map of an audit. The map has ``layers["consensus"]``, "low" and "high"; one without, because
        it failed, is said to have.
    digest
        Of the data, written at the foot.
    """
    title = "Do predictions and their intervals hold?"
    names = list(audits)
    foot = "ten groups of cells by prediction · thin: one held-out marker; bold: their mean"
    figure = new(5.6, title, foot, digest)
    grid = figure.subplots(2, len(names), squeeze=False, sharey="row")
    for column, name in zip(grid.T, names):
        column[0].set_title(name)
        truth, mapped = audits[name]
        if keys.LOW not in mapped.layers:
            column[0].text(0.5, 0.5, "failed", transform=column[0].transAxes, ha="center", color=GREY)
            continue
        curves = [_grouped(truth, mapped, marker) for marker in mapped.var_names]
        _reliability(column[0], curves)
        _coverage(column[1], curves)
    grid[0, 0].set_ylabel("measured, in spreads\nof the marker")
    grid[1, 0].set_ylabel("share of cells\ninside the interval")
    return figure


def _grouped(truth: AnnData, mapped: AnnData, marker: str) -> np.ndarray:
    """Mean prediction, mean measurement (both standardised by the truth) and coverage of ten groups, ``(10, 3)``."""
    real = np.asarray(truth[mapped.obs_names, marker].layers[keys.PREPROCESSED]).ravel()
    cells = mapped[:, marker]
    shown, low, high = (np.asarray(cells.layers[name]).ravel() for name in (keys.CONSENSUS, keys.LOW, keys.HIGH))
    centre, sd = real.mean(), real.std() or 1
    inside = (low <= real) & (real <= high)
    groups = np.array_split(np.argsort(shown, kind="stable"), N_BINS)
    return np.array(
        [((shown[g].mean() - centre) / sd, (real[g].mean() - centre) / sd, inside[g].mean()) for g in groups]
    )


def _reliability(axes: Axes, curves: list[np.ndarray]) -> None:
    for curve in curves:
        axes.plot(curve[:, 0], curve[:, 1], color=WORDS["usable"], lw=0.8, alpha=0.6, marker=".", ms=3)
    axes.axline((0, 0), slope=1, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.set_xlabel("predicted, in spreads of the marker")


def _coverage(axes: Axes, curves: list[np.ndarray]) -> None:
    place = np.arange(1, N_BINS + 1)
    for curve in curves:
        axes.plot(place, curve[:, 2], color=WORDS["usable"], lw=0.6, alpha=0.5)
    axes.plot(place, np.mean([curve[:, 2] for curve in curves], axis=0), color=WORDS["usable"], lw=2)
    axes.axhline(NOMINAL, color=INK, lw=0.8, ls=(0, (4, 3)))
    whole = float(np.mean([curve[:, 2].mean() for curve in curves]))
    axes.text(0.03, 0.05, f"all cells {short(whole)}, nominal .90", transform=axes.transAxes)
    lowest = min(curve[:, 2].min() for curve in curves)
    axes.set(ylim=(min(0.6, lowest - 0.05), 1.01), xticks=[1, 5, 10], xlabel="group, lowest to highest prediction")


@styled
def panel_umap(merged: AnnData, *, digest: str, n_cells: int = 3000, seed: int = 0) -> Figure:
    """Merged cells by panel, population (where known) and confidence, on one UMAP of the draws of all markers.

    Parameters
    ----------
    merged
        ``layers["sampled"]``, ``obs["panel"]`` and ``obs["confidence"]``.
    digest
        Of the data, written at the foot.
    n_cells
        The most points that are drawn.
    seed
        Of the choice of cells and of UMAP.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(merged.n_obs)[:n_cells])
    cells = merged[rows]
    values = np.asarray(cells.layers[keys.SAMPLED], np.float32)
    spread = values.std(axis=0)
    place = coordinates(values / np.where(spread > 0, spread, 1), seed)
    order = np.random.default_rng(seed).permutation(len(rows))  # no group is drawn over another
    known = keys.CELL_TYPE in cells.obs
    foot = f"{len(rows):,} of {merged.n_obs:,} cells, one UMAP of all {merged.n_vars} markers (seed {seed})"
    figure = new(3.6 if known else 3.4, "Merged cells: " + str(merged.uns.get(keys.DATASET, "")), foot, digest)
    axes_of = panels(figure, 3 if known else 2, 3)
    names = list(dict.fromkeys(cells.obs[keys.PANEL].astype(str)))
    tints = {name: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, name in enumerate(sorted(names))}
    _cloud(axes_of[0], place, order, cells.obs[keys.PANEL].astype(str), tints, "by panel")
    if known:
        groups, colours = populations(cells.obs[keys.CELL_TYPE].astype(str))
        _cloud(axes_of[1], place, order, groups, colours, "by population")
    _cloud(axes_of[-1], place, order, cells.obs[keys.CONFIDENCE], None, "by confidence")
    bar = axes_of[-1].inset_axes((0.05, -0.09, 0.9, 0.04))
    figure.colorbar(axes_of[-1].collections[0], cax=bar, orientation="horizontal")
    return figure


def _cloud(axes: Axes, place: np.ndarray, order: np.ndarray, of: pd.Series, tints: Mapping | None, title: str) -> None:
    """Cells, coloured by the group they are ``of`` or, without ``tints``, by its value from 0 to 1."""
    colours = of if tints is None else of.map(tints)
    scale = {"cmap": "viridis", "vmin": 0, "vmax": 1} if tints is None else {}
    axes.scatter(*place[order].T, c=colours.to_numpy()[order], **POINTS, **scale)
    axes.set_title(title)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if tints is not None:
        handles = [Line2D([], [], ls="", marker="o", ms=5, color=tint, label=name) for name, tint in tints.items()]
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "ncols": 2}
        axes.legend(handles=handles, handletextpad=0.1, columnspacing=1.0, **below)


FIGURES = {
    "panel_verdicts": Drawing(
        panel_verdicts,
        "Which imputed markers may be used",
        "For every marker that a panel lacks: Pearson's r to expect of its prediction. The bar reaches from the lowest "
        "r that the audit allows for to the claimed r; the verdict judges an r just below the point. Numbers: the "
        "agreement of seeds, and the agreement of methods. A black tick is r with the truth, if the data contain it.",
        "svg",
        lambda r: {"verdicts": r.verdicts, "asked": r.asked},
    ),
    "panel_calibration": Drawing(
        panel_calibration,
        "Do predictions and their intervals hold?",
        "Cells of each held-out marker in ten groups by their prediction. Above: the mean measurement of a group; on "
        "the dashed line predictions are right on average. Below: the share of cells inside the 90 % interval.",
        "svg",
        lambda r: {"audits": r.audits},
    ),
    "panel_umap": Drawing(
        panel_umap,
        "Merged cells",
        "A single UMAP of all cells by all markers, measured or sampled. Well-merged panels are mixed. Confidence is "
        "how typical a cell would be of the panel that provides its imputed markers.",
        "png",
        lambda r: {"merged": r.merged},
    ),
}
