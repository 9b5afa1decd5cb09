"""What may be known of an image and its partner: how it was turned, or what of it stays the same.

Fixed functions of images ``(R, B, C, H, W)`` in [-1, 1], for losses that compare two of them.
"""

from math import cos, pi, sin

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample


def turned(x: Tensor, degrees: float, mirrored: bool = False) -> Tensor:
    """Images turned counter-clockwise about their centre, as seen with row 0 at the top; first ``mirrored``, if so.

    Bilinear, and dark (-1) where nothing was. Same shape.
    """
    x = x.flip(-1) if mirrored else x
    height, width = x.shape[-2:]
    rows, columns = (torch.arange(n, device=x.device, dtype=x.dtype) - (n - 1) / 2 for n in (height, width))
    y, across, angle = rows[:, None], columns, degrees * pi / 180
    # Rows grow downwards, so a turned pixel is drawn from (x cos - y sin, x sin + y cos).
    from_column, from_row = across * cos(angle) - y * sin(angle), across * sin(angle) + y * cos(angle)
    grid = torch.stack([2 * from_column / (width - 1), 2 * from_row / (height - 1)], -1)
    images = x.flatten(0, 1) + 1  # what is drawn from outside is 0
    out = grid_sample(images, grid.expand(len(images), -1, -1, -1), align_corners=True) - 1
    return out.reshape(x.shape)


def turned_back(x: Tensor, degrees: float, mirrored: bool = False) -> Tensor:
    """What `turned` came from, but for what it left outside."""
    back = turned(x, -degrees)
    return back.flip(-1) if mirrored else back


def thumbnail(x: Tensor, size: int | None) -> Tensor:
    """Means over ``size`` x ``size`` fields, ``(R, B, C, size, size)``; with None the image itself."""
    return x if size is None else adaptive_avg_pool2d(x.flatten(0, 1), size).unflatten(0, x.shape[:2])


def lightness(x: Tensor, size: int | None) -> Tensor:
    """The same of the mean over channels, ``(R, B, 1, size, size)``: without colour."""
    return thumbnail(x.mean(2, keepdim=True), size)


def colour(x: Tensor, size: int | None = None) -> Tensor:
    """The mean of each channel, ``(R, B, C, 1, 1)``: without form, whatever the ``size``."""
    return thumbnail(x, 1)


FEATURES = {
    "thumbnail": thumbnail,
    "lightness": lightness,
    "colour": colour,
}
