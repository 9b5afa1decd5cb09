"""Draw cells of two batches so that each population has the same share of both.

A map between distributions mistakes a difference in shares, such as twice the
B cells, for a batch effect and removes it. Populations are found without
labels: both batches are aligned marker by marker and clustered together. Where
the shares differ by more than chance, the batch with the larger share of a
cluster loses some of its cells.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency
from sklearn.cluster import KMeans

from magan.domains.domain import Domain
from magan.domains.monotone_map import mapped, monotone_map

CLUSTERS = 20
ROUNDS = 5  # of mapping, clustering and drawing; the batches are better aligned in each round
CHANCE = 1e-3  # probability below which a difference in shares is not chance (chi-square)
CLUSTERED = 5000  # cells of each batch that define the clusters; the remaining cells join the nearest cluster


def balanced(x1: Domain, x2: Domain, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each domain, in rising order, in which every population has the same share of both.

    No row is drawn twice. All rows are drawn where chance explains the difference
    in shares, and where the domains have no marker in common.
    """
    rows = np.arange(len(x1)), np.arange(len(x2))
    markers = [m for m in x1.features if m in x2.features]
    if not markers:
        return rows
    cells_1, cells_2 = (_columns(x, markers) for x in (x1, x2))
    standardised = (cells_1 - cells_1.mean(axis=0)) / _spread(cells_1)
    aligned = standardised * _spread(cells_2) + cells_2.mean(axis=0)
    random = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        of_1, of_2 = _clusters(aligned / _spread(cells_2), cells_2 / _spread(cells_2), seed)
        rows = _drawn(of_1, of_2, random)
        aligned = _aligned(cells_1, cells_1[rows[0]], cells_2[rows[1]])
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


def _clusters(cells_1: np.ndarray, cells_2: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each cell; both batches have the same number of cells in the fit."""
    random = np.random.default_rng(seed)
    n = min(len(cells_1), len(cells_2), CLUSTERED)
    sample = np.concatenate([x[random.choice(len(x), n, replace=False)] for x in (cells_1, cells_2)])
    settings: dict[str, Any] = {"n_clusters": min(CLUSTERS, len(sample)), "n_init": 4, "random_state": seed}
    found = KMeans(**settings).fit(sample)
    return np.asarray(found.predict(cells_1)), np.asarray(found.predict(cells_2))


def _drawn(of_1: np.ndarray, of_2: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each batch with the smaller of the two shares of each cluster; all rows if chance explains them."""
    n_clusters = max(of_1.max(), of_2.max()) + 1
    counts = np.stack([np.bincount(of, minlength=n_clusters) for of in (of_1, of_2)])
    result: Any = chi2_contingency(counts[:, counts.any(axis=0)])
    if result.pvalue > CHANCE:
        return np.arange(len(of_1)), np.arange(len(of_2))
    share = (counts / counts.sum(axis=1, keepdims=True)).min(axis=0)
    rows_1, rows_2 = (
        np.sort(np.concatenate([random.permutation(np.flatnonzero(of == c))[:n] for c, n in enumerate(wanted)]))
        for of, wanted in ((of, np.round(len(of) * share).astype(int)) for of in (of_1, of_2))
    )
    return rows_1, rows_2
