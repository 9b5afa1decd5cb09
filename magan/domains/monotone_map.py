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
from scipy.linalg import solve_triangular
from scipy.optimize import isotonic_regression

MOST = 64  # shares; more resolve no curve that cells of an instrument have
WITHIN = 32  # points of the quantile function in the mean of a share
DRAWS = 200  # of resampled cells, for the covariance
JITTER = 1e-6  # squared arcsinh units, far below what an instrument resolves
# The prior of the shift, all values equally probable: the variance of the constant and of the curve, by half decades,
# in squared arcsinh units, and the length over which the curve changes, in arcsinh units.
VARIANCES = np.array([0.0, *10.0 ** np.arange(-4, 1.1, 0.5)])
LENGTHS = (0.5, 1.0, 2.0, 4.0)


def monotone_map(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots and their images, ``(K,)`` each and rising, of the shrunken map from ``source (n,)`` to ``target (m,)``.

    Straight lines join the knots; beyond the knots the shift is that of the
    nearest knot. K is half the root of the size of the smaller sample, at most 64, and
    smaller where values are tied. The images are the mean of posterior means
    over the prior, weighted by evidence, made monotone by least squares.
    """
    n_shares = int(np.clip(round(np.sqrt(min(len(source), len(target))) / 2), 4, MOST))
    means_1, draws_1 = _shares(source, n_shares, 1)
    means_2, draws_2 = _shares(target, n_shares, 2)
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
    """Expected shift ``(K,)`` at ``x (K,)``, given an observed shift whose errors have covariance ``noise (K, K)``.

    The prior covariance is ``a + b R`` with a constant's variance a, a curve's variance b, and its correlation R, a
    once differentiable Matern 3/2 of each of the lengths. With the noise whitened and R diagonal, every pair (a, b) is
    a diagonal matrix plus one of rank one.
    """
    root = np.linalg.cholesky(noise)
    distance = np.sqrt(3) * np.abs(x[:, None] - x[None])
    evidence, means, bases = [], [], []
    for length in LENGTHS:
        scaled = distance / length
        half = solve_triangular(root, (1 + scaled) * np.exp(-scaled), lower=True)
        size, base = np.linalg.eigh(solve_triangular(root, half.T, lower=True))
        seen, ones = (base.T @ solve_triangular(root, values, lower=True) for values in (shift, np.ones(len(x))))
        diagonal = 1 + VARIANCES[:, None] * np.maximum(size, 0)  # (B, K), for each variance of the curve
        left, pull = seen / diagonal, ones / diagonal
        grip = 1 + VARIANCES[:, None] * (pull @ ones)  # (A, B), for each variance of the constant
        share = VARIANCES[:, None] * (left @ ones) / grip
        misfit = left @ seen - share * (left @ ones)
        evidence.append(-0.5 * (misfit + np.log(diagonal).sum(axis=1) + np.log(grip)))
        means.append(seen - left + share[..., None] * pull)  # what is seen less its whitened residual, (A, B, K)
        bases.append(root @ base)
    # A curve of variance 0 has no length, so that it would count once for each: it is to count once.
    weight = np.exp(np.stack(evidence) - np.max(evidence))
    weight[1:, :, 0] = 0
    total = sum(base @ np.tensordot(w, mean, 2) for base, w, mean in zip(bases, weight, means))
    return total / weight.sum()


def _shares(values: np.ndarray, n_shares: int, stream: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal shares of the cells by rank, ``(K,)``, and the same means of resampled cells, ``(DRAWS, K)``."""
    ordered = np.sort(values.astype(np.float64))
    means = _at(ordered, _midpoints(n_shares * WITHIN)).reshape(n_shares, WITHIN).mean(axis=1)
    grid = _midpoints(n_shares * WITHIN)
    resampled = np.clip(grid + _bridges(len(grid), stream) / np.sqrt(len(values)), 0, 1)
    return means, _at(ordered, resampled).reshape(DRAWS, n_shares, WITHIN).mean(axis=2)


def _at(ordered: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The quantiles of rising values ``(n,)`` at ``levels`` in [0, 1], linear between cells."""
    place = np.clip(levels * len(ordered) - 0.5, 0, len(ordered) - 1)
    below = place.astype(int)
    return ordered[below] + (place - below) * np.diff(ordered, append=ordered[-1])[below]


@cache
def _bridges(grid: int, stream: int) -> np.ndarray:
    """Brownian bridges at the middles of ``grid`` equal steps, ``(DRAWS, grid)``.

    The distribution function of a sample differs from the true function by such a bridge over the root of n.
    """
    steps = np.random.default_rng(stream).standard_normal((DRAWS, grid + 1)) / np.sqrt(grid + 1)
    walk = np.cumsum(steps, axis=1)
    return walk[:, :-1] - _midpoints(grid) * walk[:, -1:]


def _midpoints(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n
