"""Uncertainty of a predicted marker, from held-out cells in which the marker was measured.

Some cells of the panel that measures a marker are held out from training. The
network predicts their marker from the shared markers, and the prediction is
compared with the measurement (`Calibration`). A query cell is as uncertain as
the held-out cells with the most similar predictions.

This is right if a query cell, given its prediction, is distributed as the
held-out cells. The panels may hold populations in different proportions. It is
wrong where a marker has another meaning in the query's panel, such as a batch
effect that the scaling did not remove.
"""

from dataclasses import dataclass, field

import numpy as np
from sklearn.neighbors import NearestNeighbors

LEAST, MOST = 50, 100  # bounds on the number of most similar cells, an eighth of all
COVERAGE = 0.9  # share of cells whose value the interval holds
ROWS = 20_000  # cells compared at a time; bounds memory, changes nothing


@dataclass(frozen=True)
class Calibration:
    """The held-out cells: predicted and measured values, ``(c, M)`` each, and what intervals get in addition."""

    predicted: np.ndarray
    measured: np.ndarray
    margin: np.ndarray = field(default_factory=lambda: np.zeros(1, np.float32))  # (M,) or (1,), added to both ends


def bounds(calibration: Calibration, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval that holds a cell's value with probability 0.9, ``(n, M) -> (n, M), (n, M)``.

    The shortest interval that holds L of the values measured in the held-out
    cells with the most similar predictions (`similar`). L is the smallest
    number with which these intervals hold 90 % of the held-out cells, where
    each cell is left out of its interval. This is split conformal prediction
    with an interval that adapts to the prediction: a cell that is surely
    negative gets [0, 0], and a cell between two populations gets a long
    interval. The probability may exceed 0.9 for a marker with many exact
    zeros. The prediction, a mean, need not lie in the interval. Both ends are then moved outwards by the margin of the
    calibration, 0 unless the query may be of another batch.

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
    return low - calibration.margin, high + calibration.margin


def draws(calibration: Calibration, predicted: np.ndarray, cells: np.ndarray, seed: int = 0) -> np.ndarray:
    """For every cell and marker a measured value of the most similar held-out cells, ``(n, M) -> (n, M)``.

    Predictive mean matching (Little 1988): the values are measured values, exact zeros included, and are distributed
    as measured. A held-out cell, drawn at random from those with similar predictions of all markers, decides for all
    markers together: where its values lie among those of its similar cells, there lie the draws. So markers that err
    together are drawn together (empirical copula, Schefzik et al. 2013, Statistical Science 28:616). The measured
    values of a cell, ``cells`` ``(n, K)``, decide its draw (`lots`), so it does not depend on the rest of the query.
    """
    known, measured = calibration.predicted, calibration.measured
    n_donors = min(2 * _half(len(known)), len(known))
    sd = known.std(axis=0)
    units = np.where(sd > 0, sd, 1)
    search = NearestNeighbors(n_neighbors=n_donors).fit(known / units)
    places = np.stack([_places(*columns) for columns in zip(known.T, measured.T)], axis=1)
    drawn = np.empty(predicted.shape, np.float32)
    for rows in _parts(len(predicted)):
        donors = search.kneighbors(predicted[rows] / units, return_distance=False)
        chosen = (lots(cells[rows], seed) * n_donors).astype(int)[:, None]
        for m in range(known.shape[1]):
            values = np.sort(measured[similar(known[:, m], predicted[rows, m]), m], axis=1)
            of_donors = places[donors, m]
            rank = (of_donors < np.take_along_axis(of_donors, chosen, axis=1)).sum(axis=1)  # every rank once
            drawn[rows, m] = values[np.arange(len(values)), rank * values.shape[1] // n_donors]
    return drawn


def _places(known: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Where the value of each held-out cell lies among those of its similar cells, ``(c,), (c,) -> (c,)`` in [0, 1).

    Equal values are put into a random order, so that places are spread evenly.
    """
    values = measured[similar(known, known)]
    below, equal = (values < measured[:, None]).sum(axis=1), (values == measured[:, None]).sum(axis=1)
    return (below + np.random.default_rng(0).random(len(known)) * equal) / values.shape[1]


def lots(cells: np.ndarray, *seeds: int) -> np.ndarray:
    """Pseudo-random numbers, uniform on [0, 1), from the float32 values of a row and the seeds, ``(n, K) -> (n,)``.

    The bits of the values go through the SplitMix64 generator (Steele, Lea and Flood 2014).
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

    Half of them lie below and half above. At the ends, where too few exist,
    the existing rows count twice, so that over all cells every row of ``known``
    counts equally. k is an eighth of the rows, at least 50 (all rows, if there
    are fewer) and at most 100.
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
    """The number of similar cells that an interval must hold to cover 90 % of the held-out cells, L of `bounds`.

    It is the number of all similar cells where even that covers less.
    """
    order = np.argsort(known, kind="stable")
    c = len(known)
    place = np.arange(c)
    near = _around(place, c - 1, min(_half(c), c - 1))
    near += near >= place[:, None]  # a cell is not near itself
    values = np.sort(measured[order][near], axis=1)
    k = values.shape[1]
    truth, wanted = measured[order], np.ceil(COVERAGE * (c + 1))

    def enough(size: int) -> bool:
        low, high = shortest(values, size)
        return np.count_nonzero((low <= truth) & (truth <= high)) >= wanted

    least, most = 1, k
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle + 1, most)
    return most


def _half(c: int) -> int:
    return min(max(LEAST, c // 8), MOST, c) // 2


def _around(place: np.ndarray, c: int, half: int) -> np.ndarray:
    """Numbers below c, ``half`` before each place and ``half`` from it on, reflected at 0 and c: ``(n,) -> (n, k)``."""
    near = place[:, None] + np.arange(-half, half)
    near = np.where(near < 0, -1 - near, near)
    return np.where(near >= c, 2 * c - 1 - near, near)


def _parts(n: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]
