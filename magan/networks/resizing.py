"""Shrink, enlarge and frame images, and build Laplacian pyramids; any leading axes may precede ``(C, H, W)``."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

BACKGROUND = -1.0  # black


def shrunk(x: Tensor, factor: int = 2) -> Tensor:
    """Shrink images to means of ``factor`` x ``factor`` pixels."""
    return _flat(x, lambda images: avg_pool2d(images, factor))


def enlarged(x: Tensor, factor: int = 2, smooth: bool = False) -> Tensor:
    """Enlarge images: repeat every pixel ``factor`` x ``factor`` times, or interpolate bilinearly if ``smooth``."""
    options: dict[str, Any] = {"mode": "bilinear", "align_corners": False} if smooth else {"mode": "nearest"}
    return _flat(x, lambda images: interpolate(images, scale_factor=factor, **options))


def framed(x: Tensor, side: int) -> Tensor:
    """Place an image in the middle of a black image of ``side`` x ``side`` pixels."""
    top, left = _margin(x.shape, side)
    height, width = x.shape[-2:]
    return pad(x, (left, side - width - left, top, side - height - top), value=BACKGROUND)


def unframed(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Cut the middle ``(C, H, W)`` out of a `framed` image."""
    top, left = _margin(shape, x.shape[-1])
    return x[..., top : top + shape[-2], left : left + shape[-1]]


def pyramid(x: Tensor, n: int) -> tuple[Tensor, list[Tensor]]:
    """Return an image halved n times and the detail lost at each halving, finest first.

    ``detail = x - up(down(x))``. `collapsed` restores the image (Burt & Adelson 1983).
    """
    details = []
    for _ in range(n):
        below = shrunk(x)
        details.append(x - enlarged(below, smooth=True))
        x = below
    return x, details


def collapsed(x: Tensor, details: Sequence[Tensor]) -> Tensor:
    """Restore the image from its `pyramid`."""
    for detail in reversed(details):
        x = enlarged(x, smooth=True) + detail
    return x


def _margin(shape: Sequence[int], side: int) -> tuple[int, int]:
    return (side - shape[-2]) // 2, (side - shape[-1]) // 2


def _flat(x: Tensor, change) -> Tensor:
    """Apply ``change`` to images with any number of leading axes."""
    images = change(x.flatten(0, -4)) if x.dim() > 3 else change(x[None])[0]
    return images.reshape(*x.shape[:-3], *images.shape[-3:]) if x.dim() > 3 else images
