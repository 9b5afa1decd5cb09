"""Each marker given the distribution of the reference, rank for rank."""

from collections.abc import Mapping

import numpy as np

from magan.batch_maps.curves import Curve, pack


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Find the rank-for-rank curve of each marker from ``x1 (n1, M)`` to ``x2 (n2, M)``.

    Returns ``knots`` and ``images`` as `magan.batch_maps.curves.pack` does, in arcsinh units.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    return pack([quantile_curve(a, b) for a, b in zip(x1.T, x2.T)])


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the curves; float32, arcsinh units of the reference."""
    values = np.asarray(values, np.float64)
    columns = [along(x, knots, images) for x, knots, images in zip(values.T, state["knots"], state["images"])]
    return np.stack(columns, axis=1).astype(np.float32)


def along(values: np.ndarray, knots: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the images of ``values (n,)``, linear between ``knots (K,)``.

    Values outside the range of the knots preserve their distance from the nearest end of the range.
    """
    beyond = np.minimum(values - knots[0], 0) + np.maximum(values - knots[-1], 0)
    return np.interp(values, knots, images) + beyond


def quantile_curve(source: np.ndarray, target: np.ndarray) -> Curve:
    """Return the values of ``source (n,)``, each once, and the values of ``target (m,)`` of the same rank.

    The i-th smallest of n sits at probability (i - 1/2) / n in both. Equal values share their mean rank, so that
    the map is a function and never falls.
    """
    known, counts = np.unique(source, return_counts=True)
    probability = (np.cumsum(counts) - counts / 2) / len(source)
    return known, np.quantile(target, probability, method="hazen")
