"""Records: what the code gave when it was last looked at, as text in `recorded/`, and what a figure shows, as text."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.spines import Spine
from matplotlib.text import Text

RECORDED = Path(__file__).parent / "recorded"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]\d+)?")
CLOSE = 2e-3  # other processors round otherwise


def assert_recorded(name: str, lines: list[str], close: float = CLOSE) -> None:
    """Compare lines with the file of that name; the environment's MAGAN_RECORD=1 writes the file instead.

    Numbers may differ by a share of `CLOSE` and by ``close``, all else must be equal.
    """
    path = RECORDED / f"{name}.txt"
    if os.environ.get("MAGAN_RECORD"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    expected = path.read_text().splitlines()
    for found, line in zip([*lines, ""], [*expected, ""]):
        same = NUMBER.split(found) == NUMBER.split(line)
        values = [np.array(NUMBER.findall(text), float) for text in (found, line)]
        assert same and np.allclose(*values, rtol=CLOSE, atol=close, equal_nan=True), (
            f"{path.name} has '{line}', and now there is '{found}': if that is meant, record it with MAGAN_RECORD=1"
        )
    assert len(lines) == len(expected)


def described(figure: Figure, places: bool = True) -> list[str]:
    """Return a line for the figure, each of its axes, and each artist; ``places=False`` leaves coordinates out."""
    figure.canvas.draw()
    lines = [f"figure {numbers(figure.get_size_inches())}"]
    parts = {artist for axes in figure.findobj(Axes) for axis in (axes.xaxis, axes.yaxis) for artist in axis.findobj()}
    for artist in figure.findobj():
        if isinstance(artist, Axes):
            lines += of_axes(artist, places)
        elif artist not in parts and not isinstance(artist, Spine) and artist.get_visible():
            lines += [f"  {line}" for line in of_artist(artist, places)]
    return lines


def of_axes(axes: Axes, places: bool) -> Iterator[str]:
    """Yield where the axes are, their limits and ticks, and which of their sides are drawn."""
    sides = [name for name, spine in axes.spines.items() if axes.axison and spine.get_visible()]
    yield f"axes at {numbers(axes.get_position().bounds)} {axes.get_xscale()} {axes.get_yscale()} {' '.join(sides)}"
    if places:
        yield f"  limits {numbers([*axes.get_xlim(), *axes.get_ylim()])}"
    for axis in (axes.xaxis, axes.yaxis):
        labels = [text for text in axis.get_ticklabels() if text.get_visible() and text.get_text()]
        if labels and axes.axison and places:
            yield f"  {axis.axis_name} {' | '.join(text.get_text() for text in labels)!r} {of_text(labels[0])}"
            yield f"  {axis.axis_name} at {numbers(axis.get_ticklocs())} {axis.get_tick_params().get('length')}"
        yield from [f"  {of_text(text)} {text.get_text()!r}" for text in (axis.label,) if text.get_text()]


def of_artist(artist, places: bool) -> Iterator[str]:
    """Yield a line for an artist that is a text, a line, a patch, an image or a collection."""
    look = f"z {artist.get_zorder():.4g} alpha {artist.get_alpha()}"
    if isinstance(artist, Text) and artist.get_text():
        arrow = getattr(artist, "arrowprops", None) or ""
        yield f"{of_text(artist)} at {numbers(artist.get_position())} {look} {artist.get_text()!r} {arrow}".rstrip()
    elif isinstance(artist, Line2D):
        where = [artist.get_xy1(), artist.get_slope()] if isinstance(artist, AxLine) else artist.get_xydata().T
        dashes = [part for part in artist._dash_pattern if part is not None]
        ends = f"{artist.get_marker()} {artist.get_markersize():.4g} {artist.get_markeredgewidth():.4g}"
        ends += f" {to_hex(artist.get_markerfacecolor()) if artist.get_markerfacecolor() != 'none' else 'hollow'}"
        dash = f"{artist.get_linewidth():.4g} {dashes}"
        line = " ".join(summary(values) for values in where) if places else ""
        yield f"line {to_hex(artist.get_color())} {dash} {ends} {look} {line}"
    elif isinstance(artist, Collection):
        sizes = [*artist.get_linewidth(), *(artist.get_sizes() if hasattr(artist, "get_sizes") else ())]
        colours = f"{summary(artist.get_facecolor())} {summary(artist.get_edgecolor())}" if places else ""
        paths = [path.vertices for path in artist.get_paths()]
        shape = f"{summary(np.concatenate(paths))} {summary(artist.get_offsets())}" if places and paths else ""
        yield f"{type(artist).__name__} {summary(sizes)} {look} {artist.get_clim()} {colours} {shape}"
    elif isinstance(artist, AxesImage):
        given = np.ma.filled(np.ma.asarray(artist.get_array(), float), np.nan)
        clim = numbers([v for v in artist.get_clim() if v is not None])
        yield f"image {artist.get_cmap().name} {clim} {artist.get_interpolation()} {look} {summary(given)}"
    elif isinstance(artist, Patch) and not isinstance(artist, FancyArrowPatch):
        corners = artist.get_path().transformed(artist.get_patch_transform()).get_extents().extents
        colours = numbers([*artist.get_facecolor(), *artist.get_edgecolor(), artist.get_linewidth()])
        yield f"{type(artist).__name__} {colours} {look} {numbers(corners) if places else ''}"
    elif isinstance(artist, FancyArrowPatch):
        colour = f"{to_hex(artist.get_edgecolor())} {artist.get_linewidth():.4g}"
        yield f"arrow {colour} {artist.shrinkA} {artist.shrinkB} {look}"


def of_text(text: Text) -> str:
    """Return the size, colour and turn of a text."""
    turn = f"{text.get_rotation():.4g} {text.get_ha()} {text.get_va()} {text.get_fontstyle()} {text.get_fontweight()}"
    return f"text {text.get_fontsize():.4g} {to_hex(text.get_color())} {turn}"


def numbers(values) -> str:
    """Return numbers with four digits."""
    return " ".join(f"{round(float(value), 4) + 0:.4g}" for value in np.ravel(np.asarray(values, float)))


def summary(values) -> str:
    """Return the shape of an array and its mean, its spread, its first and its last number."""
    values = np.asarray(values, float)
    flat = values[np.isfinite(values)].ravel()
    shape = "x".join(map(str, values.shape))
    return f"({shape}: {numbers([flat.mean(), flat.std(), flat[0], flat[-1]]) if len(flat) else 'empty'})"
