"""Unshared markers as the mean over the most similar cells of the other panel."""

import numpy as np
from anndata import AnnData
from sklearn.neighbors import KNeighborsRegressor

from magan.baselines.panels import regress

NEIGHBOURS = 50


def knn(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Plain mean of the 50 nearest cells of ``x2`` (all, if fewer), see `regress`; ``(n, M2)`` float32."""
    return regress(x1, x2, query, _mean_of_nearest)


def _mean_of_nearest(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return KNeighborsRegressor(min(NEIGHBOURS, len(features))).fit(features, targets).predict(queries)
