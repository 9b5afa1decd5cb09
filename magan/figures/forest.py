"""Forest plots: a panel per score, a line per method, with the interval over seeds."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from magan import keys
from magan.figures.style import GREY, PALE, colour, empty, label, lanes, new, panels, seeds_of, short

ARROWS = {"lower": "← better", "higher": "better →", "one": "best at 1", "nominal": "best at 0.9"}
COLUMNS = 3
LETTERS = 24  # of a title that is as wide as one of three panels


def of_dataset(task: str, dataset: str, *tables: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of a task and a data set of each table."""
    return [table[(table["task"] == task) & (table["dataset"] == dataset)] for table in tables]


def known_scores(summary: pd.DataFrame, scores: Sequence[str]) -> list[str]:
    """Return the scores for which a method has a finite mean over all cells."""
    rows = summary[np.isfinite(summary["mean"]) & (summary["arm"] != keys.FLOOR) & (summary["group"] == keys.ALL)]
    return [score for score in scores if (rows["metric"] == score).any()]


def forest(
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    scores: Sequence[str],
    title: str,
    foot: str,
    digest: str,
    chance: Mapping[str, float] | None = None,
) -> Figure:
    """Draw means over seeds with their intervals, every seed, the consensus and the floor of every method.

    Parameters
    ----------
    metrics, summary
        Rows of a single data set.
    scores
        Scores, a panel each; without any, the figure says so.
    chance
        Score -> its value by chance, drawn like the floor.
    """
    pairs = lanes(summary)
    if not pairs or not scores:
        return empty(title, "No method was scored.", digest)
    whole = summary[(summary["group"] == keys.ALL) & (summary["feature"] == keys.ALL)]
    every = metrics[(metrics["group"] == keys.ALL) & (metrics["feature"] == keys.ALL)]
    of_failed = whole[(whole["metric"] == "failed") & (whole["mean"] == 1)]
    failed = set(zip(of_failed["method"], of_failed["arm"]))
    n_rows = -(-len(scores) // COLUMNS)
    figure = new(0.9 + n_rows * (0.75 + 0.24 * len(pairs)), title, foot, digest)
    for i, (axes, score) in enumerate(zip(panels(figure, len(scores), COLUMNS), scores)):
        rows = whole[whole["metric"] == score].set_index(["method", "arm"])
        _panel(axes, rows, every[every["metric"] == score], pairs, failed)
        if chance and score in chance:
            _dashed(axes, chance[score])
        heading(axes, score, LETTERS)
        axes.set_yticks(range(len(pairs)), [label(*pair) for pair in pairs] if i % COLUMNS == 0 else [])
    return figure


def heading(axes: Axes, score: str, letters: int) -> None:
    """Write the name of a score in lines of so many letters, and below it which way is better."""
    name, better = keys.SCORES.get(score, (score, ""))
    axes.set_title("\n".join([*textwrap.wrap(name.split(" (")[0], letters), ""]), fontsize=9)
    above = {"xycoords": "axes fraction", "xytext": (0, 5), "textcoords": "offset points"}
    axes.annotate(ARROWS.get(better, ""), (0, 1), **above, fontsize=9, color=GREY, va="bottom")


def _panel(
    axes: Axes, rows: pd.DataFrame, seeds: pd.DataFrame, pairs: Sequence[tuple[str, str]], failed: set[tuple[str, str]]
) -> None:
    across = axes.get_yaxis_transform()
    for y, pair in enumerate(pairs):
        axes.axhline(y, color=PALE, lw=0.6, zorder=0)
        tint = colour(*pair)
        if pair not in rows.index or not np.isfinite(_mean(rows, pair)):
            note = "failed" if pair in failed else "–"
            axes.text(1.02, y, note, color=GREY, fontsize=9, va="center", transform=across)
            continue
        row = cast(pd.Series, rows.loc[pair])
        points = seeds[(seeds["method"] == pair[0]) & (seeds["arm"] == pair[1]) & seeds_of(seeds).notna()]["value"]
        axes.plot(points, np.full(len(points), y + 0.24), ".", ms=3.5, color=tint, alpha=0.6, mew=0)
        if np.isfinite(row["low"]) and np.isfinite(row["high"]):
            axes.plot([row["low"], row["high"]], [y, y], color=tint, lw=1.6)
        axes.plot(row["mean"], y, "o", ms=4.5, color=tint)
        if np.isfinite(row["consensus"]):
            axes.plot(row["consensus"], y - 0.24, "D", ms=3.5, mfc="white", mec=tint, mew=1)
        axes.text(1.02, y, _written(row["mean"]), fontsize=9, va="center", transform=across)
    floor = (keys.FLOOR, keys.FLOOR)
    if floor in rows.index and np.isfinite(_mean(rows, floor)):
        _dashed(axes, _mean(rows, floor))
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=4)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)


def _mean(rows: pd.DataFrame, pair: tuple[str, str]) -> float:
    return float(cast(pd.Series, rows.loc[pair])["mean"])


def _dashed(axes: Axes, value: float) -> None:
    axes.axvline(value, color=GREY, lw=1, ls=(0, (4, 2)), zorder=0)


def _written(value: float) -> str:
    if 0.001 <= abs(value) < 0.1:
        return f"{value:.3f}".replace("0.", ".", 1)
    rounded = round(float(value), 2) + 0.0  # no minus before a zero
    return short(rounded) if abs(rounded) < 10 else f"{rounded:.0f}"
