"""Scores of how well the mapped cells of a batch fit the cells of the target batch.

``mapped`` is ``(R, n, M)``, ``target`` is ``(m, M)``, and ``original``, the cells before the map, is ``(n, M)``; all
are in arcsinh units. Mapped and target cells are different cells, so distributions are compared. What the map must
preserve is compared with ``original``. A single batch has no score. If batch and group are confounded
(`magan.metrics.group_effects.confounded`), a small distance to the target is not a merit; the scores are computed all
the same.
"""

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import median_abs_deviation
from sklearn.neighbors import KNeighborsClassifier

from magan import keys
from magan.metrics.markers import spearman

LEAST = 10  # cells that a population needs on each side to be scored
BIN = 0.1  # arcsinh units, the histograms of cyCombine
NEGLIGIBLE = 2.0  # bins, the filter limit of cyCombine
SUBSAMPLE = 5000  # cells of each side in the MMD
MEDIAN = 1000  # cells in the median distance
BLOCK = 100  # cells per block, to bound memory
NEIGHBOURHOOD = 5000  # cells of each side in the label transfer


def emd(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the earth mover's distance of each marker, ``(R, M)``, at least 0; lower is better.

    It is the exact ``integral |F - G|`` of the two empirical distribution functions, in the units of the input.
    Constant markers and single cells are allowed. The score is nan if a side is empty or contains a nan.
    """
    n, m = mapped.shape[1], target.shape[0]
    if not n or not m:
        return np.full((mapped.shape[0], mapped.shape[2]), np.nan)
    return np.stack([_emd(x.T.astype(np.float64), target.T.astype(np.float64)) for x in mapped])


def _emd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    n, m = a.shape[1], b.shape[1]
    both = np.concatenate([a, b], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    # Count in whole numbers, so that F - G is exactly 0 where F and G agree.
    difference = np.cumsum(np.where(order < n, m, -n), axis=1)[:, :-1] / (n * m)
    return (np.abs(difference) * np.diff(np.take_along_axis(both, order, axis=1), axis=1)).sum(axis=1)


def mmd(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the squared maximum mean discrepancy over all markers, ``(R,)``; lower is better, 0 is chance.

    The estimate is unbiased, so it can be slightly negative; it is at most 2. Markers are standardised by the target's
    mean and sd; a marker that is constant in the target is only centred. The kernel is the mean of
    ``exp(-d^2 / (2 s^2))`` over s = 0.5, 1 and 2 times the target's median pairwise distance. The first 5,000 cells of
    each side in a fixed permutation are used. The score is nan with fewer than two cells on a side, with a nan, or if
    the target's median distance is 0.

    Score differences below twice `mmd_floor` are not meaningful. With 20 markers that is about 0.0005 for 1,000 cells
    per side and 0.0001 for 5,000.
    """
    y, bandwidth = _standardised(target)
    rows = shuffled(mapped.shape[1])[:SUBSAMPLE]
    if len(rows) < 2 or not bandwidth > 0:
        return np.full(len(mapped), np.nan)
    center, scale = _location_scale(target)
    within_target = _kernel_within(y, bandwidth)
    values = []
    for x in (mapped[:, rows] - center) / scale:
        values.append(
            _kernel_within(x, bandwidth) + within_target - 2 * _kernel_sums(x, y, bandwidth).sum() / (len(x) * len(y))
        )
    return np.array(values)


def mmd_floor(target: np.ndarray, n_splits: int = 20) -> float:
    """Return the typical `mmd` of two samples of the target distribution, each of the target's size; at least 0.

    It is half the root mean square of the score between two halves of the target, over random splits: the score is
    proportional to ``1/n + 1/m``, which is twice as large for halves. It is nan with fewer than four cells or if the
    target's median distance is 0.
    """
    y, bandwidth = _standardised(target)
    if len(y) < 4 or not bandwidth > 0:
        return np.nan
    y = y[: len(y) // 2 * 2]
    half = len(y) // 2
    side = np.ones((len(y), n_splits))
    random = np.random.default_rng(0)
    for split in side.T:
        split[random.permutation(len(y))[:half]] = -1
    sums = _kernel_sums(y, y, bandwidth, side)  # (n, splits): sum over all cells, signed by the side of the cell
    signed, whole = (side * sums).sum(axis=0), _kernel_sums(y, y, bandwidth).sum()
    within, across = (whole + signed) / 2 - len(y), (whole - signed) / 2
    scores = within / (half * (half - 1)) - across / half**2
    return float(np.sqrt((scores**2).mean()) / 2)


def _standardised(target: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the target cells that the `mmd` uses, standardised, and the median distance of 1,000 of them."""
    if not len(target):
        return target, np.nan
    center, scale = _location_scale(target)
    y = (target[shuffled(len(target))[:SUBSAMPLE]] - center) / scale
    return y, float(np.median(pdist(y[:MEDIAN]))) if len(y) > 1 else np.nan


def _kernel_within(x: np.ndarray, bandwidth: float) -> float:
    """Return the mean of the kernel over pairs of different cells."""
    return (_kernel_sums(x, x, bandwidth).sum() - len(x)) / (len(x) * (len(x) - 1))


def _kernel_sums(x: np.ndarray, y: np.ndarray, bandwidth: float, weight: np.ndarray | None = None) -> np.ndarray:
    """Sum the kernel of each cell of ``x`` over the cells of ``y``, ``(n,)``; ``(n, W)`` with weights ``(m, W)``."""
    x, y = x / (np.sqrt(8) * bandwidth), y / (np.sqrt(8) * bandwidth)
    of_y = (y**2).sum(axis=1)
    weight = np.ones(len(y)) if weight is None else weight
    parts = []
    for block in np.array_split(x, -(-len(x) // BLOCK)):
        # Compute a single exponential for the three bandwidths: the further two are its 4th and 16th power.
        kernel = block @ (2 * y.T)
        kernel -= of_y
        kernel -= (block**2).sum(axis=1, keepdims=True)
        np.exp(np.minimum(kernel, 0, out=kernel), out=kernel)
        power = kernel**2
        power *= power
        kernel += power
        power *= power
        power *= power
        kernel += power
        parts.append(kernel @ weight / 3)
    return np.concatenate(parts)


def label_transfer(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray, k: int = 15
) -> np.ndarray:
    """Return the share of mapped cells whose nearest target cells vote for the correct population, ``(R,)``, in [0, 1].

    Higher is better. Each cell receives the majority label of its ``k`` nearest labelled target cells (all of them if
    there are fewer; in a tie the name that sorts first), in markers standardised as in `mmd`. The share is balanced:
    the mean over populations of the share within each. Cells without a label are ignored on both sides, and so are
    mapped cells of a population that the target lacks. The first 5,000 cells of each side in a fixed permutation are
    used. The score is nan if no cell remains, and for a replicate that contains a nan.
    """
    right, population = label_hits(mapped, labels, target, target_labels, k)
    if not len(population):
        return np.full(len(mapped), np.nan)
    return np.stack([right[:, population == name].mean(axis=1) for name in np.unique(population)]).mean(axis=0)


def label_hits(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray, k: int = 15
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the vote is correct, 1 or 0, ``(R, n)``, for the n cells of `label_transfer`; their population.

    A replicate that contains a nan is nan.
    """
    known = np.flatnonzero(labelled(target_labels))
    known = known[shuffled(len(known))[:NEIGHBOURHOOD]]
    votes = _words(target_labels)[known]
    words = _words(labels)
    rows = np.flatnonzero(labelled(labels) & np.isin(words, votes))
    rows = rows[shuffled(len(rows))[:NEIGHBOURHOOD]]
    right = np.full((len(mapped), len(rows)), np.nan)
    if len(rows):
        center, scale = _location_scale(target)
        voters = KNeighborsClassifier(min(k, len(known))).fit((target[known] - center) / scale, votes)
        for r, x in enumerate(mapped[:, rows]):
            if np.isfinite(x).all():
                right[r] = voters.predict((x - center) / scale) == words[rows]
    return right, words[rows]


def rank_kept(original: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Return Spearman's r of each marker before and after the map, ``(R, M)``, in [-1, 1]; higher is better.

    Only cells whose original value is above 0 are used: zeros are below detection and have no order. The score is nan
    with fewer than two such cells, or if their values before or after the map are constant.
    """
    columns = []
    for marker in range(original.shape[1]):
        detected = original[:, marker] > 0
        columns.append(spearman(original[detected][:, [marker]], mapped[:, detected][:, :, [marker]])[:, 0])
    return np.stack(columns, axis=1)


def sampling(target: np.ndarray, n: int) -> np.ndarray:
    """Return the expected EMD between the target and ``n`` cells of the same distribution, ``(M,)``; at least 0.

    By the normal approximation it is ``sqrt(2 / pi) sqrt(1/n + 1/m) integral sqrt(F (1 - F))``, with F of the target's
    m cells. It is 0 for a constant marker and nan without cells on a side.
    """
    m = len(target)
    if not n or not m:
        return np.full(target.shape[1], np.nan)
    share = np.arange(1, m)[:, None] / m
    spread = (np.sqrt(share * (1 - share)) * np.diff(np.sort(target.astype(np.float64), axis=0), axis=0)).sum(axis=0)
    return np.sqrt(2 / np.pi * (1 / n + 1 / m)) * spread


def emd_reduction(
    original: np.ndarray, mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray
) -> np.ndarray:
    """Return the share of the EMD to the target that the map removed, ``(R,)``, at most 1; higher is better.

    It is ``(sum before - sum after) / sum before`` over populations and markers; it is negative if the map increased
    the EMD. The EMD is that between histograms of bin 0.1, in bins. Pairs of population and marker below 2 bins before
    and after the map are excluded, and so are populations with fewer than 10 cells on a side. The score is nan if no
    pair remains or the sum before is 0.

    References
    ----------
    Pedersen et al. 2022, Nature Communications 13:1698 (cyCombine, ``evaluate_emd``).
    """
    names = populations(labels, target_labels)
    if not names:
        return np.full(len(mapped), np.nan)
    before, after = [], []
    words, target_words = _words(labels), _words(target_labels)
    for name in names:
        cells, goal = words == name, _bins(target[target_words == name])
        before.append(emd(_bins(original[None, cells]), goal))
        after.append(emd(_bins(mapped[:, cells]), goal))
    after = np.concatenate(after, axis=1)  # (R, populations * markers)
    before = np.broadcast_to(np.concatenate(before, axis=1), after.shape)
    counted = ~((before < NEGLIGIBLE) & (after < NEGLIGIBLE))
    total = np.where(counted, before, 0).sum(axis=1)
    change = np.where(counted, before - after, 0).sum(axis=1)
    return np.divide(change, total, out=np.full(len(mapped), np.nan), where=total > 0)


def _bins(x: np.ndarray) -> np.ndarray:
    # Bins are open on the left, so exact zeros have a separate bin from the smallest signals. Round first, so that
    # rounding errors do not move values across an edge.
    return np.ceil(np.round(np.asarray(x, dtype=np.float64) / BIN, 6))


def mad(original: np.ndarray, mapped: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how much the map changed the spread within populations, ``(R,)`` in arcsinh units; lower is better.

    It is the median over populations and markers of ``|MAD before - MAD after|``, with MAD = 1.4826 times the median
    absolute deviation. Only the mapped batch is used: the target does not change, and its zeros would halve the score.
    Populations with fewer than 10 cells are skipped. The score is nan if no population remains.

    References
    ----------
    Pedersen et al. 2022, Nature Communications 13:1698 (cyCombine, ``evaluate_mad``).
    """
    names = populations(labels, labels)
    if not names:
        return np.full(len(mapped), np.nan)
    words = _words(labels)
    changes = [np.abs(_spread(mapped[:, words == n], 1) - _spread(original[words == n], 0)) for n in names]
    return np.median(np.concatenate(changes, axis=1), axis=1)


def _spread(x: np.ndarray, axis: int) -> np.ndarray:
    scale: Any = "normal"
    return median_abs_deviation(x.astype(np.float64), axis=axis, scale=scale)


def populations(labels: np.ndarray, target_labels: np.ndarray) -> list[str]:
    """Return the sorted names of populations with at least 10 cells on both sides."""
    enough = []
    for side in (labels, target_labels):
        names, counts = np.unique(_words(side)[labelled(side)], return_counts=True)
        enough.append(set(names[counts >= LEAST]))
    return sorted(str(name) for name in enough[0] & enough[1])


def by_population(labels: np.ndarray, target_labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return which rows belong to each of the `populations`, on both sides, ``[((n,), (m,)), ...]`` booleans."""
    words, target_words = _words(labels), _words(target_labels)
    return [(words == name, target_words == name) for name in populations(words, target_words)]


def labelled(labels: np.ndarray) -> np.ndarray:
    """Return where a label names a population, i.e. is not missing, empty or in ``keys.UNLABELLED``."""
    return ~np.isin(np.char.lower(_words(labels)), keys.UNLABELLED)


def split_half(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split the target into two halves by a fixed permutation: rows ``(m // 2,)`` and the remaining rows.

    The score between the two halves is the floor of that score: the score of a perfect map with so few cells.
    """
    rows = shuffled(len(target))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def shuffled(n: int) -> np.ndarray:
    """Return the fixed permutation of ``n`` rows from which all subsamples are taken."""
    return np.random.default_rng(0).permutation(n)


def _location_scale(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(target):
        return np.zeros(target.shape[1]), np.ones(target.shape[1])
    scale = np.where(np.ptp(target, axis=0) > 0, target.std(axis=0, dtype=np.float64), 1.0)
    return target.mean(axis=0, dtype=np.float64), scale


def _words(labels: np.ndarray) -> np.ndarray:
    # Labels 1 and "1" in two tables are the same population.
    return np.asarray(labels).astype(str)
