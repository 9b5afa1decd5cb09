"""How well a marker is recovered, cell by cell and as a distribution.

Every function compares a truth with R maps of the same cells,
``(n, M), (R, n, M) -> (R, M)``, in arcsinh units, and is nan where the truth or
the map holds a nan and where there is no cell.
"""

import numpy as np
from scipy.stats import rankdata


def pearson(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Pearson's r over cells, in [-1, 1]; higher is better, 0 is chance.

    nan where the truth or the map does not vary, so also for a single cell.
    """
    truth, mapped = _double(truth), _double(mapped)
    if not truth.shape[0]:
        return _undefined(mapped)
    varies = (np.ptp(truth, axis=0) > 0) & (np.ptp(mapped, axis=1) > 0)
    truth = truth - truth.mean(axis=0)
    mapped = mapped - mapped.mean(axis=1, keepdims=True)
    scale = np.sqrt((truth**2).sum(axis=0) * (mapped**2).sum(axis=1))
    r = np.divide((truth * mapped).sum(axis=1), scale, out=np.full(scale.shape, np.nan), where=varies & (scale > 0))
    return np.clip(r, -1, 1)


def spearman(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Pearson's r of the ranks, ties sharing their mean rank; range, direction and nan as `pearson`."""
    if not len(truth):
        return _undefined(mapped)
    return pearson(rankdata(truth, axis=0), rankdata(mapped, axis=1))


def rmse(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, at least 0; lower is better, 0 is perfect."""
    if not len(truth):
        return _undefined(mapped)
    return np.sqrt(((_double(mapped) - _double(truth)) ** 2).mean(axis=1))


def wasserstein(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Earth mover's distance between the two distributions of values, at least 0; lower is better.

    ``mean |sorted truth - sorted mapped|``: a map that gives the right values to
    the wrong cells scores 0.
    """
    if not len(truth):
        return _undefined(mapped)
    return np.abs(np.sort(_double(mapped), axis=1) - np.sort(_double(truth), axis=0)).mean(axis=1)


def variance_ratio(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Variance of the map over variance of the truth, at least 0; 1 is best, below 1 the map shrinks to the mean.

    nan where the truth does not vary, so also for a single cell; 0 for a constant map.
    """
    truth, mapped = _double(truth), _double(mapped)
    if not truth.shape[0]:
        return _undefined(mapped)
    variance = mapped.var(axis=1)
    varies = np.broadcast_to(np.ptp(truth, axis=0) > 0, variance.shape)
    return np.divide(variance, truth.var(axis=0), out=np.full(variance.shape, np.nan), where=varies)


def _double(x: np.ndarray) -> np.ndarray:
    # Sums over a hundred thousand float32 values would lose the digits that are compared.
    return np.asarray(x, dtype=np.float64)


def _undefined(mapped: np.ndarray) -> np.ndarray:
    return np.full((mapped.shape[0], mapped.shape[2]), np.nan)


MARKERS = {
    "pearson": pearson,
    "spearman": spearman,
    "rmse": rmse,
    "wasserstein": wasserstein,
    "variance_ratio": variance_ratio,
}
