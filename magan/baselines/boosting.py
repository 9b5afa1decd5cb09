"""Unshared markers by gradient-boosted trees on the shared."""

import numpy as np
from anndata import AnnData
from sklearn.ensemble import HistGradientBoostingRegressor

from magan.baselines.panels import regress


def boosting(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """One ensemble of 100 trees per unshared marker, learnt in ``x2``, see `regress`; ``(n, M2)`` float32.

    No early stopping, which would set cells aside at random.
    """
    return regress(x1, x2, query, _boosted)


def _boosted(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    def one(target: np.ndarray) -> np.ndarray:
        model = HistGradientBoostingRegressor(max_iter=100, early_stopping=False, random_state=0)
        return model.fit(features, target).predict(queries)

    return np.stack([one(target) for target in targets.T], axis=1)
