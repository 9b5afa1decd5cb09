"""Cells of two batches drawn so that each population is as common in one as in the other.

A map of distributions takes a batch with twice the B cells for a batch effect
and bends it into shape. Populations are found without names: both batches are
brought together marker by marker, clustered as one, and where the shares
differ by more than chance the side with too many cells of a cluster gives some up.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2_contingency
from sklearn.cluster import KMeans

from magan.domains.domain import Domain
from magan.domains.monotone_map import mapped, monotone_map

CLUSTERS = 20
ROUNDS = 5  # of mapping, clustering and drawing; each sees the batches better aligned than the last
CHANCE = 1e-3  # probability below which a difference in shares is not chance (chi-square)
CLUSTERED = 5000  # cells of either side that the clusters are found on; the others join the nearest


def balanced(x1: Domain, x2: Domain, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each domain, rising, in which every population has the same share of both.

    No row is drawn twice. Where the shares differ by chance alone, and where the
    domains have no marker in common, all rows are kept.
    """
    rows = np.arange(len(x1)), np.arange(len(x2))
    markers = [m for m in x1.features if m in x2.features]
    if not markers:
        return rows
    one, two = (_columns(x, markers) for x in (x1, x2))
    aligned = (one - one.mean(axis=0)) / _spread(one) * _spread(two) + two.mean(axis=0)
    random = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        of_1, of_2 = _clusters(aligned / _spread(two), two / _spread(two), seed)
        rows = _drawn(of_1, of_2, random)
        aligned = _aligned(one, one[rows[0]], two[rows[1]])
    return rows


def balanced_domains(x1: Domain, x2: Domain) -> tuple[Domain, Domain]:
    """The rows of each domain that `balanced` selects."""
    rows_1, rows_2 = balanced(x1, x2)
    return x1.take(rows_1), x2.take(rows_2)


def _columns(x: Domain, markers: Sequence[str]) -> np.ndarray:
    return x.values[:, [x.features.index(m) for m in markers]].double().numpy()


def _spread(values: np.ndarray) -> np.ndarray:
    return np.maximum(values.std(axis=0), 1e-6)


def _aligned(values: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    columns = [mapped(x, *monotone_map(a, b)) for x, a, b in zip(values.T, source.T, target.T)]
    return np.stack(columns, axis=1)


def _clusters(one: np.ndarray, two: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of the cluster of each cell; either side counts for as much in finding them."""
    random = np.random.default_rng(seed)
    n = min(len(one), len(two), CLUSTERED)
    some = np.concatenate([x[random.choice(len(x), n, replace=False)] for x in (one, two)])
    found = KMeans(min(CLUSTERS, len(some)), n_init=4, random_state=seed).fit(some)
    return found.predict(one), found.predict(two)


def _drawn(of_1: np.ndarray, of_2: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of each cluster the smaller of its two shares, of either side; every cell where chance explains the shares."""
    n_clusters = max(of_1.max(), of_2.max()) + 1
    counts = np.stack([np.bincount(of, minlength=n_clusters) for of in (of_1, of_2)])
    if chi2_contingency(counts[:, counts.any(axis=0)]).pvalue > CHANCE:
        return np.arange(len(of_1)), np.arange(len(of_2))
    share = (counts / counts.sum(axis=1, keepdims=True)).min(axis=0)
    return tuple(
        np.sort(np.concatenate([random.permutation(np.flatnonzero(of == c))[:n] for c, n in enumerate(wanted)]))
        for of, wanted in ((of, np.round(len(of) * share).astype(int)) for of in (of_1, of_2))
    )
