"""Figures of the held-out markers: the scores of each marker, and predicted against measured values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.optimize import isotonic_regression

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.style import (
    GREY,
    INK,
    INTERVAL,
    colour,
    counted,
    drawn_width,
    empty,
    key,
    label,
    lanes,
    marks,
    new,
    panels,
    seeds_of,
    short,
    styled,
)

HATCHES = ("", "////", "....", "xxxx")  # of the arms of a model, in their order
DASHES = ("-", (0, (3, 1)), (0, (1, 1)), "-.", (0, (5, 1, 1, 1, 1, 1)))  # of the baselines, in their order
GREYS = ("#8f8f8f", "#666666", "#222222")  # likewise
LEAST_GAP = 0.075  # of the height of a panel: lines of text nearer than this would overlap
POINTS = 460  # of the width of a panel, 72 to the inch


@styled
def heldout_markers(metrics: pd.DataFrame, summary: pd.DataFrame, *, digest: str) -> Figure:
    """Pearson's r of every held-out marker: seeds, mean and interval, consensus, baselines and, where known, ceiling.

    One panel per data set; markers are sorted by the r of kNN, the hardest first.

    Parameters
    ----------
    metrics, summary
        The tidy tables; rows of other tasks are passed over.
    digest
        Of the data, written at the foot.
    """
    title = "How well a marker is predicted that the panel did not measure"
    metrics = metrics[(metrics["task"] == "heldout") & (metrics["group"] == keys.ALL)]
    summary = summary[(summary["task"] == "heldout") & (summary["group"] == keys.ALL)]
    datasets = list(dict.fromkeys(metrics["dataset"]))
    if not datasets:
        return empty(title, "No marker was held out in this study.", digest)
    n = int(seeds_of(metrics).nunique())
    foot = f"{counted(n, 'seed')} per arm · small points: seeds; bar: mean and {INTERVAL}"
    figure = new(1.3 + 2.7 * len(datasets), "", foot, digest)
    pairs = lanes(metrics)
    for axes, dataset in zip(panels(figure, len(datasets), 1), datasets):
        scores, table = metrics[metrics["dataset"] == dataset], summary[summary["dataset"] == dataset]
        _marker_panel(axes, scores, table, pairs, dataset)
    key(figure, title, _signs(pairs, metrics), 5)
    return figure


def _marker_panel(axes: Axes, scores, table, pairs, dataset) -> None:
    r = scores[(scores["metric"] == "pearson") & (scores["feature"] != keys.ALL)]
    markers = _sorted_markers(r)
    place = {marker: i for i, marker in enumerate(markers)}
    trained = [pair for pair in pairs if pair[1] != keys.BASELINE]
    shapes = marks(pairs)
    step = 0.8 / max(len(trained), 1)
    size = float(np.clip(0.6 * step * POINTS / len(markers), 2.8, 5)) if markers else 5  # as wide as its lane allows
    for pair, line in _lines(pairs, r).items():
        for row in r[(r["method"] == pair[0]) & (r["arm"] == pair[1])].itertuples():
            x = place[row.feature]
            axes.plot([x - 0.42, x + 0.42], [row.value] * 2, solid_capstyle="butt", **line)
    for i, pair in enumerate(trained):
        offset = (i - (len(trained) - 1) / 2) * step
        mine = r[(r["method"] == pair[0]) & (r["arm"] == pair[1])]
        seeds = mine[seeds_of(mine).notna()]
        tint = colour(*pair)
        axes.plot(
            [place[m] + offset - 0.25 * step for m in seeds["feature"]],
            seeds["value"],
            shapes[pair],
            ms=0.5 * size,
            mew=0,
            alpha=0.55,
            color=tint,
        )
        _means(axes, table, pair, place, (offset, step, size), shapes[pair])
        if mine.empty and markers:
            axes.text(
                offset,
                0.02,
                f"{label(*pair)} failed",
                rotation=90,
                color=tint,
                fontsize=9,
                va="bottom",
                ha="center",
                transform=axes.get_xaxis_transform(),
            )
    steep = len(markers) > 9 or any(len(m) > 7 for m in markers)
    axes.set_xticks(range(len(markers)), markers, rotation=40 if steep else 0, ha="right" if steep else "center")
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(markers) - 0.4)
    axes.set_ylabel("Pearson's r over cells")
    axes.axhline(0, color=INK, lw=0.6) if r["value"].min() < 0 else None
    axes.set_title(_panel_title(dataset, table, pairs))
    if markers:
        _name_lines(axes, r[r["arm"].isin([keys.BASELINE, keys.CEILING]) & (r["feature"] == markers[-1])])


def _lines(pairs, r: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """How the line of each baseline looks, and of the ceiling, where there is one."""
    baselines = [pair for pair in pairs if pair[1] == keys.BASELINE]
    lines = {
        p: {"color": GREYS[i % len(GREYS)], "ls": DASHES[i % len(DASHES)], "lw": 1.4} for i, p in enumerate(baselines)
    }
    known = (r["arm"] == keys.CEILING).any()
    return lines | ({(keys.CEILING, keys.CEILING): {"color": "#009E73", "ls": (0, (6, 2)), "lw": 2}} if known else {})


def _name_lines(axes: Axes, last: pd.DataFrame) -> None:
    """Write the name of each line at the right edge, next to its place at the last marker."""
    rows = last[np.isfinite(last["value"])].sort_values("value", kind="stable")
    low, high = axes.get_ylim()
    values, edge = rows["value"].to_numpy(), axes.get_xlim()[1]
    axes.set(xlim=axes.get_xlim(), ylim=(low, high))
    places = _spread(values, LEAST_GAP * (high - low))
    places = places - max(0.0, places.max(initial=low) - high)  # above the panel is its title
    for method, value, y in zip(rows["method"], values, places):
        place: dict[str, Any] = {"xy": (edge - 0.18, value), "xytext": (edge + 0.06, y)}
        arrow = {"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            label(method, keys.BASELINE),
            **place,
            color=INK,
            fontsize=9,
            va="center",
            arrowprops=arrow,
            annotation_clip=False,
        )


def _spread(values: np.ndarray, gap: float) -> np.ndarray:
    """Ascending places nearest to ascending ``values`` with at least ``gap`` between neighbours."""
    steps = gap * np.arange(len(values))
    # Places minus their steps must not decrease: isotonic regression gives the nearest such values.
    return isotonic_regression(values - steps).x + steps if len(values) else values


def _means(axes: Axes, table: pd.DataFrame, pair, place, lane: tuple[float, float, float], shape: str) -> None:
    offset, step, size = lane
    tint = colour(*pair)
    rows = table[(table["metric"] == "pearson") & (table["method"] == pair[0]) & (table["arm"] == pair[1])]
    for row in rows[rows["feature"].isin(list(place)) & rows["mean"].notna()].itertuples():
        x = place[row.feature] + offset
        if np.isfinite(row.low) and np.isfinite(row.high):
            axes.plot([x, x], [row.low, row.high], color=tint, lw=1.6)
        axes.plot(x, row.mean, shape, ms=size, color=tint)
        if np.isfinite(row.consensus):
            axes.plot(
                x + 0.3 * step, row.consensus, "D", ms=0.9 * size, mfc="white", mec=tint, mew=0.22 * size, zorder=3
            )


def _panel_title(dataset: str, table: pd.DataFrame, pairs) -> str:
    """The data set, and the mean r of the first arm and of the best baseline."""
    rows = table[(table["metric"] == "pearson") & (table["feature"] == keys.ALL)].dropna(subset=["mean"])
    means: dict[Any, Any] = {(row.method, row.arm): row.mean for row in rows.itertuples()}
    trained = [pair for pair in pairs if pair[1] != keys.BASELINE and pair in means][:1]
    scored = (pair for pair in pairs if pair[1] == keys.BASELINE and pair in means)
    baselines = sorted(scored, key=means.__getitem__)[-1:]
    labels = [f"{label(*pair)} {short(means[pair])}" for pair in trained + baselines]
    return f"{dataset}: mean r {', best baseline '.join(labels)}" if len(labels) == 2 else dataset


def _sorted_markers(r: pd.DataFrame) -> list[str]:
    """Markers by the r of kNN, or by the mean of everything where there is no kNN."""
    knn = r[r["method"] == "knn"]
    return list((r if knn.empty else knn).groupby("feature")["value"].mean().sort_values(kind="stable").index) + [
        marker for marker in dict.fromkeys(r["feature"]) if not knn.empty and marker not in set(knn["feature"])
    ]


def _signs(pairs, metrics: pd.DataFrame) -> list[Line2D]:
    shapes = marks(pairs)
    tints: dict[tuple[str, str], Any] = {pair: colour(*pair) for pair in shapes}
    trained = [Line2D([], [], ls="", marker=shapes[p], ms=6, color=tints[p], label=label(*p)) for p in shapes]
    consensus = Line2D([], [], ls="", marker="D", ms=5, mfc="white", mec=INK, mew=1.2, label="mean of all seeds")
    lines = [Line2D([], [], label=label(*pair), **line) for pair, line in _lines(pairs, metrics).items()]
    return [*trained, consensus, *lines]


@styled
def heldout_scatter(
    truth: AnnData, mapped: Mapping[str, AnnData], *, digest: str, markers: Sequence[str] = (), n_markers: int = 4
) -> Figure:
    """Measured against predicted values, cell by cell; one row per method, one column per marker.

    Parameters
    ----------
    truth
        Cells by held-out markers, ``layers["preprocessed"]`` as measured.
    mapped
        Label to predictions; of seeds, their consensus is drawn. One that failed is said to have.
    digest
        Of the data, written at the foot.
    markers
        Which to draw; by default the ``n_markers`` that vary most.
    """
    real = truth.to_df(keys.PREPROCESSED)
    markers = list(markers) or list(real.std().sort_values(ascending=False, kind="stable").index[:n_markers])
    title = "Measured and predicted values of held-out markers"
    seeds = max((len(np.atleast_1d(m.uns.get("seeds", []))) for m in mapped.values()), default=0)
    foot = f"{truth.n_obs:,} cells · mean of {counted(seeds, 'seed')} where seeds were trained · darker: more cells"
    side = drawn_width() / max(len(markers), 3)
    figure = new(1.15 + (side - 0.1) * len(mapped), title, foot, digest)
    grid = figure.subplots(len(mapped), len(markers), squeeze=False)
    for row, (name, cells) in zip(grid, mapped.items()):
        for axes, marker in zip(row, markers):
            _hexagons(axes, real[marker], cells, marker)
        row[0].set_ylabel(f"{label(name, name)}\npredicted")
    for axes, marker in zip(grid[0], markers):
        axes.set_title(marker)
    for axes in grid[-1]:
        axes.set_xlabel("measured\n(arcsinh units)")
    return figure


def _hexagons(axes: Axes, real: pd.Series, cells: AnnData, marker: str) -> None:
    low, high = float(real.min()), float(real.quantile(0.999))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    if cells.uns.get("error") or marker not in cells.var_names:
        axes.text(0.5, 0.5, "failed", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    predicted = cells[:, marker].to_df()[marker].reindex(real.index)
    seen = np.isfinite(predicted)
    x, y = real[seen].to_numpy(), predicted[seen].to_numpy()
    extent = (low, high, low, high)
    axes.hexbin(x, y, gridsize=32, bins="log", mincnt=1, extent=extent, cmap="Blues", linewidths=0, rasterized=True)
    axes.axline((low, low), slope=1, color=INK, lw=0.6, ls=(0, (4, 3)))
    r = np.corrcoef(x, y)[0, 1] if x.std() and y.std() else np.nan
    halo = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    axes.text(0.04, 0.96, f"r {short(r)}", transform=axes.transAxes, va="top", bbox=halo)


@styled
def heldout_bars(summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """Draw Pearson's r of every held-out marker as bars: a bar for each arm and baseline, a line for the ceiling.

    Parameters
    ----------
    summary
        The tidy summary; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Held-out markers, method by method: {dataset}"
    table = summary[(summary["task"] == "heldout") & (summary["dataset"] == dataset) & (summary["metric"] == "pearson")]
    table = table[(table["group"] == keys.ALL) & (table["feature"] != keys.ALL)]
    markers, pairs = list(dict.fromkeys(table["feature"])), lanes(table)
    if not markers:
        return empty(title, "No marker was scored.", digest)
    figure = new(3.6 + 0.2 * (len(pairs) // 4), "", f"bars: means; black: {INTERVAL}", digest)
    (axes,) = panels(figure, 1, 1)
    width = 0.84 / len(pairs)
    handles: list[Artist] = []
    for i, pair in enumerate(pairs):
        rows = table[(table["method"] == pair[0]) & (table["arm"] == pair[1])].set_index("feature").reindex(markers)
        at = np.arange(len(markers)) + (i - (len(pairs) - 1) / 2) * width
        look = _bar(pair, pairs)
        axes.bar(at, rows["mean"], width, **look)
        axes.vlines(at, rows["low"], rows["high"], color=INK, lw=1)
        handles.append(Patch(label=label(*pair), **look))
    best = table[table["arm"] == keys.CEILING].set_index("feature")["mean"].reindex(markers)
    if best.notna().any():
        at, line = np.arange(len(markers)), {"color": INK, "lw": 1.2, "ls": DASHES[1]}
        axes.hlines(best, at - 0.45, at + 0.45, **line)
        handles.append(Line2D([], [], label=label(keys.CEILING, keys.BASELINE), **line))
    axes.axhline(0, color=INK, lw=0.6)
    axes.set_xticks(range(len(markers)), markers)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="Pearson's r over cells", xlim=(-0.55, len(markers) - 0.45))
    key(figure, title, handles, 4)
    return figure


def _bar(pair: tuple[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the look of a bar: arms of a model share its colour and differ by hatches, baselines are greys."""
    if pair[1] == keys.BASELINE:
        place = [known for known in pairs if known[1] == keys.BASELINE].index(pair)
        return {"color": GREYS[place % len(GREYS)], "lw": 0}
    place = [known for known in pairs if known[0] == pair[0] and known[1] != keys.BASELINE].index(pair)
    tint = colour(pair[0], pair[0])
    return {"facecolor": tint if place == 0 else "white", "edgecolor": tint, "lw": 1.2, "hatch": HATCHES[place % 4]}


FIGURES = {
    "heldout_markers": Drawing(
        heldout_markers,
        "Held-out markers, one by one",
        "Pearson's r between the measured and the predicted values of a marker that was removed from one panel before "
        "training. Small points are seeds, large points are their mean with its 95 % bootstrap interval, hollow "
        "diamonds are the mean prediction of all seeds. Grey lines are baselines that draw no random numbers. The "
        "ceiling learns from the truth, which no method has. Markers are sorted by the r of kNN.",
        "svg",
        lambda r: {"metrics": r.metrics, "summary": r.summary},
    ),
    "heldout_bars": Drawing(
        heldout_bars,
        "Held-out markers, method by method",
        "Pearson's r between the measured and the predicted values of each hidden marker: the mean over seeds with its "
        "95 % bootstrap interval. Arms of a model share a colour; the first is filled. The dashed line is a regression "
        "that learns from the truth, which no method has.",
        "svg",
        lambda r: {"summary": r.summary, "dataset": r.dataset},
        lambda r: len(r.arms) > 1,
    ),
    "heldout_scatter": Drawing(
        heldout_scatter,
        "Measured and predicted values",
        "Every test cell, darker where there are more. On the dashed line a prediction equals the measurement.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.mapped},
    ),
    "loss_curves": LOSS_CURVES,
}


def shown(arms: Mapping[str, str], baselines: Sequence[str], summary: pd.DataFrame) -> list[str]:
    """The headline arm, and the baseline that is best at Pearson's r."""
    whole = summary[(summary["metric"] == "pearson") & (summary["feature"] == keys.ALL)]
    best = [name for name in whole["best_baseline"].unique() if name in (*arms, *baselines)]
    return [next(iter(arms)), *best[:1]]
