"""Predict markers of a panel from the markers that it shares with another panel.

A regressor is ``fit(features, targets) -> predict``: it learns ``targets (n, T)`` from ``features (n, K)`` of the cells
of a panel, and ``predict`` takes ``(q, K) -> (q, T)``, float64. Features are standardised; targets are in arcsinh
units. All are deterministic.
"""

from collections.abc import Callable

import numpy as np

from magan.regressors import boosting, extra_trees, local_line, nearest

Predict = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], Predict]

EXTRA_TREES: Fit = extra_trees.fit
REGRESSORS: dict[str, Fit] = {
    "extra_trees": EXTRA_TREES,
    "boosting": boosting.fit,
    "nearest": nearest.fit,
    "local_line": local_line.fit,
}


def standardised(cells: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The function that subtracts the mean of each marker over cells ``(n, K)`` and divides by its sd.

    The sd of a constant marker counts as 1.
    """
    mean, sd = cells.mean(axis=0), np.where(np.ptp(cells, axis=0) > 0, cells.std(axis=0), 1.0)
    return lambda values: (values - mean) / sd
