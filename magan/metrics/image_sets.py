"""How well a set of images fits a set of real ones.

``x`` ``(n, F)`` are made, ``real`` ``(m, F)`` real: rows of pixels in [0, 1], or of
the features that a frozen classifier gives (`magan.classifier`), and
``probabilities`` ``(n, K)`` those of its classes. Both sides have their sampling error: compare a
score with its floor, which real images reach with as many, and not with
published ones, whose features are others. Every score is nan where a side holds a
nan or too few images.
"""

import numpy as np
from scipy.spatial.distance import cdist

from magan.metrics.batch_distance import emd

PROJECTIONS = 256  # directions of the sliced distance
NEIGHBOURS = 5  # k of precision, recall, density and coverage
COVERED = 0.1  # share of a class among real images that the made ones must reach at least, relative to it


def sliced_wasserstein(x: np.ndarray, real: np.ndarray, seed: int = 0) -> float:
    """Mean of the Wasserstein-1 distances along 256 random directions, at least 0; lower is better.

    The directions are uniform on the sphere, from a fixed generator. A shift by a
    vector t scores ``|t| Gamma(F/2) / (sqrt(pi) Gamma((F+1)/2))``, for many pixels
    0.8 times the shift of each.

    References
    ----------
    Rabin et al. 2012, SSVM, 435 (sliced distance).
    """
    if not _scored(x, real):
        return np.nan
    directions = np.random.default_rng(seed).normal(size=(x.shape[1], PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(emd((x @ directions)[None], real @ directions).mean())


def frechet(x: np.ndarray, real: np.ndarray) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of means and covariances, at least 0; lower is better.

    The trace of the root is the sum of the roots of the eigenvalues of
    ``C1^(1/2) C2 C1^(1/2)``, which are those of the product and real: a singular
    covariance does no harm. Biased upwards, the more so the fewer images.

    References
    ----------
    Dowson and Landau 1982, J. Multivariate Anal. 12:450; Heusel et al. 2017 (FID).
    """
    if not _scored(x, real):
        return np.nan
    x, real = x.astype(np.float64), real.astype(np.float64)
    first, second = (np.atleast_2d(np.cov(side, rowvar=False)) for side in (x, real))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    shift = ((x.mean(axis=0) - real.mean(axis=0)) ** 2).sum()
    return float(max(shift + np.trace(first) + np.trace(second) - 2 * overlap, 0))


def kid(x: np.ndarray, real: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel ``(u v / F + 1)^3``; lower is better, 0 is chance.

    The unbiased estimate: it may fall slightly below 0, and its mean does not depend on the number of images.

    References
    ----------
    Binkowski et al. 2018, ICLR (kernel inception distance).
    """
    if not _scored(x, real):
        return np.nan
    x, real = x.astype(np.float64), real.astype(np.float64)
    own, target, between = (_kernel(a, b) for a, b in ((x, x), (real, real), (x, real)))
    n, m = len(x), len(real)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (target.sum() - np.trace(target)) / (m * (m - 1))
    return float(within - 2 * between.mean())


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def neighbourhoods(x: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Precision, recall, density and coverage by balls around images that reach to their 5th nearest neighbour.

    ``precision`` is the share of made images inside a ball of a real one, ``recall``
    that of real images inside a ball of a made one, ``density`` how many balls of real
    images hold a made one, divided by 5, and ``real_coverage`` the share of real images
    whose ball holds a made one. Euclidean. Of two sides of one distribution the
    density is 1 on average.

    References
    ----------
    Kynkaanniemi et al. 2019, NeurIPS (precision, recall); Naeem et al. 2020, ICML (density, coverage).
    """
    if not _scored(x, real, least=NEIGHBOURS + 1):
        return dict.fromkeys(("precision", "recall", "density", "real_coverage"), np.nan)
    between = cdist(x, real)
    in_real = between < _radius(real)[None, :]
    in_made = between < _radius(x)[:, None]
    return {
        "precision": float(in_real.any(axis=1).mean()),
        "recall": float(in_made.any(axis=0).mean()),
        "density": float(in_real.sum(axis=1).mean() / NEIGHBOURS),
        "real_coverage": float(in_real.any(axis=0).mean()),
    }


def _radius(x: np.ndarray) -> np.ndarray:
    """Distance of each to its 5th nearest of the others."""
    return np.partition(cdist(x, x), NEIGHBOURS, axis=1)[:, NEIGHBOURS]  # the nearest of all is itself


def entropy_score(probabilities: np.ndarray) -> float:
    """``exp E KL(p(y|x) || p(y))``, from 1 (all alike, or unsure) to the number of classes; higher is better.

    References
    ----------
    Salimans et al. 2016, NeurIPS (the inception score, there with another classifier).
    """
    if not len(probabilities) or not np.isfinite(probabilities).all():
        return np.nan
    each = probabilities.astype(np.float64).clip(1e-12)
    return float(np.exp((each * np.log(each / each.mean(axis=0))).sum(axis=1).mean()))


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Share of images that the classifier gives each class, ``(K,)``; nan for a set with a nan or none."""
    if not len(probabilities) or not np.isfinite(probabilities).all():
        return np.full(probabilities.shape[1], np.nan)
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)


def modes(shares: np.ndarray, real: np.ndarray) -> float:
    """How many classes of the real images are covered: made at least a tenth as often as they are real, ``(K,)``."""
    if not np.isfinite(shares).all():
        return np.nan
    return float(((real > 0) & (shares >= COVERED * real)).sum())


def class_divergence(shares: np.ndarray, real: np.ndarray) -> float:
    """``KL(made || real)`` of the histograms of classes in nats, at least 0; lower is better.

    A class that no real image has and a made one got counts as half an image in a thousand real ones.
    """
    if not np.isfinite(shares).all():
        return np.nan
    made = shares > 0
    return float((shares[made] * np.log(shares[made] / real[made].clip(0.0005))).sum())


def _scored(x: np.ndarray, real: np.ndarray, least: int = 2) -> bool:
    return min(len(x), len(real)) >= least and bool(np.isfinite(x).all() and np.isfinite(real).all())
