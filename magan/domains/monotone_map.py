"""A monotone map of a marker, shrunken by what two samples can prove.

The map is ``x + shift(x)``. The shift is observed as the difference of the two
samples' means within equal shares of cells, lowest to highest. The sampling of
cells decides its uncertainty. A priori the shift is a constant plus a smooth
curve of unknown size (a Gaussian process). The map is the posterior mean over
all unknowns, so nothing is tuned. Two samples of the same distribution are not
shifted; a clear difference is followed in full; a shift in between is shrunk
and smoothed.
"""

from functools import cache

import numpy as np
from scipy.optimize import isotonic_regression

WITHIN = 32  # points of the quantile function in the mean of a share
DRAWS = 200  # of resampled cells, for the covariance
JITTER = 1e-6  # squared arcsinh units, far below what an instrument resolves
# The prior of the shift, all values equally probable: the variance of the constant and of the curve, by half decades,
# in squared arcsinh units, and the length over which the curve changes, in arcsinh units.
VARIANCES = (0.0, *10.0 ** np.arange(-4, 1.1, 0.5))
LENGTHS = (0.5, 1.0, 2.0, 4.0)


def monotone_map(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots and their images, ``(K,)`` each and rising, of the shrunken map from ``source (n,)`` to ``target (m,)``.

    Straight lines join the knots; beyond the knots the shift is that of the
    nearest knot. K is half the root of the size of the smaller sample, and
    smaller where values are tied. The images are the mean of posterior means
    over the prior, weighted by evidence, made monotone by least squares.
    """
    n_shares = max(4, round(np.sqrt(min(len(source), len(target))) / 2))
    grid = n_shares * WITHIN
    means_1, draws_1 = _shares(source, n_shares, _resampled(len(source), grid, 1))
    means_2, draws_2 = _shares(target, n_shares, _resampled(len(target), grid, 2))
    tied = np.concatenate([[0], np.cumsum(np.diff(means_1) > JITTER)])  # a map is a function: equal values shift alike
    pool = np.eye(tied[-1] + 1)[tied].T
    pool /= pool.sum(axis=1, keepdims=True)
    knots, shift, draws = pool @ means_1, pool @ (means_2 - means_1), (draws_2 - draws_1) @ pool.T
    noise = np.cov(draws.T).reshape(len(knots), len(knots)) + JITTER * np.eye(len(knots))
    images = isotonic_regression(knots + posterior(knots, shift, noise)).x
    return knots, images


def mapped(values: np.ndarray, knots: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Map ``values`` along the straight lines from knots to images."""
    return values + np.interp(values, knots, images - knots)


def posterior(x: np.ndarray, shift: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Expected shift ``(K,)`` at ``x (K,)``, given an observed shift whose errors have covariance ``noise (K, K)``."""
    priors = _priors(x)
    whole = priors + noise
    weights = np.linalg.solve(whole, np.broadcast_to(shift[:, None], (len(priors), len(x), 1)))
    determinant = np.linalg.slogdet(whole)[1]
    evidence = -0.5 * (shift @ weights[..., 0].T) - 0.5 * determinant
    share = np.exp(evidence - evidence.max())
    return share @ (priors @ weights)[..., 0] / share.sum()


def _priors(x: np.ndarray) -> np.ndarray:
    """Covariances ``(P, K, K)`` of a constant plus a once differentiable curve (Matern 3/2)."""
    distance = np.abs(x[:, None] - x[None])
    curves = [np.zeros_like(distance)]
    for length in LENGTHS:
        scaled = np.sqrt(3) * distance / length
        curves += [size * (1 + scaled) * np.exp(-scaled) for size in VARIANCES[1:]]
    return (np.array(VARIANCES)[:, None, None, None] + np.stack(curves)).reshape(-1, *distance.shape)


def _shares(values: np.ndarray, n_shares: int, resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal shares of the cells by rank, ``(K,)``, and the same means of resampled cells, ``(DRAWS, K)``."""
    ordered, places = np.sort(values.astype(np.float64)), np.arange(len(values))
    points = np.concatenate([_midpoints(resampled.shape[1])[None], resampled])
    quantiles = np.interp(points * len(values) - 0.5, places, ordered)
    means = quantiles.reshape(len(points), n_shares, -1).mean(axis=2)
    return means[0], means[1:]


@cache
def _resampled(n: int, grid: int, stream: int) -> np.ndarray:
    """The quantiles that replace the quantiles of a sample in a resample of ``n``, ``(DRAWS, grid)``.

    The distribution function of a sample differs from the true function by a Brownian bridge over the root of n.
    """
    steps = np.random.default_rng(stream).standard_normal((DRAWS, grid + 1)) / np.sqrt(grid + 1)
    walk = np.cumsum(steps, axis=1)
    bridge = walk[:, :-1] - _midpoints(grid) * walk[:, -1:]
    return np.clip(_midpoints(grid) + bridge / np.sqrt(n), 0, 1)


def _midpoints(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n
