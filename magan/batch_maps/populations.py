"""Populations of two batches found without labels, and how many cells of each to leave out to make shares equal.

A small residual batch effect moves cells over the border between two clusters, and a test of significance over
thousands of cells takes that for biology. Here a cluster has too many cells only where its neighbours cannot have lent
them: cells near a border may count on either side of it. What is left over is a difference of composition, and a
cluster gives up cells where that difference is both large and certain.
"""

from typing import Any, cast

import numpy as np
from scipy.optimize import linprog
from scipy.special import logsumexp

CLUSTERED = 4000  # cells of either batch that centres are found on; more change them by less than a restart does
LEAK = 0.25  # sd of a marker: how far from a border a cell may be and count on either side, a residual batch effect
LARGE = 1.3  # a cluster gives up cells where its share is more than so many times that of the matched cells
CERTAIN = 3.0  # standard errors that a surplus must exceed; over 40 clusters about 1 in 20 by chance
FLOOR = 1e-6  # arcsinh units, the least spread of a marker
STAY = 1e-3  # price of counting a cell elsewhere, so that it is done only where it makes a match


def spread(values: np.ndarray) -> np.ndarray:
    """Return the sd of each marker, ``(M,)`` in arcsinh units, never 0."""
    return np.maximum(np.asarray(values, np.float64).std(axis=0), FLOOR)


def centres(x1: np.ndarray, x2: np.ndarray, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Find cluster centres ``(K, M)`` of two aligned batches, in which both count for as much (k-means).

    ``x1 (n1, M)`` and ``x2 (n2, M)`` are in units of a marker's sd.
    """
    random = np.random.default_rng(seed)
    n = min(len(x1), len(x2), CLUSTERED)
    some = np.concatenate([x[random.choice(len(x), n, replace=False)] for x in (x1, x2)])
    from sklearn.cluster import KMeans  # here: most jobs of the workflow find no clusters

    # scikit-learn has no types: the checker takes the type of n_init from its default, a word.
    return KMeans(min(n_clusters, len(some)), n_init=cast(Any, 4), random_state=seed).fit(some).cluster_centers_


def squared_distances(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the squared distance of each row of ``x (n, M)`` to each of ``points (K, M)``, ``(n, K)``, at least 0."""
    return np.maximum((x**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2 * x @ points.T, 0)


def memberships(x: np.ndarray, points: np.ndarray, variance: float) -> np.ndarray:
    """Return how much of each cell belongs to each centre, ``(n, K)``, rows adding up to 1.

    Gaussians around the centres, of the same ``variance`` for every marker and cluster.
    """
    log = -squared_distances(x, points) / (2 * variance)
    return np.exp(log - logsumexp(log, axis=1, keepdims=True))


def beyond(distances: np.ndarray, points: np.ndarray, home: np.ndarray) -> np.ndarray:
    """Return how far each cell is beyond the border of cluster ``home (n,)`` with each cluster, ``(n, K)``.

    In units of the data, negative on the side of ``home``; 0 for ``home`` itself. ``distances (n, K)`` are squared,
    to ``points (K, M)``; the border is the plane half way between two centres.
    """
    gap = np.sqrt(squared_distances(points, points))[home]
    nearer = np.take_along_axis(distances, home[:, None], axis=1) - distances
    return np.divide(nearer, 2 * gap, out=np.zeros_like(nearer), where=gap > 0)


def leakage(distances: np.ndarray, points: np.ndarray, reach: float = LEAK) -> np.ndarray:
    """Return the share of all cells that are found in cluster k and lie within ``reach`` of cluster l, ``(K, K)``."""
    home = distances.argmin(axis=1)
    near = beyond(distances, points, home) > -reach
    near[np.arange(len(home)), home] = False
    members = np.eye(len(points))[home]
    return members.T @ near / len(home)


def surplus(share_1: np.ndarray, share_2: np.ndarray, leak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts of two compositions ``(K,)`` that leakage between clusters cannot explain, ``(K,)`` each.

    ``leak (K, K)`` is the share of cells that may count in cluster l though found in k. A linear programme matches
    as much of both compositions as it can; the rest is returned.
    """
    n = len(share_1)
    stays = np.eye(n, dtype=bool)
    found = linprog(
        np.where(stays, -1.0, STAY - 1.0).ravel(),
        A_ub=np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))]),
        b_ub=np.concatenate([share_1, share_2]),
        bounds=np.stack([np.zeros(n * n), np.where(stays, np.inf, leak).ravel()], axis=1),
        method="highs",
    )
    flow = found.x.reshape(n, n)
    return np.maximum(share_1 - flow.sum(axis=1), 0), np.maximum(share_2 - flow.sum(axis=0), 0)


def retained_shares(
    distances_1: np.ndarray, distances_2: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the share of the cells of each cluster that either batch retains, ``(K,)`` each, in [0, 1].

    ``distances_1 (n1, K)`` and ``distances_2 (n2, K)`` are squared distances to ``points (K, M)``. All are 1 where
    nothing is to be left out.
    """
    n = len(points)
    counts = np.stack([np.bincount(d.argmin(axis=1), minlength=n) for d in (distances_1, distances_2)]).astype(float)
    total = counts.sum(axis=1)
    share = counts / total[:, None]
    share[1] *= np.exp(_usual_ratio(counts))
    leak = (leakage(distances_1, points) + leakage(distances_2, points).T) / 2
    error = np.sqrt((share / total[:, None]).sum(axis=0))  # of the difference of two shares, by Poisson
    retained = []
    for present, rest in zip(share, surplus(share[0], share[1], leak)):
        left = np.divide(present - rest, present, out=np.ones(n), where=present > 0)
        retained.append(np.where((left < 1 / LARGE) & (rest > CERTAIN * error), left, 1.0))
    return retained[0], retained[1]


def _usual_ratio(counts: np.ndarray) -> float:
    """Log ratio of shares, batch 1 over 2, of the median cell.

    Where a population is missing, every population that is not has a larger share; that is no difference.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    smoothed = np.log(counts + 0.5) - np.log(counts.sum(axis=1, keepdims=True))
    ratio, weight = smoothed[0] - smoothed[1], share.min(axis=0)
    order = np.argsort(ratio)
    middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return float(ratio[order][min(middle, len(order) - 1)])


def thin(clusters: np.ndarray, retained: np.ndarray, seed: int = 0) -> np.ndarray:
    """Choose rows, rising, so that of each cluster the share ``retained (K,)`` stays, rounded up to whole cells.

    ``clusters (n,)`` is the number of each cell's cluster.
    """
    random = np.random.default_rng(seed)
    chosen = []
    for cluster, share in enumerate(retained):
        rows = np.flatnonzero(clusters == cluster)
        chosen.append(random.permutation(rows)[: int(np.ceil(share * len(rows) - 1e-9))])
    return np.sort(np.concatenate(chosen))
