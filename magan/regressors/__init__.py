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

REGRESSORS: dict[str, Fit] = {
    "extra_trees": extra_trees.fit,
    "boosting": boosting.fit,
    "nearest": nearest.fit,
    "local_line": local_line.fit,
}
