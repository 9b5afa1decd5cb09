"""Scores of how well a set of generated images fits a set of real images.

``x`` ``(n, F)`` are generated images, ``real`` ``(m, F)`` real images: rows of pixels in [0, 1], or of a frozen
classifier's features (`magan.classifier`). ``probabilities`` ``(n, K)`` are the classifier's class probabilities. Both
sides have a sampling error: compare a score with its floor, the score of equally many real images. Do not compare it
with published scores, whose features differ. Every score is nan if a side contains a nan or too few images.
"""

import numpy as np
from scipy.spatial.distance import cdist

from magan.metrics.batch_distance import emd

PROJECTIONS = 256  # number of directions of the sliced distance
NEIGHBOURS = 5  # k of precision, recall, density and coverage
COVERED = 0.1  # a class is covered if its share among generated images is at least 0.1 times its real share


def sliced_wasserstein(x: np.ndarray, real: np.ndarray, seed: int = 0) -> float:
    """Return the mean of the Wasserstein-1 distances along 256 random directions, at least 0; lower is better.

    Directions are uniform on the sphere, from a fixed seed. A shift by a vector t scores
    ``|t| Gamma(F/2) / (sqrt(pi) Gamma((F+1)/2))``; for many pixels that is 0.8 times the shift of a pixel.

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
    """Return ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of means and covariances, at least 0; lower is better.

    The trace of the root is the sum of the roots of the eigenvalues of ``C1^(1/2) C2 C1^(1/2)``. They equal the
    eigenvalues of the product and are real, so singular covariances are allowed. The score is biased upwards, more so
    with fewer images.

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
    """Return the squared maximum mean discrepancy with the kernel ``(u v / F + 1)^3``; lower is better, 0 is chance.

    The estimate is unbiased: it can be slightly negative, and its mean does not depend on the number of images.

    References
    ----------
    Binkowski et al. 2018, ICLR (kernel inception distance).
    """
    if not _scored(x, real):
        return np.nan
    x, real = x.astype(np.float64), real.astype(np.float64)
    of_x, of_real, between = (_kernel(a, b) for a, b in ((x, x), (real, real), (x, real)))
    n, m = len(x), len(real)
    within = (of_x.sum() - np.trace(of_x)) / (n * (n - 1)) + (of_real.sum() - np.trace(of_real)) / (m * (m - 1))
    return float(within - 2 * between.mean())


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def neighbourhoods(x: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Return precision, recall, density and coverage; the ball of an image reaches to its 5th nearest neighbour.

    ``precision`` is the share of generated images inside the ball of any real image; ``recall`` is the share of real
    images inside the ball of any generated image; ``density`` is the number of balls of real images that contain a
    generated image, divided by 5; ``real_coverage`` is the share of real images whose ball contains a generated image.
    Distances are Euclidean. The expected density of two samples of the same distribution is 1.

    References
    ----------
    Kynkaanniemi et al. 2019, NeurIPS (precision, recall); Naeem et al. 2020, ICML (density, coverage).
    """
    if not _scored(x, real, least=NEIGHBOURS + 1):
        return dict.fromkeys(("precision", "recall", "density", "real_coverage"), np.nan)
    between = cdist(x, real)
    in_real = between < _radius(real)[None, :]
    in_generated = between < _radius(x)[:, None]
    return {
        "precision": float(in_real.any(axis=1).mean()),
        "recall": float(in_generated.any(axis=0).mean()),
        "density": float(in_real.sum(axis=1).mean() / NEIGHBOURS),
        "real_coverage": float(in_real.any(axis=0).mean()),
    }


def _radius(x: np.ndarray) -> np.ndarray:
    """Return the distance of each image to its 5th nearest neighbour."""
    return np.partition(cdist(x, x), NEIGHBOURS, axis=1)[:, NEIGHBOURS]  # place 0 is the image itself


def entropy_score(probabilities: np.ndarray) -> float:
    """Return ``exp E KL(p(y|x) || p(y))``, from 1 (one class, or unsure) to the number of classes; higher is better.

    References
    ----------
    Salimans et al. 2016, NeurIPS (the inception score, there with another classifier).
    """
    if not len(probabilities) or not np.isfinite(probabilities).all():
        return np.nan
    each = probabilities.astype(np.float64).clip(1e-12)
    return float(np.exp((each * np.log(each / each.mean(axis=0))).sum(axis=1).mean()))


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of images in each predicted class, ``(K,)``; nan without images or with a nan."""
    if not len(probabilities) or not np.isfinite(probabilities).all():
        return np.full(probabilities.shape[1], np.nan)
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)


def modes(shares: np.ndarray, real: np.ndarray) -> float:
    """Count the classes of real images that are covered: generated share at least a tenth of the real, ``(K,)``."""
    if not np.isfinite(shares).all():
        return np.nan
    return float(((real > 0) & (shares >= COVERED * real)).sum())


def class_divergence(shares: np.ndarray, real: np.ndarray) -> float:
    """Return ``KL(generated || real)`` of the class histograms in nats, at least 0; lower is better.

    A class that occurs only among generated images counts as half an image per thousand real images.
    """
    if not np.isfinite(shares).all():
        return np.nan
    occurs = shares > 0
    return float((shares[occurs] * np.log(shares[occurs] / real[occurs].clip(0.0005))).sum())


def _scored(x: np.ndarray, real: np.ndarray, least: int = 2) -> bool:
    return min(len(x), len(real)) >= least and bool(np.isfinite(x).all() and np.isfinite(real).all())
