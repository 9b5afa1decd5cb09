"""Scores of an image against its true partner, and of relations between images before and after a map.

Images are rows of pixels in [0, 1]; partners are in the same row. Every score is nan without images or with a nan.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.spatial.distance import cdist

SIGMA, RADIUS = 1.5, 5  # pixels: the Gaussian window of structural similarity and half its width
C1, C2 = 0.01**2, 0.03**2  # constants of structural similarity, for intensities from 0 to 1
GALLERY = 100  # partners among which the true partner is searched
PLACES = 8  # windows along a side in comparisons of all images with all partners
CELLS, DIRECTIONS = 8, 6  # fields along a side, and directions of edges, in outlines
RANKS = (1, 2, 5, 10, 20, 50)


def l1(x: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute difference of all pixels, ``(n, P), (n, P)``, in [0, 1]; lower is better."""
    return float(np.abs(x.astype(np.float64) - truth).mean()) if _scored(x, truth) else np.nan


def ssim(x: np.ndarray, truth: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the mean structural similarity, at most 1; higher is better.

    At every pixel of every channel it is ``(2 m1 m2 + C1)(2 s12 + C2) / ((m1^2 + m2^2 + C1)(s1^2 + s2^2 + C2))`` with
    means and (co)variances weighted by a Gaussian window of 11 x 11 pixels, sd 1.5; borders are mirrored.

    Parameters
    ----------
    x, truth
        Images and their partners, ``(n, C*H*W)``.
    shape
        Shape of an image, ``(C, H, W)``.

    References
    ----------
    Wang et al. 2004, IEEE Transactions on Image Processing 13:600.
    """
    if not _scored(x, truth):
        return np.nan
    x, truth = (side.astype(np.float64).reshape(-1, *shape) for side in (x, truth))
    return float(_similarity(*(_smooth(part) for part in (x, truth, x * x, truth * truth, x * truth))).mean())


def _similarity(m1, m2, square_1, square_2, product) -> np.ndarray:
    """Return structural similarity from the windows' means, mean squares and mean products, of any shape."""
    structure = (2 * (product - m1 * m2) + C2) / (square_1 - m1**2 + square_2 - m2**2 + C2)
    return (2 * m1 * m2 + C1) / (m1**2 + m2**2 + C1) * structure


def _window() -> np.ndarray:
    weights = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
    return weights / weights.sum()


def _smooth(images: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(images, _window(), axis=2, mode="reflect"), _window(), axis=3, mode="reflect")


def similarities(x: np.ndarray, truth: np.ndarray, shape: tuple[int, ...], places: int = PLACES) -> np.ndarray:
    """Return the structural similarity of each image with each partner, ``(n, C*H*W), (m, C*H*W) -> (n, m)``.

    It is `ssim` on a grid of about ``places`` by ``places`` windows instead of at every pixel.
    """
    first, second = (_patches(side.astype(np.float64).reshape(-1, *shape), places) for side in (x, truth))
    weights = np.outer(_window(), _window()).ravel()
    m1, m2, square_1, square_2 = (part @ weights for part in (first, second, first**2, second**2))
    product = (first * weights) @ second.transpose(0, 2, 1)
    rows, columns = (slice(None), slice(None), None), (slice(None), None, slice(None))
    return _similarity(m1[rows], m2[columns], square_1[rows], square_2[columns], product).mean(axis=0)


def _patches(images: np.ndarray, places: int) -> np.ndarray:
    """Return the pixels of the windows, ``(n, C, H, W) -> (channels x windows, n, 121)``."""
    step = max(1, min(images.shape[2:]) // places)
    wide = np.pad(images, ((0, 0), (0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="symmetric")
    both: Any = (2, 3)
    windows = sliding_window_view(wide, (2 * RADIUS + 1,) * 2, axis=both)[:, :, ::step, ::step]
    return windows.reshape(len(images), -1, (2 * RADIUS + 1) ** 2).transpose(1, 0, 2)


def outlines(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the direction of edges in each of 8 x 8 fields, ``(n, C*H*W) -> (n, 8 * 8 * 6)``; ignores colour.

    Features are histograms of oriented gradients. The length of the gradient, summed over channels, is divided between
    the two nearest of 6 directions (opposite gradients count as equal), smoothed by half a field, and averaged over
    fields. Features are the square roots, scaled to length 1 per image (all 0 for an image of a single colour).

    References
    ----------
    Dalal and Triggs 2005, CVPR.
    """
    x = images.astype(np.float64).reshape(-1, *shape)
    down, right = np.gradient(x, axis=2), np.gradient(x, axis=3)
    length, place = np.hypot(down, right), np.arctan2(down, right) % np.pi / np.pi * DIRECTIONS
    lower = np.floor(place)
    towards = [
        (length * ((lower % DIRECTIONS == d) * (1 + lower - place) + ((lower + 1) % DIRECTIONS == d) * (place - lower)))
        for d in range(DIRECTIONS)
    ]
    edges = np.stack([part.sum(axis=1) for part in towards], axis=1)
    height, width = shape[1:]
    smooth = gaussian_filter(edges, (0, 0, height / (2 * CELLS), width / (2 * CELLS)))
    rows, columns = (np.arange(CELLS) * side // CELLS for side in (height, width))
    cells = np.add.reduceat(np.add.reduceat(smooth, rows, axis=2), columns, axis=3)
    roots = np.sqrt(cells.reshape(len(x), -1))
    return roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-12)


def ranks(distance) -> np.ndarray:
    """Return the rank of the true partner, 1 is the nearest, from distances ``(n, n)``; ties count against it."""
    return (distance <= np.diag(distance)[:, None]).sum(axis=1)


def partner_ranks(x: np.ndarray, truth: np.ndarray, distance=cdist) -> np.ndarray:
    """Return `ranks` of each image among the partners of its group of 100, ``(n, F), (n, F) -> (n,)``.

    Groups are consecutive rows (the last group may be smaller), so the chance level does not depend on the number of
    images. All ranks are nan if any image contains a nan.
    """
    if not _scored(x, truth):
        return np.full(len(x), np.nan)
    parts = [slice(start, start + GALLERY) for start in range(0, len(x), GALLERY)]
    return np.concatenate([ranks(distance(x[part], truth[part])) for part in parts]).astype(float)


def travel_cosine(before: np.ndarray, after: np.ndarray) -> float:
    """Return the mean cosine of ``before_i - before_j`` and ``after_i - after_j`` over all pairs, ``(n, F), (n, F)``.

    It is 1 if the map preserves the direction between all pairs of samples, 0 by chance. Pairs with a vector of length
    0 are excluded.

    References
    ----------
    Amodio and Krishnaswamy 2019, CVPR (transformation vector learning).
    """
    if len(before) < 2 or not _scored(before, after):
        return np.nan
    before, after = before.astype(np.float64), after.astype(np.float64)
    products = [_vectors(a, b) for a, b in ((before, after), (before, before), (after, after))]
    across, squares_1, squares_2 = (product[np.triu_indices(len(before), 1)] for product in products)
    distinct = (squares_1 > 1e-12) & (squares_2 > 1e-12)
    if not distinct.any():
        return np.nan
    return float((across[distinct] / np.sqrt(squares_1[distinct] * squares_2[distinct])).mean())


def _vectors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``(a_i - a_j) (b_i - b_j)`` of all pairs, ``(n, n)``."""
    product = a @ b.T
    squares = np.diag(product)
    return squares[:, None] + squares[None, :] - product - product.T


def background_change(before: np.ndarray, after: np.ndarray, shown: np.ndarray) -> float:
    """Return the mean absolute change of pixels outside the object (``shown`` 0), ``(n, P)`` each; lower is better."""
    outside = shown == 0
    if not _scored(before, after) or not outside.any():
        return np.nan
    return float(np.abs(after.astype(np.float64) - before)[outside].mean())


def _scored(x: np.ndarray, truth: np.ndarray) -> bool:
    return len(x) > 0 and bool(np.isfinite(x).all() and np.isfinite(truth).all())
