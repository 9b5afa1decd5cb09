"""Predict unshared markers from the nearest cells of domain 2: their mean, or a random cell."""

import numpy as np
from anndata import AnnData
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors

from magan.baselines.panels import regress

NEIGHBOURS = 50


def knn(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Predict unshared markers by the mean of the 50 nearest cells of ``x2``, see `regress`; ``(n, M2)`` float32."""
    return regress(x1, x2, query, _mean_of_nearest)


def knn_draw(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Copy all unshared markers from a random cell of the 50 nearest cells of ``x2``, ``(n, M2)`` float32.

    See `regress`. It is the fair baseline for a sampled map: its markers have the measured distribution, while the mean
    in `knn` shrinks their variance. The random seed is fixed.
    """
    return regress(x1, x2, query, _draw_of_nearest)


def _mean_of_nearest(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return KNeighborsRegressor(min(NEIGHBOURS, len(features))).fit(features, targets).predict(queries)


def _draw_of_nearest(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(features))).fit(features)
    rows = near.kneighbors(queries, return_distance=False)
    return targets[rows[np.arange(len(rows)), np.random.default_rng(0).integers(rows.shape[1], size=len(rows))]]
