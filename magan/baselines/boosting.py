"""Predict unshared markers from shared markers by gradient-boosted trees."""

from typing import Any

import numpy as np
from anndata import AnnData
from sklearn.ensemble import HistGradientBoostingRegressor

from magan.baselines.panels import regress


def boosting(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Predict each unshared marker by 100 trees trained on ``x2``, see `regress`; ``(n, M2)`` float32.

    There is no early stopping, because it would exclude a random set of cells from training.
    """
    return regress(x1, x2, query, _boosted)


def _boosted(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    def fitted(target: np.ndarray) -> np.ndarray:
        settings: dict[str, Any] = {"max_iter": 100, "early_stopping": False, "random_state": 0}
        model = HistGradientBoostingRegressor(**settings)
        return model.fit(features, target).predict(queries)

    return np.stack([fitted(target) for target in targets.T], axis=1)
