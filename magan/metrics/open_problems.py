"""The scores of Open Problems' task cytometry batch integration, under their names, written from their definitions.

A sample of a batch after integration is compared with its replicate in the reference (horizontal), or integrated
samples with each other (vertical). Values are ``(n, M)`` in arcsinh units, labels ``(n,)`` populations, which both
sides must have with 10 cells to count. Scores are nan where nothing is left to compare.

References
----------
github.com/openproblems-bio/task_cyto_batch_integration, the descriptions in ``src/metrics``.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde, mannwhitneyu
from sklearn.neighbors import NearestNeighbors

from magan.metrics.batch_distance import by_population, emd

BIN, WIDEST = 0.1, 100.0  # of the histograms whose distance is taken, and their ends
GRID = 100  # points of a density
HEIGHT, PROMINENCE = 0.1, 0.01  # of a peak
NEIGHBOURS, PERPLEXITY = 90, 30.0  # of LISI, those of scib-metrics
HALVINGS = 60  # of the interval of a kernel's width
SIGNIFICANT = 0.1  # p of the rank-sum test
Side = tuple[np.ndarray, np.ndarray]  # values and labels


def emd_mean_ct(pairs: Sequence[tuple[Side, Side]]) -> float:
    """Return the mean earth mover's distance over pairs of samples, populations and markers; lower is better.

    Values are binned by 0.1 from -100 to 100. ``emd_mean_ct_horiz`` is that of a donor's samples in two batches,
    ``emd_mean_ct_vert`` that of all pairs of integrated samples of a group.
    """
    found = [emd(_binned(x[i])[None], _binned(y[j])) for x, y, i, j in _by_type(pairs)]
    return float(np.mean(found)) if found else np.nan


def _binned(x: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(x.astype(np.float64), -WIDEST, WIDEST - BIN) / BIN + 1e-9) * BIN


def average_batch_r2(x: Side, y: Side) -> tuple[float, float]:
    """Return ``average_batch_r2_global`` and ``_ct``: the share of a marker's variance that the batch explains.

    The mean of R squared over markers, of all cells and of each population; lower is better.
    """
    whole = _r2(x[0], y[0]).mean()
    parts = [_r2(a[i], b[j]) for a, b, i, j in _by_type([(x, y)])]
    return float(whole), float(np.mean(parts)) if parts else np.nan


def _r2(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    both = np.concatenate([x, y]).astype(np.float64)
    total = ((both - both.mean(axis=0)) ** 2).sum(axis=0)
    within = sum(((side - side.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0) for side in (x, y))
    return 1 - np.divide(within, total, out=np.ones(total.shape), where=total > 1e-9)


def ratio_consistent_peaks(before: Side, after: np.ndarray, y: Side) -> float:
    """Return the share of populations and markers with as many peaks after integration as before; higher is better.

    Only those count that have equally many in both samples before. ``after`` are the values of ``before`` once
    integrated. Samples are standardised together, and peaks are those of a Gaussian kernel density on 100 points with a
    height of 0.1 and a prominence of 0.01. A marker that is constant after integration counts as inconsistent.
    """
    same = total = 0
    for inside, goal in by_population(before[1], y[1]):
        target = y[0][goal]
        for marker in range(target.shape[1]):
            first, second = before[0][inside, marker], target[:, marker]
            n = _peaks(first, second)
            if n is None or n[0] != n[1]:
                continue
            total += 1
            moved = after[inside, marker]
            same += np.ptp(moved) > 0 and _peaks(moved, second) == n
    return same / total if total else np.nan


def _peaks(first: np.ndarray, second: np.ndarray) -> tuple[int, int] | None:
    both = np.concatenate([first, second]).astype(np.float64)
    if not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return None
    counts = []
    for values in (first, second):
        z = (values - both.mean()) / both.std()
        density = gaussian_kde(z)(np.linspace(z.min(), z.max(), GRID))
        counts.append(len(find_peaks(density, height=HEIGHT, prominence=PROMINENCE)[0]))
    return counts[0], counts[1]


def flowsom_mapping_similarity(clusters: np.ndarray, labels: np.ndarray, side: np.ndarray) -> float:
    """Return how alike metaclusters are composed on both sides, at most 100; higher is better.

    100 less the sum over metaclusters, weighted by their share of all cells, of the absolute differences between
    the percentages of populations. ``clusters (n,)`` are the metaclusters of a FlowSOM tree of the reference, onto
    which the integrated cells are mapped, and ``side (n,)`` is 0 or 1.
    """
    names = np.unique(labels)
    dissimilarity = 0.0
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        shares = []
        for number in (0, 1):
            chosen = labels[inside & (side == number)]
            shares.append(np.array([(chosen == name).mean() if len(chosen) else 0.0 for name in names]))
        dissimilarity += inside.mean() * 100 * np.abs(shares[0] - shares[1]).sum()
    return 100 - dissimilarity


def lisi(cells: np.ndarray, labels: np.ndarray) -> float:
    """Return the median over cells of the effective number of labels among a cell's 90 nearest, at least 1.

    ``cells (n, M)`` are weighted by a Gaussian kernel around each whose width gives a perplexity of 30. ``iLisi`` is
    this number of batches less 1, ``cLisi`` C less this number of populations over C - 1 (`scaled_lisi`).
    """
    k = min(NEIGHBOURS, len(cells) - 1)
    distances, rows = NearestNeighbors(n_neighbors=k + 1).fit(cells).kneighbors(cells)
    d = np.asarray(distances, np.float64)[:, 1:]
    low: np.ndarray = np.zeros((len(d), 1))
    high: np.ndarray = np.full((len(d), 1), 1e6)
    target = np.log(min(PERPLEXITY, k / 3))
    for _ in range(HALVINGS):
        rate = (low + high) / 2
        weight = _softmax(-rate * d)
        entropy = -(weight * np.log(np.maximum(weight, 1e-300))).sum(axis=1, keepdims=True)
        low, high = np.where(entropy > target, rate, low), np.where(entropy > target, high, rate)
    weight = _softmax(-0.5 * (low + high) * d)
    known, number = np.unique(labels, return_inverse=True)
    neighbours = number[rows[:, 1:]]
    share = np.stack([(weight * (neighbours == k)).sum(axis=1) for k in range(len(known))])
    return float(np.median(1 / (share**2).sum(axis=0)))


def scaled_lisi(cells: np.ndarray, batches: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return ``iLisi`` and ``cLisi``, in [0, 1]: batches are mixed, and populations are not; higher is better."""
    n_batches, n_types = len(np.unique(batches)), len(np.unique(labels))
    mixed = (lisi(cells, batches) - 1) / (n_batches - 1) if n_batches > 1 else np.nan
    pure = (n_types - lisi(cells, labels)) / (n_types - 1) if n_types > 1 else np.nan
    return mixed, pure


def functional_marker_preservation(
    before: np.ndarray, after: np.ndarray, groups: np.ndarray, batches: np.ndarray
) -> tuple[float, float]:
    """Return ``functional_marker_preservation_wilcoxon`` and ``_cohens_d`` of two groups of samples.

    ``before`` and ``after (S, P)`` are means of samples, a column for each functional marker and population; ``groups``
    and ``batches (S,)`` have two names. The first is the share of columns significant (p <= 0.1) in both batches
    before that still are (higher is better), the second the mean absolute change of Cohen's d (lower is better). A
    sample stays in its batch; Open Problems' splits are the same samples.
    """
    first = np.unique(groups)[0]
    significant, sizes = [], []
    for means in (before, after):
        tests, d = [], []
        for batch in np.unique(batches):
            a, b = (means[(batches == batch) & ((groups == first) == which)] for which in (True, False))
            tests.append(mannwhitneyu(a, b, axis=0).pvalue <= SIGNIFICANT)
            pooled = np.sqrt(
                ((len(a) - 1) * a.var(axis=0, ddof=1) + (len(b) - 1) * b.var(axis=0, ddof=1)) / (len(a) + len(b) - 2)
            )
            d.append((a.mean(axis=0) - b.mean(axis=0)) / np.maximum(pooled, 1e-9))
        significant.append(np.all(tests, axis=0))
        sizes.append(np.array(d))
    baseline = significant[0].sum()
    kept = (significant[0] & significant[1]).sum() / baseline if baseline else np.nan
    return float(kept), float(np.abs(sizes[1] - sizes[0].mean(axis=0)).mean())


def vertical(samples: Sequence[tuple[str, Side]]) -> list[tuple[Side, Side]]:
    """Return all pairs of samples of the same group, from (group, sample)."""
    return [(a, b) for (group_a, a), (group_b, b) in combinations(samples, 2) if group_a == group_b]


def _by_type(pairs: Sequence[tuple[Side, Side]]):
    for (x, labels), (y, target_labels) in pairs:
        for inside, goal in by_population(labels, target_labels):
            yield x, y, inside, goal


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
