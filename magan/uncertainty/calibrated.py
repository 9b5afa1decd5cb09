"""Predictions of a map, weighted with local regression and calibrated on held-out cells.

A map predicts the markers of a target panel from the markers that both panels measure. Held-out cells of the target
panel were measured, so the error of their predictions is known. Arrays are in arcsinh units, but for ``shared``
columns, which are in the units of the networks.
"""

import numpy as np

from magan import keys
from magan.uncertainty import conformal, local_regression
from magan.uncertainty.conformal import Calibration
from magan.uncertainty.local_regression import Neighbours


def training_rows(n: int) -> np.ndarray:
    """Rows of the training cells that local regression searches, at most ``local_regression.MOST`` of ``n``."""
    return np.random.default_rng(0).permutation(n)[: local_regression.MOST]


def fit_neighbours(
    training: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray], predicted: np.ndarray
) -> Neighbours:
    """The training cells, with the weight of local regression that fits the held-out cells best.

    Parameters
    ----------
    training, held_out
        Shared columns ``(n, K)`` and measured markers ``(n, M)`` of each.
    predicted
        What the maps predict of the held-out cells, the mean over seeds, ``(c, M)``.
    """
    (seen, measured), (queries, truth) = training, held_out
    local = local_regression.local_line(seen, measured, queries)
    weight = local_regression.share(predicted, local, truth)
    return Neighbours(seen, measured, weight.astype(np.float32))


def weighted(maps: np.ndarray, neighbours: Neighbours | None, queries: np.ndarray) -> np.ndarray:
    """Predictions ``(S, n, M)``, weighted with local regression at ``queries (n, K)`` where its weight is fitted."""
    return maps if neighbours is None else local_regression.blended(maps, neighbours, queries)


def calibration(maps: np.ndarray, measured: np.ndarray) -> Calibration:
    """The calibration from predictions ``(S, c, M)`` of the held-out cells and their measured values ``(c, M)``."""
    return Calibration(maps.mean(0, dtype=np.float32), measured)


def uncertainty(calibration: Calibration, maps: np.ndarray, cells: np.ndarray) -> dict[str, np.ndarray]:
    """A draw, a standard deviation and an interval for each predicted value.

    Parameters
    ----------
    calibration
        Of the held-out cells.
    maps
        Predictions of every seed, ``(S, n, M)``.
    cells
        What was measured of the cells, ``(n, K)``. It alone decides which value a cell draws.

    Returns
    -------
    dict
        ``keys.SAMPLED``, ``keys.SPREAD``, ``keys.LOW`` and ``keys.HIGH``, ``(n, M)`` each. The variance is the
        calibrated variance plus the variance over seeds.
    """
    mean = maps.mean(0, dtype=np.float32)
    low, high = conformal.bounds(calibration, mean)
    return {
        keys.SAMPLED: conformal.draws(calibration, mean, cells),
        keys.SPREAD: np.sqrt(conformal.spread(calibration, mean) ** 2 + maps.var(axis=0)),
        keys.LOW: low,
        keys.HIGH: high,
    }
