"""Curves of loss terms during training, by seed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from magan.figures.drawing import Drawing
from magan.figures.style import GREY, METHOD_COLOURS, colour, counted, empty, key, new, panels, styled
from magan.titles import title as readable

COLUMNS = 3
DASHES = ("-", (0, (4, 1)), (0, (1, 1)), "-.", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (2, 2)), (0, (8, 1, 1, 1)))


@styled
def loss_curves(curves: Mapping[str, pd.DataFrame], *, digest: str, methods: Mapping[str, str] | None = None) -> Figure:
    """Draw every loss term in a separate panel: a thin line per seed, the mean over seeds in bold.

    Parameters
    ----------
    curves
        Arm -> curves with the columns step, seed, term, value (nan where training was not finite).
    digest
        Digest of the data, written at the foot.
    methods
        Arm -> method, for the colours; by default the part of the arm's name before the first underscore.
    """
    title = "Loss terms during training"
    drawn = {arm: table for arm, table in curves.items() if len(table)}
    if not drawn:
        return empty(title, "No run wrote a curve.", digest)
    terms = sorted({term for table in drawn.values() for term in table["term"]})
    n = max(table["seed"].nunique() for table in drawn.values())
    foot = f"up to {counted(n, 'seed')} per arm · thin: seeds; bold: their mean"
    figure = new(1.2 + 1.65 * -(-len(terms) // COLUMNS), "", foot, digest)
    tints: dict[str, Any] = {arm: _tint(arm, methods or {}) for arm in curves}
    styles = dict(zip(curves, DASHES * len(curves)))
    axes_of = dict(zip(terms, panels(figure, len(terms), COLUMNS, sharex=True)))
    for term, axes in axes_of.items():
        for arm, table in drawn.items():
            _term(axes, table[table["term"] == term], tints[arm], styles[arm])
        axes.set_title(term.replace("/", ": ").replace("_", " "))
        axes.locator_params(nbins=4)
    for axes in list(axes_of.values())[-COLUMNS:]:
        axes.set_xlabel("step")
        axes.tick_params(labelbottom=True)
    handles = [
        Line2D(
            [],
            [],
            color=tints[arm] if arm in drawn else GREY,
            ls=styles[arm],
            lw=2,
            label=readable(arm) if arm in drawn else f"{readable(arm)} (failed)",
        )
        for arm in curves
    ]
    key(figure, title, handles, 4)
    return figure


def _term(axes: Axes, table: pd.DataFrame, tint, style) -> None:
    if table.empty:
        return
    wide = table.pivot_table(index="step", columns="seed", values="value", dropna=False)
    axes.plot(wide.index, wide.to_numpy(), color=tint, lw=0.5, alpha=0.45)
    axes.plot(wide.index, wide.mean(axis=1), color=tint, lw=1.8, ls=style)


def _tint(arm: str, methods: Mapping[str, str]):
    method = methods.get(arm, arm.split("_")[0])
    return colour(method if method in METHOD_COLOURS else arm, arm)


LOSS_CURVES = Drawing(
    loss_curves,
    "Loss terms during training",
    "Thin lines are seeds, bold lines are their mean. A lower loss is not a better map: the losses of generator and "
    "discriminator oppose each other.",
    "svg",
    lambda r: {"curves": r.curves, "methods": r.arms},
)
