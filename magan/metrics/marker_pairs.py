"""Whether a map tore pairs of markers: artefacts of two markers together that neither marker shows by itself.

Markers mapped along different curves keep each marginal right. Their joint distribution can still be one that neither
batch has: a correlation that is lost or invented, or a population that falls in two.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from magan.metrics.density_peaks import peaks

CELLS = 2000  # of each side for peaks, to bound time
MARGIN = 0.15  # of a correlation; a smaller change is harmless
ERRORS = 3.0  # standard errors; among 300 pairs about one exceeds them by chance
CLEAR = 2.0  # factor on the demands by which a peak is clearly present or clearly absent, as in the safety gate


class Pairs(NamedTuple):
    """All pairs of markers, ``(P,)`` each."""

    first: np.ndarray  # number of a marker
    second: np.ndarray
    before: np.ndarray  # Spearman's r before the map
    after: np.ndarray
    reference: np.ndarray
    correlation: np.ndarray  # whether r is outside of what both batches have
    split: np.ndarray  # whether cells fall in more groups than in either batch


def pairs(original: np.ndarray, mapped: np.ndarray, target: np.ndarray) -> Pairs:
    """Compare each pair of markers of ``original (n, M)``, the same cells ``mapped``, and the ``target (m, M)``.

    A correlation is torn where Spearman's r after the map lies outside of the interval between r before it and r of
    the target, by more than 0.15 and by more than three standard errors of either end, and Pearson's r does so by more
    than 0.15: among cells without a marker, ranks follow differences that mean nothing. A pair is split where the cells
    have clearly more `peaks` than before the map and in the target along a diagonal, the sum or the difference of the
    two markers in units of their sd; markers that have more peaks by themselves are not counted again. The identity
    map tears no pair.
    """
    first, second = np.triu_indices(original.shape[1], 1)
    before, error = correlations(original, first, second)
    after, _ = correlations(mapped, first, second)
    reference, target_error = correlations(target, first, second)
    outside = _outside(before, after, reference)
    values = (linear(side, first, second) for side in (original, mapped, target))
    near = np.where(np.abs(after - before) < np.abs(after - reference), error, target_error)
    return Pairs(
        first,
        second,
        before,
        after,
        reference,
        (outside > np.maximum(MARGIN, ERRORS * near)) & (_outside(*values) > MARGIN),
        _split(original, mapped, target, first, second),
    )


def correlations(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's r of columns ``first`` and ``second`` of ``x (n, M)``, and its standard error, ``(P,)`` each.

    The error is that of Pearson's r of the ranks by its influence function. Both are 0 for a constant marker.
    """
    z = _standardised(rankdata(x, axis=0))
    r, square = z.T @ z / len(z), z**2
    fourth = square.T @ square / len(z)
    third = (z**3).T @ z / len(z)
    alone = np.diag(fourth)
    # Variance of z w - r (z^2 + w^2) / 2, expanded in moments; the mean of it is 0.
    spread = fourth - r * (third + third.T) + r**2 * (alone[:, None] + alone + 2 * fourth) / 4
    return r[first, second], np.sqrt(np.maximum(spread[first, second], 0) / len(z))


def linear(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's r of columns ``first`` and ``second`` of ``x (n, M)``, ``(P,)``; 0 for a constant marker."""
    z = _standardised(x)
    return (z.T @ z / len(z))[first, second]


def _outside(before: np.ndarray, after: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far ``after`` lies beyond the interval between ``before`` and ``reference``; negative inside."""
    return np.maximum(np.minimum(before, reference) - after, after - np.maximum(before, reference))


def _split(
    original: np.ndarray, mapped: np.ndarray, target: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    sides = [_standardised(side[:CELLS]) for side in (original, mapped, target)]
    found = np.zeros(len(first), bool)
    before, after, reference = (peaks(side, CLEAR) for side in sides)
    alone = after > np.maximum(before, reference)
    for sign in (1.0, -1.0):
        along = [side[:, first] + sign * side[:, second] for side in sides]
        found |= _more(*along)
    return found & ~alone[first] & ~alone[second]


def _more(original: np.ndarray, mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Whether columns of ``mapped`` have clearly more peaks than those of ``original`` and of ``target``, ``(P,)``."""
    clear = peaks(mapped, CLEAR)
    several = np.flatnonzero(clear > 1)
    most = np.maximum(*(peaks(side[:, several], 1 / CLEAR) for side in (original, target)))
    more = np.zeros(len(clear), bool)
    more[several] = clear[several] > most
    return more


def _standardised(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0, dtype=np.float64)
    return (x - x.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1.0)


def partners(found: Pairs, n_markers: int) -> list[list[int]]:
    """Return, for each of ``n_markers``, the markers with which it is in a torn or a split pair.

    A marker that moved wrongly is torn from many markers that did not. A pair therefore counts for the marker that is
    in more of the pairs not yet counted, and for both only if each is in no further pair.
    """
    torn = found.correlation | found.split
    left = set(zip(found.first[torn].tolist(), found.second[torn].tolist()))
    with_whom: list[list[int]] = [[] for _ in range(n_markers)]
    while left:
        counts = np.bincount([marker for pair in left for marker in pair], minlength=n_markers)
        worst = int(counts.argmax())
        mine = sorted(pair for pair in left if worst in pair)
        for a, b in mine:
            with_whom[worst].append(a + b - worst)
            if counts[worst] == 1:
                with_whom[a + b - worst].append(worst)
        left -= set(mine)
    return with_whom
