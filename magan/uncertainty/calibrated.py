"""Predictions of a map, stacked with regressors and calibrated on held-out cells.

A map predicts the markers of a target panel from the markers that both panels measure. Held-out cells of the target
panel were measured, so the error of their predictions is known. Arrays are in arcsinh units.
"""

from collections.abc import Sequence

import numpy as np

from magan import keys
from magan.regressors import stack
from magan.regressors.hidden_markers import Hidden, some
from magan.regressors.stack import Stack
from magan.uncertainty import conformal
from magan.uncertainty.conformal import Calibration

UPPER = 0.75  # quantile of the margins of hidden shared markers that an unmeasured marker gets


def calibration(maps: np.ndarray, measured: np.ndarray) -> Calibration:
    """The calibration from predictions ``(S, c, M)`` of the held-out cells and their measured values ``(c, M)``."""
    return Calibration(maps.mean(0, dtype=np.float32), measured)


def stacked(
    source: np.ndarray, target: np.ndarray, held_out: np.ndarray, maps: np.ndarray, shared: Sequence[int]
) -> tuple[Stack, Calibration]:
    """The stack of a map and regressors for the markers that the source lacks, and its calibration.

    Parameters
    ----------
    source
        Shared markers of training cells of the source, ``(n1, K)``.
    target, held_out
        All markers of training cells and of held-out cells of the target, ``(n2, M)`` and ``(c, M)``.
    maps
        What the networks of every seed predict of the held-out cells, ``(S, c, M)``.
    shared
        The K columns of the shared markers in the target.
    """
    found = calibration(maps, held_out)
    lacking = np.array([i for i in range(target.shape[1]) if i not in set(shared)])
    cells, known = some(len(target), stack.MOST), np.array(shared, int)
    fitted = stack.fit(
        source[some(len(source), stack.MOST)],
        (target[np.ix_(cells, known)], target[np.ix_(cells, lacking)]),
        (held_out[:, known], held_out[:, lacking]),
        found.predicted[:, lacking],
        lacking,
    )
    predicted, margin = found.predicted.copy(), np.zeros(target.shape[1], np.float32)
    predicted[:, lacking] = fitted.held_out
    if fitted.hidden is not None:
        margin[lacking] = extra_margin(fitted.hidden, fitted.stack) * target[:, lacking].std(axis=0)
    return fitted.stack, Calibration(predicted, held_out, margin)


def extra_margin(hidden: Hidden, weights: Stack) -> float:
    """What must be added to both ends of intervals for the step from the target panel to the source, in sd.

    Each shared marker, hidden, gets an interval for cells of the source from cells of the target. Its margin is the
    least with which the intervals hold 90 % of the measured values; a batch effect that the matching leaves makes it
    large. The result is the upper quartile over the shared markers.
    """
    share = weights.weights.mean(axis=0)
    share = share / share.sum() if share.sum() > 0 else np.full(share.shape, 1 / share.size)
    predicted = np.tensordot(share, hidden.predicted, 2)
    known = Calibration(np.tensordot(share.sum(axis=1), hidden.target_predicted, 1), hidden.target_truth)
    low, high = conformal.bounds(known, predicted)
    beyond = np.maximum(np.maximum(low - hidden.truth, hidden.truth - high), 0)
    sd = hidden.target_truth.std(axis=0)
    margins = np.quantile(beyond, conformal.COVERAGE, axis=0) / np.where(sd > 0, sd, 1)
    return float(np.quantile(margins, UPPER))


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
