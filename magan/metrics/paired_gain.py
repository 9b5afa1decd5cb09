"""By how much a method exceeds a baseline on the same cells, with an interval over cells and seeds."""

from dataclasses import dataclass

import numpy as np

from magan.metrics.markers import pearson

RESAMPLES = 1000
LEVELS = (0.025, 0.975)
AT_ONCE = 50  # resamples at a time; bounds memory, changes nothing


@dataclass(frozen=True)
class Gain:
    """Differences in Pearson's r, ``(M + 1,)`` each: of every marker, and last of the mean over markers."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray


def gain(truth: np.ndarray, maps: np.ndarray, baseline: np.ndarray) -> Gain:
    """Mean r over S maps less the r of a baseline, with a 95 % percentile interval.

    In each of 1,000 resamples the cells are drawn with replacement, the same for all maps, the baseline and the truth,
    and so are the seeds. So the interval holds what differs between seeds and what other cells of the same kind would
    change. It does not hold that the baseline may have been chosen as the best of several.

    Parameters
    ----------
    truth, baseline
        ``(n, M)``.
    maps
        ``(S, n, M)``, a map for each seed; for a single map cells alone are drawn.

    Returns
    -------
    Gain
        nan for a marker whose r is undefined in the data; the mean leaves such markers out.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 8 (paired data).
    """
    every = np.concatenate([maps, baseline[None]]).astype(np.float64)
    whole = pearson(truth, every)
    draw = np.random.default_rng(0)
    n, n_seeds = len(truth), len(maps)
    resampled = np.empty((RESAMPLES, truth.shape[1]))
    for start in range(0, RESAMPLES, AT_ONCE):
        counts = draw.multinomial(n, np.full(n, 1 / n), size=AT_ONCE).astype(np.float64)
        seeds = draw.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=AT_ONCE) / n_seeds
        r = _weighted(truth.astype(np.float64), every, counts / n)
        resampled[start : start + AT_ONCE] = np.einsum("bs,bsm->bm", seeds, r[:, :-1]) - r[:, -1]
    difference = whole[:-1].mean(axis=0) - whole[-1]
    known = np.isfinite(difference)
    ends = np.full((2, len(difference) + 1), np.nan)
    if known.any():
        table = np.column_stack([resampled, resampled[:, known].mean(axis=1)])
        ends[:, [*known, True]] = np.nanquantile(table[:, [*known, True]], LEVELS, axis=0)
    mean = difference[known].mean() if known.any() else np.nan
    return Gain(np.append(difference, mean), *ends)


def _weighted(truth: np.ndarray, maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's r of every map where cells have weights that sum to 1, ``(n, M), (R, n, M), (B, n) -> (B, R, M)``."""
    # Centred first, so that sums of squares lose no digits.
    y, x = truth - truth.mean(axis=0), maps - maps.mean(axis=1, keepdims=True)
    mean_y, mean_x = weights @ y, np.einsum("bn,rnm->brm", weights, x, optimize=True)
    var_y = weights @ y**2 - mean_y**2
    var_x = np.einsum("bn,rnm->brm", weights, x**2, optimize=True) - mean_x**2
    both = np.einsum("bn,rnm->brm", weights, x * y, optimize=True) - mean_x * mean_y[:, None]
    scale = np.sqrt(np.maximum(var_x * var_y[:, None], 0))
    return np.divide(both, scale, out=np.full(both.shape, np.nan), where=scale > 0)
