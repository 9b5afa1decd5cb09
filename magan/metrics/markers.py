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


def auc_positive(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Chance that the map puts a positive cell above a negative one, in [0, 1]; higher is better, 0.5 is chance.

    Cells are positive by the truth (`positive`); ties count half. nan where all
    cells are of one kind.
    """
    if not len(truth):
        return _undefined(mapped)
    is_positive = positive(truth)
    n_positive = is_positive.sum(axis=0)
    n_negative = np.where(np.isnan(truth).any(axis=0), 0, len(truth) - n_positive)
    above = (rankdata(mapped, axis=1) * is_positive).sum(axis=1) - n_positive * (n_positive + 1) / 2
    pairs = np.broadcast_to(n_positive * n_negative, above.shape)
    return np.divide(above, pairs, out=np.full(above.shape, np.nan), where=pairs > 0)


def positive(truth: np.ndarray) -> np.ndarray:
    """Cells above the threshold that parts each marker into its two most compact groups, ``(n, M) -> (n, M)`` bool.

    The groups with the largest variance between them (Otsu 1979), which are the
    best two clusters; no threshold is fitted to any map.
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
    """How wrong a mapped marker's correlations with the other, measured, markers are; in [0, 2], lower is better.

    ``mean over j != m of |corr(mapped m, true j) - corr(true m, true j)|``. nan
    where the marker or the map does not vary, or there is no other that does.
    """
    if not len(truth):
        return _undefined(mapped)
    n_markers = truth.shape[1]
    errors = np.full((n_markers, *mapped.shape[::2]), np.nan)  # (other, R, M)
    for j in range(n_markers):
        other = np.repeat(truth[:, [j]], n_markers, axis=1)
        errors[j] = np.abs(pearson(other, mapped) - pearson(other, truth[None]))
        errors[j, :, j] = np.nan
    known = ~np.isnan(errors)
    count = known.sum(axis=0)
    return np.divide(np.where(known, errors, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Share of cells whose value lies in its interval, ends included, ``(n, M) -> (M,)``; nan where there is no cell.

    Right is the probability that the interval was made for: more is a lack of sharpness.
    """
    held = np.where(np.isnan(truth + low + high), np.nan, (low <= truth) & (truth <= high))
    return held.mean(axis=0) if len(held) else np.full(truth.shape[1], np.nan)


def interval_width(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mean length of the intervals, ``(n, M) -> (M,)``, at least 0; lower is better where coverage is equal."""
    return (_double(high) - _double(low)).mean(axis=0) if len(low) else np.full(low.shape[1], np.nan)


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
    "auc_positive": auc_positive,
    "correlation_error": correlation_error,
}
