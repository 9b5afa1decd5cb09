"""Scores of how well a marker is recovered, cell by cell and as a distribution.

Every function compares a truth with R maps of the same cells, ``(n, M), (R, n, M) -> (R, M)``, in arcsinh units. Scores
are nan if the truth or the map contains a nan, and without cells.
"""

import numpy as np
from scipy.stats import rankdata


def pearson(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return Pearson's r over cells, in [-1, 1]; higher is better, 0 is chance.

    It is nan if the truth or the map is constant, so also for a single cell.
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
    """Return Pearson's r of the ranks, with mean ranks for ties; range, direction and nan are those of `pearson`."""
    if not len(truth):
        return _undefined(mapped)
    return pearson(rankdata(truth, axis=0), rankdata(mapped, axis=1))


def rmse(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return the root mean squared error, at least 0; lower is better, 0 is perfect."""
    if not len(truth):
        return _undefined(mapped)
    return np.sqrt(((_double(mapped) - _double(truth)) ** 2).mean(axis=1))


def wasserstein(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return the earth mover's distance between the two distributions of values, at least 0; lower is better.

    It is ``mean |sorted truth - sorted mapped|``: a map that gives the right values to the wrong cells scores 0.
    """
    if not len(truth):
        return _undefined(mapped)
    return np.abs(np.sort(_double(mapped), axis=1) - np.sort(_double(truth), axis=0)).mean(axis=1)


def variance_ratio(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return the variance of the map over that of the truth, at least 0; 1 is best, below 1 the map shrinks.

    It is nan if the truth is constant, so also for a single cell; it is 0 for a constant map.
    """
    truth, mapped = _double(truth), _double(mapped)
    if not truth.shape[0]:
        return _undefined(mapped)
    variance = mapped.var(axis=1)
    varies = np.broadcast_to(np.ptp(truth, axis=0) > 0, variance.shape)
    return np.divide(variance, truth.var(axis=0), out=np.full(variance.shape, np.nan), where=varies)


def auc_positive(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return the probability that the map ranks a positive cell above a negative cell, in [0, 1]; higher is better.

    0.5 is chance. Cells are positive by the truth (`positive`); ties count half. It is nan if all cells are positive or
    all are negative.
    """
    if not len(truth):
        return _undefined(mapped)
    is_positive = positive(truth)
    n_positive = is_positive.sum(axis=0)
    above = (rankdata(mapped, axis=1) * is_positive).sum(axis=1) - n_positive * (n_positive + 1) / 2
    pairs = np.broadcast_to(n_positive * (len(truth) - n_positive), above.shape)
    return np.divide(above, pairs, out=np.full(above.shape, np.nan), where=pairs > 0)


def positive(truth: np.ndarray) -> np.ndarray:
    """Return which cells are above the threshold that divides each marker into two groups, ``(n, M) -> (n, M)`` bool.

    The threshold maximises the variance between the groups (Otsu 1979), so the groups are the best two clusters. No
    threshold is fitted to a map.
    """
    cells = _double(truth)
    n = len(cells)
    if n < 2:
        return np.zeros(cells.shape, bool)
    order = np.sort(cells, axis=0)
    size = np.arange(1, n)[:, None]
    below = np.cumsum(order, axis=0)
    gap = (below[-1] - below[:-1]) / (n - size) - below[:-1] / size
    between = np.where(order[1:] > order[:-1], size * (n - size) * gap**2, -1.0)
    cut = between.argmax(axis=0)
    return (cells > order[cut, np.arange(cells.shape[1])]) & (np.ptp(cells, axis=0) > 0)


def correlation_error(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return the error of a mapped marker's correlations with the remaining measured markers; in [0, 2].

    Lower is better. It is the mean over j != m of ``|corr(mapped m, true j) - corr(true m, true j)|``. It is nan if the
    marker or the map is constant, or all remaining markers are constant.
    """
    if not len(truth):
        return _undefined(mapped)
    n_markers = truth.shape[1]
    errors = np.full((n_markers, *mapped.shape[::2]), np.nan)  # (j, R, M)
    for j in range(n_markers):
        measured = np.repeat(truth[:, [j]], n_markers, axis=1)
        errors[j] = np.abs(pearson(measured, mapped) - pearson(measured, truth[None]))
        errors[j, :, j] = np.nan
    known = ~np.isnan(errors)
    count = known.sum(axis=0)
    return np.divide(np.where(known, errors, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the share of cells whose value is in its interval, ends included, ``(n, M) -> (M,)``; nan without cells.

    The nominal probability of the interval is best; a higher share means that intervals are too wide.
    """
    inside = np.where(np.isnan([truth, low, high]).any(axis=0), np.nan, (low <= truth) & (truth <= high))
    return inside.mean(axis=0) if len(inside) else np.full(truth.shape[1], np.nan)


def interval_width(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the mean length of the intervals, ``(n, M) -> (M,)``, at least 0; lower is better at equal coverage."""
    return (_double(high) - _double(low)).mean(axis=0) if len(low) else np.full(low.shape[1], np.nan)


def _double(x: np.ndarray) -> np.ndarray:
    # In float32 sums over a hundred thousand values would lose significant digits.
    return np.asarray(x, dtype=np.float64)


def _undefined(mapped: np.ndarray) -> np.ndarray:
    return np.full((mapped.shape[0], mapped.shape[2]), np.nan)


MARKERS = {
    "pearson": pearson,
    "spearman": spearman,
    "rmse": rmse,
    "wasserstein": wasserstein,
    "variance_ratio": variance_ratio,
    "auc_positive": auc_positive,
    "correlation_error": correlation_error,
}
