"""What a study needs to know of a figure."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A figure a study can have."""

    draw: Callable[..., Figure]
    title: str
    caption: str  # how to read it; what it shows is for the numbers to say
    suffix: str  # png where thousands of cells would make a heavy svg
