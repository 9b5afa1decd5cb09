"""Whether mapped and reference cells can still be told apart, and whether populations keep their spread.

``mapped`` is ``(R, n, M)``, ``target`` ``(m, M)``, in arcsinh units. A score of
mixing knows nothing of biology: it also rewards a map that takes away what truly
differs, so where batch and group are confounded (`groups.confounded`) it is
computed all the same and must not be read as a merit.
"""

import numpy as np
from scipy.stats import rankdata

from magan.metrics.batch_distance import by_population, shuffled

SIDE = 2000  # cells of either side that the classifier sees
FOLDS = 5
BINS = 8  # of each marker
PAIRED = 50  # markers, up to which products of two of them are features
PENALTY = 1.0  # times the root of the number of cells


def batch_auc(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How well a classifier tells mapped from target cells, ``(R,)``, in [0, 1]; lower is better, 0.5 is chance.

    The area under the curve, mean over five cross-validation folds, of ridge
    regression on the side. Its features are the markers, their products in pairs
    (up to 50 markers; squares beyond) and of each marker eight indicators of the
    octiles of both sides together: it sees means, spreads, correlations, and any
    change in the shape of one marker, such as zeros that are no longer zero. Of
    either side the first 2,000 cells of a fixed permutation count. Below 0.5 is
    chance, not merit: with 1,000 cells a side two samples of one distribution give
    0.5 with an sd of about 0.015. 0.5 where all markers are constant and equal; nan
    with fewer than five cells on a side; a replicate that holds a nan is nan.
    """
    y = target[shuffled(len(target))[:SIDE]]
    rows = shuffled(mapped.shape[1])[:SIDE]
    values = np.full(len(mapped), np.nan)
    if min(len(y), len(rows)) < FOLDS:
        return values
    side = np.repeat([1.0, -1.0], [len(rows), len(y)])
    # Each side is dealt out evenly: folds of chance would make chance score below 0.5.
    fold = np.concatenate([np.arange(len(rows)), np.arange(len(y))]) % FOLDS
    for r, x in enumerate(mapped[:, rows]):
        if np.isfinite(x).all() and np.isfinite(y).all():
            values[r] = _cross_validated(_features(np.concatenate([x, y]).astype(np.float64)), side, fold)
    return values


def _features(x: np.ndarray) -> np.ndarray:
    """``(n, M)`` to ``(n, F)``, of mean 0 and sd 1; those that do not vary are left out."""
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
        held = features[fold == k]
        weight = np.linalg.solve(gram - held.T @ held + penalty, product - held.T @ side[fold == k])
        values.append(_auc(held @ weight, side[fold == k] > 0))
    return float(np.mean(values))


def _auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs of a positive and a negative that the score puts in order, ties counting half."""
    n, m = positive.sum(), (~positive).sum()
    # Rounding must not order what is equal.
    ranks = rankdata(np.round(score, 9))
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)


def batch_r2(mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray) -> np.ndarray:
    """Share of each marker's variance within a population that the batch explains, ``(R, M)``, in [0, 1].

    Lower is better. R squared of the linear model of the marker on the side a cell
    is of: the sum of squares between the two means over the total, its mean over
    populations. It sees means alone. Sampling gives about ``1 / (n + m)``; 0 for a
    marker that is one constant on both sides. Populations with fewer than 10 cells
    on either side are skipped; nan where none is left and where a map holds a nan.

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
        # The variance of equal values may be rounding noise rather than 0.
        same = np.maximum(x.max(axis=1), y.max(axis=0)) == np.minimum(x.min(axis=1), y.min(axis=0))
        values.append(np.divide(between, total, out=np.zeros(total.shape), where=~same))
    return np.mean(values, axis=0) if values else np.full((mapped.shape[0], mapped.shape[2]), np.nan)


def population_variance(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray
) -> np.ndarray:
    """Variance of each marker within a population, mapped over target, ``(R, M)``, at least 0; 1 is best.

    The ratio of the means over populations, each weighted by its cells in the target:
    populations in which a marker varies decide, not those where a few cells have it.
    Below 1 the map squashes populations, which scores of mixing do not mind; 0 for a
    constant map. Populations with fewer than 10 cells on either side are skipped; nan where
    none is left, where the target varies in none, and where a map holds a nan.
    """
    ours, theirs = np.zeros((mapped.shape[0], mapped.shape[2])), np.zeros(mapped.shape[2])
    for cells, goal in by_population(labels, target_labels):
        x, y = mapped[:, cells].astype(np.float64), target[goal].astype(np.float64)
        # The variance of equal values may be rounding noise rather than 0.
        ours += len(y) * np.where(np.ptp(x, axis=1) == 0, 0, x.var(axis=1))
        theirs += len(y) * np.where(np.ptp(y, axis=0) == 0, 0, y.var(axis=0))
    return np.divide(ours, theirs, out=np.full(ours.shape, np.nan), where=theirs > 0)
