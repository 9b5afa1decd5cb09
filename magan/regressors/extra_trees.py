"""Extremely randomised trees."""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

TREES = 100


def fit(features: np.ndarray, targets: np.ndarray, *, leaf: int = 5) -> Callable[[np.ndarray], np.ndarray]:
    """Grow 100 trees on all cells; the split of each marker is drawn at random and the best marker is taken.

    ``leaf`` is the least number of cells in a leaf. A tree predicts all targets at once.

    References
    ----------
    Geurts, Ernst and Wehenkel 2006, Machine Learning 63:3.
    """
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=leaf, random_state=0)
    forest.fit(features, targets[:, 0] if targets.shape[1] == 1 else targets)
    return lambda queries: forest.predict(queries).reshape(len(queries), targets.shape[1])
