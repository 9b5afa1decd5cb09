"""Digits as AnnData, and the rotation that makes a second domain of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.datasets import load_digits

from magan import keys
from magan.errors import InputError

MNIST_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def from_images(images: np.ndarray, labels: np.ndarray) -> AnnData:
    """Images ``(n, C, H, W)`` in [0, 1] with their classes ``(n,)``, one row of pixels per image."""
    x = np.ascontiguousarray(images, dtype=np.float32).reshape(len(images), -1)
    obs = pd.DataFrame({keys.CELL_TYPE: np.asarray(labels).astype(str)}, index=pd.RangeIndex(len(x)).astype(str))
    var = pd.DataFrame(index=pd.RangeIndex(x.shape[1]).astype(str))
    return AnnData(x, obs=obs, var=var, uns={keys.IMAGE: {"shape": [int(n) for n in images.shape[1:]]}})


def digits() -> AnnData:
    """scikit-learn's 1,797 digits, ``(1, 8, 8)``, from the installed package."""
    data = load_digits()
    return from_images(data.images[:, None] / 16, data.target)


def mnist(path: Path | str, size: int = 14) -> AnnData:
    """MNIST's 60,000 training and 10,000 test digits, 28 x 28 averaged down to ``size`` x ``size``.

    Parameters
    ----------
    path
        An npz file with x_train, y_train, x_test, y_test; images ``(n, 28, 28)`` uint8.
    size
        A divisor of 28.

    Returns
    -------
    AnnData
        Training digits first; ``obs["split"]`` is "train" or "test".

    Raises
    ------
    InputError
        The file is missing or lacks an array, or ``size`` does not divide the images.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"MNIST file {path} does not exist; check the path")
    try:
        with np.load(path) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in MNIST_ARRAYS)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise InputError(f"MNIST file {path} lacks an array ({error}); it needs {', '.join(MNIST_ARRAYS)}") from error
    images = np.concatenate([x_train, x_test])
    side = images.shape[-1]
    if not 0 < size <= side or side % size:
        divisors = [n for n in range(1, side + 1) if side % n == 0]
        raise InputError(f"MNIST size {size} does not divide {side}; use one of {divisors}")
    step = side // size
    images = images.reshape(len(images), 1, size, step, size, step).mean(axis=(3, 5), dtype=np.float32) / 255
    adata = from_images(images, np.concatenate([y_train, y_test]))
    adata.obs[keys.SPLIT] = np.repeat(["train", "test"], [len(x_train), len(x_test)])
    return adata


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
