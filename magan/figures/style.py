"""Style of all figures: colours, sizes, the text at the foot, and how figures are saved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from magan import keys
from magan.titles import title

WIDTH = 7.2  # inches: the text width of a printed page, so that font sizes below are the printed sizes
INK, GREY, PALE = "#222222", "#767676", "#d9d9d9"
STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # store text as text, so that it can be searched and edited
    "pdf.fonttype": 42,  # TrueType, so that text can be edited
    "svg.hashsalt": "magan",  # otherwise identifiers differ between two drawings of the same data
}
# Okabe and Ito's palette, which readers with any common colour blindness can distinguish.
METHOD_COLOURS = {
    "magan": "#0072B2",
    "cyclegan": "#D55E00",
    "discogan": "#009E73",
    "travelgan": "#CC79A7",
    "pix2pix": "#E69F00",
}
GROUP_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C7A00")
ARM_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p")
WIDEST = 0.98  # of the width of a figure: a key; a browser may set its letters a little wider
WIDEST_IN_PRINT = 0.93  # likewise; small letters are relatively wider
INTERVAL = "95 % bootstrap interval over seeds"


@dataclass(frozen=True)
class Layout:
    """How figures are laid out: on a page of the report, or for print.

    Attributes
    ----------
    width
        Inches in which a figure is drawn, with the font sizes of `STYLE`.
    shrink
        Factor by which it is then made smaller, fonts and lines included.
    notes
        Whether title, foot and digest are in the figure. In print they are in the caption and the metadata.
    """

    width: float = WIDTH
    shrink: float = 1.0
    notes: bool = True


# Widths of journals: 3.5 inches (89 mm) with letters of at least 6 points, and 7.2 inches (183 mm) with at least 9.
PRINT = {"one_column": Layout(5.0, 0.7, False), "two_columns": Layout(WIDTH, 1.0, False)}
PAGE = Layout()
TICKS = {"length": 3.5, "width": 0.8, "pad": 3.5}  # points, the sizes of matplotlib
_layout: ContextVar[Layout] = ContextVar("layout", default=PAGE)


@contextmanager
def printed(layout: Layout) -> Iterator[None]:
    """Lay out all figures that are drawn inside like this."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def drawn_width() -> float:
    """Return the width in inches in which figures are drawn now."""
    return _layout.get().width


styled = rc_context(STYLE)  # a decorator that restores matplotlib's settings afterwards


def colour(method: str, arm: str) -> str | tuple[float, ...]:
    """Return the colour of an arm: its method's colour, lighter for an arm of another name, grey for a baseline."""
    if arm in keys.SEEDLESS:
        return GREY
    full = np.array(to_rgb(METHOD_COLOURS.get(method, INK)))
    return tuple(full) if arm == method else tuple(0.5 * full + 0.5)


def label(method: str, arm: str) -> str:
    """Return the title of an arm or a baseline."""
    return title(method if arm in keys.SEEDLESS else arm)


def lanes(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the (method, arm) pairs of a table in order: trained arms first, then baselines."""
    pairs = list(dict.fromkeys(zip(table["method"], table["arm"])))
    trained = [pair for pair in pairs if pair[1] not in keys.SEEDLESS]
    return trained + [pair for pair in pairs if pair[1] == keys.BASELINE]


def marks(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return a marker shape for each trained arm, so that arms differ by more than their colour."""
    trained = [pair for pair in pairs if pair[1] != keys.BASELINE]
    return {pair: ARM_MARKERS[i % len(ARM_MARKERS)] for i, pair in enumerate(trained)}


def seeds_of(table: pd.DataFrame) -> pd.Series:
    """Return the seed column as numbers; nan for a consensus and for rows without a seed."""
    return pd.to_numeric(table["seed"], errors="coerce")


def counted(n: int, noun: str) -> str:
    """Return a count with its noun, e.g. ``1 seed``, ``2 seeds``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def short(value: float) -> str:
    """Format a score for a figure: two decimals, no leading zero."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def new(height: float, title: str, foot: str, digest: str, width: float | None = None) -> Figure:
    """Create an empty figure with a title above, and ``foot`` and the digest of the data below.

    A figure with a key must leave ``title`` empty and pass the title to `key`; otherwise title and key overlap. In
    print, see `printed`, a figure has neither title nor foot, and is at most as wide as its column.
    """
    layout = _layout.get()
    figure = Figure(figsize=(min(width or layout.width, layout.width), height), layout="constrained")
    if not layout.notes:
        return figure
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    foot = " · ".join(part for part in (foot, f"data {digest[:12]}" if digest else "") if part)
    figure.supxlabel(foot, x=0.01, ha="left", fontsize=9, color=GREY)
    return figure


def key(figure: Figure, title: str, handles: Sequence[Artist], columns: int) -> None:
    """Draw the title of a figure, and below it a key of its symbols in as many columns, or as many as fit."""
    place = {"loc": "outside upper left", "alignment": "left", "columnspacing": 1.4, "borderpad": 0}
    notes = _layout.get().notes
    place |= {"title": title, "title_fontsize": 12} if notes else {}
    most = (WIDEST if notes else WIDEST_IN_PRINT) * figure.bbox.width
    for n in range(max(1, min(columns, len(handles))), 0, -1):
        legend = figure.legend(handles=handles, handlelength=1.6, ncols=n, **place)
        if n == 1 or legend.get_window_extent().width < most:
            return
        legend.remove()


def empty(title: str, message: str, digest: str) -> Figure:
    """Create a figure that states why there is nothing to draw."""
    figure = new(1.6, title, "", digest)
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0, 0.5, message, color=GREY, va="center")
    return figure


def panels(figure: Figure, n: int, columns: int, **shared) -> list[Axes]:
    """Create ``n`` axes in rows of ``columns``; the remaining places stay blank."""
    columns = min(n, columns)
    grid = figure.subplots(-(-n // columns), columns, squeeze=False, **shared).ravel()
    for axes in grid[n:]:
        axes.axis("off")
    return list(grid[:n])


def shrunk(figure: Figure, factor: float) -> Figure:
    """Return the figure with its size, letters, lines and symbols smaller by a factor."""
    if factor == 1:
        return figure
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            for which in ("major", "minor"):
                known: dict[str, Any] = axis.get_tick_params(which)
                sizes: dict[str, Any] = {name: factor * float(known.get(name, TICKS[name])) for name in TICKS}
                axis.set_tick_params(which, **sizes)
    for artist in figure.findobj():
        if isinstance(artist, Text):
            artist.set_fontsize(factor * float(artist.get_fontsize()))
        elif isinstance(artist, Line2D):
            artist.set(linewidth=factor * artist.get_linewidth(), markersize=factor * artist.get_markersize())
            artist.set_markeredgewidth(factor * artist.get_markeredgewidth())
        elif isinstance(artist, Patch):
            artist.set_linewidth(factor * artist.get_linewidth())
        elif isinstance(artist, Collection):
            artist.set_linewidth(list(factor * np.atleast_1d(artist.get_linewidth())))
            if isinstance(artist, PathCollection):
                artist.set_sizes(factor**2 * artist.get_sizes())
    figure.set_size_inches(*(factor * figure.get_size_inches()))
    return figure


def save(figure: Figure, path: Path | str, dpi: int = 150, about: str = "") -> None:
    """Write a figure to a file, with ``about`` in its metadata; equal data give equal bytes."""
    path = Path(path)
    metadata: dict[str, dict[str, str | None]] = {
        ".svg": {"Date": None, "Creator": "magan", "Description": about or None},
        ".png": {"Software": "magan", **({"Description": about} if about else {})},
        ".pdf": {"Creator": "magan", "CreationDate": None, "Subject": about or None},
    }
    with rc_context(STYLE):
        figure.savefig(path, dpi=dpi, metadata=metadata.get(path.suffix))
