"""Known relations between an image and its partner: a rotation, or a feature that both share.

All are fixed functions of images ``(R, B, C, H, W)`` in [-1, 1], for losses that compare two images.
"""

from math import cos, pi, sin

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, grid_sample


def turned(x: Tensor, degrees: float, mirrored: bool = False) -> Tensor:
    """Rotate images counter-clockwise about their centre, with row 0 at the top; mirror them first if ``mirrored``.

    Interpolation is bilinear. Pixels from outside the image are dark (-1). The shape does not change.
    """
    x = x.flip(-1) if mirrored else x
    height, width = x.shape[-2:]
    rows, columns = (torch.arange(n, device=x.device, dtype=x.dtype) - (n - 1) / 2 for n in (height, width))
    y, across, angle = rows[:, None], columns, degrees * pi / 180
    # Row numbers grow downwards, so the rotated pixel (x, y) takes its value from (x cos - y sin, x sin + y cos).
    from_column, from_row = across * cos(angle) - y * sin(angle), across * sin(angle) + y * cos(angle)
    grid = torch.stack([2 * from_column / (width - 1), 2 * from_row / (height - 1)], -1)
    images = x.flatten(0, 1) + 1  # grid_sample returns 0 for pixels outside the image
    out = grid_sample(images, grid.expand(len(images), -1, -1, -1), align_corners=True) - 1
    return out.reshape(x.shape)


def turned_back(x: Tensor, degrees: float, mirrored: bool = False) -> Tensor:
    """Invert `turned`, except for the parts that it moved out of the image."""
    back = turned(x, -degrees)
    return back.flip(-1) if mirrored else back


def thumbnail(x: Tensor, size: int | None) -> Tensor:
    """Return means over a grid of ``size`` x ``size`` fields, ``(R, B, C, size, size)``; the image if size is None."""
    return x if size is None else adaptive_avg_pool2d(x.flatten(0, 1), size).unflatten(0, x.shape[:2])


def lightness(x: Tensor, size: int | None) -> Tensor:
    """Return the `thumbnail` of the mean over channels, ``(R, B, 1, size, size)``; it ignores colour."""
    return thumbnail(x.mean(2, keepdim=True), size)


def colour(x: Tensor, size: int | None = None) -> Tensor:
    """Return the mean of each channel, ``(R, B, C, 1, 1)``; it ignores form. ``size`` has no effect."""
    return thumbnail(x, 1)


FEATURES = {
    "thumbnail": thumbnail,
    "lightness": lightness,
    "colour": colour,
}
