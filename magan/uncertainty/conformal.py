"""How far a predicted marker may be off, told by cells that were measured and never trained on.

Cells of the panel that measures a marker are kept apart from training. What
the network predicts of them from the shared markers alone stands beside what
was measured: a query cell is then as uncertain as the kept-apart cells with
the most similar predictions (`Calibration`).

This is right as far as a query cell, given its prediction, is distributed as
the cells kept apart. The panels may hold populations in other proportions;
what is not covered is a marker that means something else in the other panel,
such as a batch effect that the scaling did not remove.
"""

from dataclasses import dataclass

import numpy as np

LEAST, MOST = 50, 100  # cells with the most similar predictions that tell of one; an eighth of all, within these
COVERAGE = 0.9  # share of cells whose value the interval holds
ROWS = 20_000  # cells compared at a time; bounds memory, changes nothing


@dataclass(frozen=True)
class Calibration:
    """The cells kept apart: ``(c, M)`` values as predicted, and as measured."""

    predicted: np.ndarray
    measured: np.ndarray


def bounds(calibration: Calibration, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval that holds a cell's value with probability 0.9, ``(n, M) -> (n, M), (n, M)``.

    The shortest interval that holds L of the values measured in the cells
    kept apart with the most similar predictions (`similar`). L is the smallest
    number with which these intervals hold 90 % of the cells kept apart, each
    judged by the others: split conformal prediction with an interval that
    adapts to the prediction, so that a cell surely negative gets [0, 0] and a
    cell between two populations a long one. A marker with many exact zeros may
    be held more often. The prediction, a mean, need not lie in it.

    References
    ----------
    Lei et al. 2018, Journal of the American Statistical Association 113:1094;
    Gupta, Kuchibhotla and Ramdas 2022, Pattern Recognition 127:108496 (nested sets).
    """
    low, high = np.empty((2, *predicted.shape), np.float32)
    for m, (known, measured) in enumerate(zip(calibration.predicted.T, calibration.measured.T)):
        size = level(known, measured)
        for rows in _parts(len(predicted)):
            values = np.sort(measured[similar(known, predicted[rows, m])], axis=1)
            low[rows, m], high[rows, m] = shortest(values, size)
    return low, high


def draws(calibration: Calibration, predicted: np.ndarray, cells: np.ndarray, seed: int = 0) -> np.ndarray:
    """For every cell the measured value of a random one of the cells most like it, ``(n, M) -> (n, M)``.

    Predictive mean matching (Little 1988): values that were measured, exact
    zeros among them, and distributed as measured; markers are drawn apart. The
    lot of a cell is cast by what was measured of it, ``cells`` ``(n, K)``, so it
    does not depend on the cells around it (`lots`).
    """
    drawn = np.empty(predicted.shape, np.float32)
    for m, (known, measured) in enumerate(zip(calibration.predicted.T, calibration.measured.T)):
        for rows in _parts(len(predicted)):
            near = similar(known, predicted[rows, m])
            chosen = (lots(cells[rows], seed, m) * near.shape[1]).astype(int)
            drawn[rows, m] = measured[near[np.arange(len(near)), chosen]]
    return drawn


def lots(cells: np.ndarray, *seeds: int) -> np.ndarray:
    """Numbers that look uniform on [0, 1) and depend on a row's own float32 values and the seeds, ``(n, K) -> (n,)``.

    The values' bits through the SplitMix64 generator (Steele, Lea and Flood 2014).
    """
    state = np.zeros(len(cells), np.uint64)
    columns = np.ascontiguousarray(cells, np.float32).view(np.uint32).astype(np.uint64)
    for word in (*columns.T, *(np.uint64(seed) for seed in seeds)):
        state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)) / 2.0**53


def spread(calibration: Calibration, predicted: np.ndarray) -> np.ndarray:
    """Standard deviation (n) of the values that `draws` draws from, ``(n, M) -> (n, M)``."""
    sd = np.empty(predicted.shape, np.float32)
    for m, (known, measured) in enumerate(zip(calibration.predicted.T, calibration.measured.T)):
        for rows in _parts(len(predicted)):
            sd[rows, m] = measured[similar(known, predicted[rows, m])].std(axis=1)
    return sd


def similar(known: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Rows of the predictions ``known`` around each of ``predicted``, ``(c,), (n,) -> (n, k)``.

    As many below as above; at the ends, where there are too few, those there
    are count twice, so that over all cells each of ``known`` counts alike. k is
    an eighth of them, but at least 50 (all, if there are fewer) and at most 100.
    """
    order = np.argsort(known, kind="stable")
    return order[_around(np.searchsorted(known[order], predicted), len(known), _half(len(known)))]


def shortest(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the shortest interval that holds ``size`` values of each row, ``(n, k)`` rising ``-> (n,), (n,)``."""
    last = values.shape[1] - size + 1
    widths = values[:, size - 1 :] - values[:, :last]
    start, rows = widths.argmin(axis=1), np.arange(len(values))
    return values[rows, start], values[rows, start + size - 1]


def level(known: np.ndarray, measured: np.ndarray) -> int:
    """How many of a cell's neighbours its interval must hold for 90 % coverage of the cells kept apart, L of `bounds`.

    All of them if that is not enough.
    """
    order = np.argsort(known, kind="stable")
    c = len(known)
    place = np.arange(c)
    others = _around(place, c - 1, min(_half(c), c - 1))
    others += others >= place[:, None]  # the cell itself left out
    values = np.sort(measured[order][others], axis=1)
    k = values.shape[1]
    own, wanted = measured[order], np.ceil(COVERAGE * (c + 1))

    def enough(size: int) -> bool:
        low, high = shortest(values, size)
        return np.count_nonzero((low <= own) & (own <= high)) >= wanted

    least, most = 1, k
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle + 1, most)
    return most


def _half(c: int) -> int:
    return min(max(LEAST, c // 8), MOST, c) // 2


def _around(place: np.ndarray, c: int, half: int) -> np.ndarray:
    """Numbers below c, as many before each place as from it on, reflected at 0 and c: ``(n,) -> (n, k)``."""
    near = place[:, None] + np.arange(-half, half)
    near = np.where(near < 0, -1 - near, near)
    return np.where(near >= c, 2 * c - 1 - near, near)


def _parts(n: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]
