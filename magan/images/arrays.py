"""Images as AnnData: a row of pixels each, and what is done to many of them at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from magan import keys

BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, ITU-R BT.601


def from_images(
    images: np.ndarray,
    labels: Sequence | np.ndarray | None = None,
    *,
    names: Sequence[str] | None = None,
    pairs: Sequence[str] | range | None = None,
) -> AnnData:
    """Images ``(n, C, H, W)`` as one row of pixels each, with their classes ``(n,)`` and pairs ``(n,)`` where known.

    Bytes stay bytes, 0 to 255, a quarter of the memory; all else is float32 in [0, 1]. `pixels` reads both.
    """
    kind = np.uint8 if images.dtype == np.uint8 else np.float32
    x = np.ascontiguousarray(images, dtype=kind).reshape(len(images), -1)
    obs = pd.DataFrame(index=pd.Index(names) if names is not None else pd.RangeIndex(len(x)).astype(str))
    if labels is not None:
        obs[keys.CELL_TYPE] = np.asarray(labels).astype(str)
    if pairs is not None:
        obs[keys.PAIR] = np.asarray(pairs).astype(str)
    var = pd.DataFrame(index=pd.RangeIndex(x.shape[1]).astype(str))
    return AnnData(x, obs=obs, var=var, uns={keys.IMAGE: {"shape": [int(n) for n in images.shape[1:]]}})


def shape_of(adata: AnnData) -> tuple[int, int, int]:
    """Channels, height and width of one image."""
    channels, height, width = (int(n) for n in adata.uns[keys.IMAGE]["shape"])
    return channels, height, width


def images_of(adata: AnnData) -> np.ndarray:
    """The images ``(n, C, H, W)``, of the type they are stored in."""
    return np.asarray(adata.X).reshape(-1, *shape_of(adata))


def pixels(adata: AnnData) -> np.ndarray:
    """The rows of pixels ``(n, C H W)`` as float32 in [0, 1], whatever type they are stored in."""
    x = np.asarray(adata.X)
    return x / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32)


def shrink(images: np.ndarray, size: int) -> np.ndarray:
    """Images averaged down to ``(n, C, size, size)``: a new pixel is the mean over the area it covers.

    Exact for any ratio: an old pixel that lies in two new ones is shared out between them. Bytes are rounded to bytes.

    Parameters
    ----------
    images
        ``(n, C, H, W)``; sides of at least ``size``.
    """
    if images.shape[2:] == (size, size):
        return images
    rows, columns = (_shares(side, size) for side in images.shape[2:])
    out = np.empty((*images.shape[:2], size, size), images.dtype)
    for start in range(0, len(images), 256):  # floats of a few at a time, however many there are
        part = rows @ images[start : start + 256].astype(np.float32) @ columns.T
        out[start : start + 256] = np.rint(part) if images.dtype == np.uint8 else part
    return out


def _shares(side: int, size: int) -> np.ndarray:
    """How much of each new pixel an old one is, ``(size, side)``; rows sum to 1."""
    old, new = np.arange(side), np.arange(size)[:, None] * side / size
    covered = np.minimum(new + side / size, old + 1) - np.maximum(new, old)
    return (np.clip(covered, 0, None) * size / side).astype(np.float32)


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Images ``(n, C, H, W)`` of 1 or 3 channels with so many: a grey copied to three, or the brightness of colours."""
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=1)
    grey = np.einsum("nchw,c->nhw", images.astype(np.float32), BRIGHTNESS)[:, None]
    return np.rint(grey).astype(np.uint8) if images.dtype == np.uint8 else grey


def digits() -> AnnData:
    """scikit-learn's 1,797 digits, ``(1, 8, 8)``, from the installed package."""
    from sklearn.datasets import load_digits  # here: cells do without it

    data: Any = load_digits()
    return from_images(data.images[:, None] / 16, data.target)


def rotate(images: np.ndarray, degrees: float) -> np.ndarray:
    """Images turned counter-clockwise about their centre, as seen with row 0 at the top.

    Bilinear, with zeros outside. Multiples of 90 degrees move the pixels of a square image without blur.

    Parameters
    ----------
    images
        ``(n, C, H, W)`` in [0, 1].
    degrees
        Angle; negative turns clockwise.

    Returns
    -------
    ndarray
        Same shape and type.
    """
    n, n_channels, height, width = images.shape
    weights = _rotation(height, width, degrees)
    turned = weights @ images.reshape(n * n_channels, height * width).astype(np.float64).T
    return turned.T.reshape(images.shape).astype(images.dtype)


def _rotation(height: int, width: int, degrees: float) -> sparse.csr_matrix:
    """Bilinear weights ``(H W, H W)``: row = pixel of the turned image, column = pixel it is drawn from."""
    angle = np.deg2rad(degrees)
    rows, columns = np.mgrid[:height, :width].reshape(2, -1)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    # Rows grow downwards, so turning back by the angle reads (x cos - y sin, x sin + y cos). Rounding takes off
    # the 1e-16 of cos(90 degrees), which would push border pixels outside.
    from_row = np.round(x * np.sin(angle) + y * np.cos(angle) + (height - 1) / 2, 9)
    from_column = np.round(x * np.cos(angle) - y * np.sin(angle) + (width - 1) / 2, 9)
    top, left = np.floor(from_row).astype(int), np.floor(from_column).astype(int)
    down, right = from_row - top, from_column - left
    parts = []
    for r, c, weight in (
        (top, left, (1 - down) * (1 - right)),
        (top, left + 1, (1 - down) * right),
        (top + 1, left, down * (1 - right)),
        (top + 1, left + 1, down * right),
    ):
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        parts.append((weight[inside], np.flatnonzero(inside), (r * width + c)[inside]))
    weight, target, source = (np.concatenate(part) for part in zip(*parts))
    return sparse.csr_matrix((weight, (target, source)), shape=(height * width,) * 2)
