"""Scores of whether a classifier can distinguish mapped from reference cells, and of the spread within populations.

``mapped`` is ``(R, n, M)``, ``target`` is ``(m, M)``, in arcsinh units. Mixing scores also reward a map that removes
true biological differences. If batch and group are confounded (`magan.metrics.group_effects.confounded`), they are
computed all the same and are not a merit.
"""

import numpy as np
from scipy.stats import rankdata

from magan.metrics.batch_distance import by_population, shuffled

SIDE = 2000  # cells of each side for the classifier
FOLDS = 5
BINS = 8  # bins per marker
PAIRED = 50  # greatest number of markers for which products of two markers are features
PENALTY = 1.0  # multiple of the root of the number of cells


def batch_auc(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return how well a classifier distinguishes mapped from target cells, ``(R,)``, in [0, 1]; lower is better.

    The score is the area under the ROC curve, mean over five cross-validation folds, of a ridge regression on the side;
    0.5 is chance. Features are the markers, their products in pairs (for more than 50 markers only squares), and for
    each marker eight indicators of the octiles of both sides. The classifier thus detects changes of means, spreads,
    correlations, and of the shape of a marker's distribution, such as zeros that are no longer zero. The first 2,000
    cells of each side in a fixed permutation are used. Values below 0.5 are chance, not a merit: with 1,000 cells per
    side two samples of the same distribution give 0.5 with an sd of about 0.015. The score is 0.5 if all markers are
    constant and equal. It is nan with fewer than five cells on a side, and for a replicate that contains a nan.
    """
    y = target[shuffled(len(target))[:SIDE]]
    rows = shuffled(mapped.shape[1])[:SIDE]
    values = np.full(len(mapped), np.nan)
    if min(len(y), len(rows)) < FOLDS:
        return values
    side = np.repeat([1.0, -1.0], [len(rows), len(y)])
    # Deal each side out evenly to the folds: with random folds the chance score would be below 0.5.
    fold = np.concatenate([np.arange(len(rows)), np.arange(len(y))]) % FOLDS
    for r, x in enumerate(mapped[:, rows]):
        if np.isfinite(x).all() and np.isfinite(y).all():
            values[r] = _cross_validated(_features(np.concatenate([x, y]).astype(np.float64)), side, fold)
    return values


def _features(x: np.ndarray) -> np.ndarray:
    """Compute features, ``(n, M) -> (n, F)``, of mean 0 and sd 1; constant features are excluded."""
    scale = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    z = (x - x.mean(axis=0)) / scale
    first, second = np.triu_indices(z.shape[1]) if z.shape[1] <= PAIRED else (np.arange(z.shape[1]),) * 2
    edges = np.quantile(x, np.arange(1, BINS) / BINS, axis=0)
    below = [column[:, None] <= np.unique(edge) for column, edge in zip(x.T, edges.T)]
    features = np.concatenate([z, z[:, first] * z[:, second], *below], axis=1)
    features -= features.mean(axis=0)
    scale = features.std(axis=0)
    return features[:, scale > 1e-6] / scale[scale > 1e-6]


def _cross_validated(features: np.ndarray, side: np.ndarray, fold: np.ndarray) -> float:
    gram, product = features.T @ features, features.T @ side
    penalty = PENALTY * np.sqrt(len(side)) * np.eye(len(gram))
    values = []
    for k in range(FOLDS):
        test = features[fold == k]
        weight = np.linalg.solve(gram - test.T @ test + penalty, product - test.T @ side[fold == k])
        values.append(_auc(test @ weight, side[fold == k] > 0))
    return float(np.mean(values))


def _auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the share of (positive, negative) pairs that the score orders correctly; ties count half."""
    n, m = positive.sum(), (~positive).sum()
    # Round, so that rounding errors do not order equal scores.
    ranks = rankdata(np.round(score, 9))
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)


def batch_r2(mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> np.ndarray:
    """Return the share of each marker's variance within a population that the batch explains, ``(R, M)``, in [0, 1].

    Lower is better. It is R squared of the linear model of the marker on the side: the sum of squares between the two
    means divided by the total, mean over populations. Only means enter. Sampling alone gives about ``1 / (n + m)``. The
    score is 0 for a marker with the same constant on both sides. Populations with fewer than 10 cells on a side are
    skipped. The score is nan if no population remains and if the map contains a nan.

    References
    ----------
    Open Problems, task cytometry batch integration, ``average_batch_r2_ct``.
    """
    values = []
    for cells, goal in by_population(labels, target_labels):
        x, y = mapped[:, cells].astype(np.float64), target[goal].astype(np.float64)
        n, m = x.shape[1], len(y)
        between = n * m / (n + m) * (x.mean(axis=1) - y.mean(axis=0)) ** 2
        total = between + n * x.var(axis=1) + m * y.var(axis=0)
        # The computed variance of equal values may be rounding noise instead of 0.
        same = np.maximum(x.max(axis=1), y.max(axis=0)) == np.minimum(x.min(axis=1), y.min(axis=0))
        values.append(np.divide(between, total, out=np.zeros(total.shape), where=~same))
    return np.mean(values, axis=0) if values else np.full((mapped.shape[0], mapped.shape[2]), np.nan)


def population_variance(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray
) -> np.ndarray:
    """Return the ratio of mapped to target variance of each marker within populations, ``(R, M)``; 1 is best.

    It is the ratio of the means over populations, weighted by the number of target cells: populations in which a marker
    varies decide, not those where few cells have the marker. Below 1 the map shrinks populations, which mixing scores
    do not detect. It is 0 for a constant map. Populations with fewer than 10 cells on a side are skipped. The score is
    nan if no population remains, if the marker is constant in the target, and if the map contains a nan.
    """
    of_mapped, of_target = np.zeros((mapped.shape[0], mapped.shape[2])), np.zeros(mapped.shape[2])
    for cells, goal in by_population(labels, target_labels):
        x, y = mapped[:, cells].astype(np.float64), target[goal].astype(np.float64)
        # The computed variance of equal values may be rounding noise instead of 0.
        of_mapped += len(y) * np.where(np.ptp(x, axis=1) == 0, 0, x.var(axis=1))
        of_target += len(y) * np.where(np.ptp(y, axis=0) == 0, 0, y.var(axis=0))
    return np.divide(of_mapped, of_target, out=np.full(of_mapped.shape, np.nan), where=of_target > 0)
