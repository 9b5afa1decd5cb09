"""Samples at a single step of a training, by seed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from magan.figures.pictures import laid
from magan.figures.style import new, panels, styled

INCH = 0.45  # size of an image


@styled
def sample_grid(rows: Mapping[str, np.ndarray], *, shape: tuple[int, ...], title: str) -> Figure:
    """Draw rows of images with a name at the left: ``name -> (n, C*H*W)`` in [0, 1]."""
    n = len(next(iter(rows.values())))
    figure = new(0.6 + INCH * len(rows), title, "", "", width=max(3.0, 1.0 + INCH * n))
    (axes,) = panels(figure, 1, 1)
    laid(axes, np.stack(list(rows.values())).reshape(len(rows), n, *shape), list(rows))
    return figure
