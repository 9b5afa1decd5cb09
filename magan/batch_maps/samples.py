"""Whether two batches differ by more than the samples within a batch do.

Cells of a sample are no replicates of a batch: donors of the same run differ, and any two groups of them differ
by more than cells can explain. The unit here is the sample: what is seen between the batches is compared with every
way to deal the same samples to two batches.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, cast

import numpy as np

CLUSTERS = 8  # of the cells as measured, found without knowing their batch
CELLS_PER_SAMPLE = 500  # that the clusters are found on, so that no sample counts for more
FEWEST = 10  # cells that a mean or a quantile is taken of
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWS = 999  # ways to deal the samples, where there are more
ENOUGH = 200  # ways, at least, that resolve a share of 1 in 100
RARE = 0.01  # share of ways that separate the samples as well, at which batches differ
# With few ways to deal, even the most extreme is no proof. The true way must then exceed every different way by a
# factor of 1 + FEW / ways: 2 for two samples against two (6 ways), 1.3 for three against three (20).
FEW = 6.0


@dataclass(frozen=True)
class SampleTest:
    """How the difference of two batches stands among those of the same samples dealt at random."""

    share: float  # of all ways, that separate the samples as well as the batches do, in (0, 1]
    excess: float  # separation by batches over the best of any different way
    ways: int

    @property
    def differs(self) -> bool:
        """Return whether the batches differ by more than samples do."""
        if self.ways >= ENOUGH:
            return self.share <= RARE
        return self.excess > self.needed

    @property
    def needed(self) -> float:
        """Return the excess that proves a difference where there are few ways to deal the samples."""
        return 1 + FEW / self.ways


def sample_test(
    x1: np.ndarray, x2: np.ndarray, samples_1: np.ndarray, samples_2: np.ndarray, *, seed: int = 0
) -> SampleTest | None:
    """Test the batches ``x1 (n1, M)`` and ``x2 (n2, M)`` with samples ``(n1,)`` and ``(n2,)`` as units.

    None where that cannot be: with fewer than two samples of 10 cells in either batch, or where a sample is in both
    (a control, whose difference is the batch's). The statistic is the mean of ``log(1 + F)`` over quantiles of each
    marker and its means within clusters, so that a shift that every sample shares counts for more than a
    composition that varies.
    """
    if np.isin(samples_1, samples_2).any():
        return None
    cells, names = np.concatenate([x1, x2]).astype(np.float64), np.concatenate([samples_1, samples_2])
    known, counts = np.unique(names, return_counts=True)
    known = known[counts >= FEWEST]
    first = np.isin(known, samples_1)
    if min(first.sum(), (~first).sum()) < 2:
        return None
    features = _profiles(cells, [np.flatnonzero(names == name) for name in known], seed)
    seen = separation(features, first[None])[0]
    dealt = _dealt(first, seed)
    drawn = separation(features, dealt)
    same = (dealt == first).all(axis=1) | (dealt == ~first).all(axis=1)
    share = (1 + (drawn[~same] >= seen).sum()) / (1 + (~same).sum())
    return SampleTest(float(share), float(seen / max(drawn[~same].max(), 1e-12)), len(dealt))


def separation(features: np.ndarray, dealt: np.ndarray) -> np.ndarray:
    """Return the mean over ``features (S, P)`` of ``log(1 + between / within)`` for each of ``dealt (D, S)``, ``(D,)``.

    Sums of squares between and within the two batches that a row of booleans makes; constant features do not count.
    """
    x = features[:, np.ptp(features, axis=0) > 1e-9]
    if not x.shape[1]:
        return np.zeros(len(dealt))
    x = x - x.mean(axis=0)
    total = (x**2).sum(axis=0)
    n_first = dealt.sum(axis=1, keepdims=True)
    between = (dealt @ x) ** 2 * (1 / n_first + 1 / (dealt.shape[1] - n_first))
    return np.log1p(between / np.maximum(total - between, 1e-9 * total)).mean(axis=1)


def _profiles(cells: np.ndarray, rows: list[np.ndarray], seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    some = np.concatenate([random.permutation(r)[:CELLS_PER_SAMPLE] for r in rows])
    scale = np.maximum(cells[some].std(axis=0), 1e-6)
    from sklearn.cluster import KMeans  # here: most jobs of the workflow find no clusters

    # scikit-learn has no types: the checker takes the type of n_init from its default, a word.
    clusters = KMeans(min(CLUSTERS, len(some)), n_init=cast(Any, 4), random_state=seed).fit(cells[some] / scale)
    found = clusters.predict(cells / scale)
    quantiles = np.stack([np.quantile(cells[r], LEVELS, axis=0).ravel() for r in rows])
    means = np.stack([[_mean(cells[r[found[r] == k]]) for k in range(clusters.n_clusters)] for r in rows])
    means = means.reshape(len(rows), -1)
    means = means[:, np.isfinite(means).mean(axis=0) >= 0.5]
    return np.concatenate([quantiles, np.where(np.isfinite(means), means, np.nanmean(means, axis=0))], axis=1)


def _mean(cells: np.ndarray) -> np.ndarray:
    return cells.mean(axis=0) if len(cells) >= FEWEST else np.full(cells.shape[1], np.nan)


def _dealt(first: np.ndarray, seed: int) -> np.ndarray:
    """All ways to deal samples to two batches of these sizes, or 999 at random, ``(D, S)`` booleans."""
    n, size = len(first), int(first.sum())
    if comb(n, size) <= DRAWS:
        return np.array([np.isin(np.arange(n), chosen) for chosen in combinations(range(n), size)])
    random = np.random.default_rng(seed)
    return np.array([random.permutation(first) for _ in range(DRAWS)])
