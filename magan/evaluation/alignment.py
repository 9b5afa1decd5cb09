"""How well the cells of one batch, once mapped, fit the cells of another.

``mapped`` is ``(R, n, M)``, ``target`` ``(m, M)`` and ``original``, the mapped
cells as measured, ``(n, M)``; all in arcsinh units. Mapped and target cells are
different cells, so distributions are compared, and what must not change is
compared with ``original``.
"""

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import median_abs_deviation
from sklearn.neighbors import KNeighborsClassifier

from magan import keys
from magan.evaluation.markers import spearman

LEAST = 10  # cells a population needs on either side to be scored
BIN = 0.1  # arcsinh units, the histograms of cyCombine
NEGLIGIBLE = 2.0  # bins, the filter limit of cyCombine
SUBSAMPLE = 1000  # cells of either side in the MMD
NEIGHBOURHOOD = 5000  # cells of either side in the label transfer


def emd(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Earth mover's distance of each marker, ``(R, M)``, at least 0; lower is better.

    The exact ``integral |F - G|`` of the two empirical distribution functions, in
    the units of the input. A constant marker is scored like any other; nan where
    either side is empty or holds a nan.
    """
    n, m = mapped.shape[1], target.shape[0]
    if not n or not m:
        return np.full((mapped.shape[0], mapped.shape[2]), np.nan)
    return np.stack([_emd(x.T.astype(np.float64), target.T.astype(np.float64)) for x in mapped])


def _emd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    n, m = a.shape[1], b.shape[1]
    both = np.concatenate([a, b], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    # Counting in whole numbers keeps F - G exactly 0 where the two agree.
    difference = np.cumsum(np.where(order < n, m, -n), axis=1)[:, :-1] / (n * m)
    return (np.abs(difference) * np.diff(np.take_along_axis(both, order, axis=1), axis=1)).sum(axis=1)


def mmd(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Squared maximum mean discrepancy of all markers together, ``(R,)``; lower is better, 0 is chance.

    The unbiased estimate, so it may fall slightly below 0; at most 2. Markers are
    standardised by the target's mean and sd (a marker constant there is centred
    only). The kernel is the mean of ``exp(-d^2 / (2 s^2))`` over s = 0.5, 1 and 2
    times the target's median pairwise distance. Of either side the first 1,000
    cells of a fixed permutation count. nan with fewer than two cells on a side,
    with a nan, or where the target's median distance is 0.
    """
    center, scale = _location_scale(target)
    y = (target[shuffled(len(target))[:SUBSAMPLE]] - center) / scale
    rows = shuffled(mapped.shape[1])[:SUBSAMPLE]
    if len(y) < 2 or len(rows) < 2:
        return np.full(len(mapped), np.nan)
    within = pdist(y)
    median = np.median(within)
    if not median > 0:
        return np.full(len(mapped), np.nan)
    bandwidths = median * np.array([0.5, 1.0, 2.0])
    own = _kernel(within, bandwidths).mean()
    values = []
    for x in (mapped[:, rows] - center) / scale:
        values.append(_kernel(pdist(x), bandwidths).mean() + own - 2 * _kernel(cdist(x, y), bandwidths).mean())
    return np.array(values)


def _kernel(distance: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    return sum(np.exp(-(distance**2) / (2 * s**2)) for s in bandwidths) / len(bandwidths)


def label_transfer(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray, k: int = 15
) -> np.ndarray:
    """Share of mapped cells whose nearest target cells vote for their own population, ``(R,)``, in [0, 1].

    Higher is better. Each cell takes the majority of its ``k`` nearest labelled
    target cells (all of them if there are fewer; a tie goes to the name that sorts
    first), in markers standardised as in `mmd`. The share is balanced: the mean
    over populations of the share within each. Cells without a label do not count,
    on either side, nor do mapped cells of a population the target lacks. Of either
    side the first 5,000 cells of a fixed permutation count. nan if no cell is left;
    a replicate that holds a nan scores nan.
    """
    known = np.flatnonzero(labelled(target_labels))
    known = known[shuffled(len(known))[:NEIGHBOURHOOD]]
    votes = _words(target_labels)[known]
    words = _words(labels)
    rows = np.flatnonzero(labelled(labels) & np.isin(words, votes))
    rows = rows[shuffled(len(rows))[:NEIGHBOURHOOD]]
    if not len(rows):
        return np.full(len(mapped), np.nan)
    center, scale = _location_scale(target)
    voters = KNeighborsClassifier(min(k, len(known))).fit((target[known] - center) / scale, votes)
    names, own = np.unique(words[rows], return_inverse=True)
    values = np.full(len(mapped), np.nan)
    for r, x in enumerate(mapped[:, rows]):
        if np.isfinite(x).all():
            right = voters.predict((x - center) / scale) == words[rows]
            values[r] = (np.bincount(own, right) / np.bincount(own, minlength=len(names))).mean()
    return values


def rank_kept(original: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Spearman's r of each marker before and after the map, ``(R, M)``, in [-1, 1]; higher is better.

    Over cells whose original value is above 0: zeros are below detection and have
    no rank among themselves. nan where fewer than two such cells are left, or where
    they or their images do not vary.
    """
    columns = []
    for marker in range(original.shape[1]):
        detected = original[:, marker] > 0
        columns.append(spearman(original[detected][:, [marker]], mapped[:, detected][:, :, [marker]])[:, 0])
    return np.stack(columns, axis=1)


def emd_reduction(
    original: np.ndarray, mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray
) -> np.ndarray:
    """Share of the EMD to the target that the map removed, ``(R,)``, at most 1; higher is better, below 0 it added.

    ``(sum before - sum after) / sum before`` over populations and markers, with the
    EMD between histograms of bin 0.1 counted in bins, and pairs below 2 bins both
    before and after left out. Populations with fewer than 10 cells on either side
    are skipped. nan if no pair is left or the sum before is 0.

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
    kept = ~((before < NEGLIGIBLE) & (after < NEGLIGIBLE))
    total = np.where(kept, before, 0).sum(axis=1)
    change = np.where(kept, before - after, 0).sum(axis=1)
    return np.divide(change, total, out=np.full(len(mapped), np.nan), where=total > 0)


def _bins(x: np.ndarray) -> np.ndarray:
    # Bins are open on the left, so that exact zeros do not share one with the smallest signals;
    # rounding first keeps values on an edge on their side of it.
    return np.ceil(np.round(np.asarray(x, dtype=np.float64) / BIN, 6))


def mad(original: np.ndarray, mapped: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How much the map changed the spread within populations, ``(R,)`` in arcsinh units; lower is better, 0 is kept.

    The median over populations and markers of ``|MAD before - MAD after|``, with
    MAD = 1.4826 times the median absolute deviation. Only the mapped batch enters:
    the target is not changed, and its zeros would halve the score. Populations with
    fewer than 10 cells are skipped; nan if none is left.

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
    return median_abs_deviation(x.astype(np.float64), axis=axis, scale="normal")


def populations(labels: np.ndarray, target_labels: np.ndarray) -> list[str]:
    """The named populations with at least 10 cells on both sides, sorted."""
    enough = []
    for side in (labels, target_labels):
        names, counts = np.unique(_words(side)[labelled(side)], return_counts=True)
        enough.append(set(names[counts >= LEAST]))
    return sorted(str(name) for name in enough[0] & enough[1])


def labelled(labels: np.ndarray) -> np.ndarray:
    """True where a label names a population: not missing, empty or one of ``keys.UNLABELLED``."""
    return ~np.isin(np.char.lower(_words(labels)), keys.UNLABELLED)


def split_half(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the target by a fixed permutation: rows ``(m // 2,)`` and the rest.

    A score of one half against the other is the floor of that score: what a
    perfect map would get from as few cells.
    """
    rows = shuffled(len(target))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def shuffled(n: int) -> np.ndarray:
    """The permutation of ``n`` rows that every subsample here is cut from."""
    return np.random.default_rng(0).permutation(n)


def _location_scale(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(target):
        return np.zeros(target.shape[1]), np.ones(target.shape[1])
    scale = np.where(np.ptp(target, axis=0) > 0, target.std(axis=0, dtype=np.float64), 1.0)
    return target.mean(axis=0, dtype=np.float64), scale


def _words(labels: np.ndarray) -> np.ndarray:
    # An integer label of one table and its string in the next are the same population.
    return np.asarray(labels).astype(str)
