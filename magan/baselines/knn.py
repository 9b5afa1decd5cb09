"""Unshared markers from the most similar cells of the other panel: their mean, or one of them."""

import numpy as np
from anndata import AnnData
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors

from magan.baselines.panels import regress

NEIGHBOURS = 50


def knn(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Plain mean of the 50 nearest cells of ``x2`` (all, if fewer), see `regress`; ``(n, M2)`` float32."""
    return regress(x1, x2, query, _mean_of_nearest)


def knn_draw(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """All unshared markers of a random one of the 50 nearest cells of ``x2``, see `regress`; ``(n, M2)`` float32.

    The fair rival of a sampled map: its markers are distributed as measured,
    where the mean of `knn` shrinks them. Drawn from a fixed generator.
    """
    return regress(x1, x2, query, _one_of_nearest)


def _mean_of_nearest(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return KNeighborsRegressor(min(NEIGHBOURS, len(features))).fit(features, targets).predict(queries)


def _one_of_nearest(features: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(features))).fit(features)
    rows = near.kneighbors(queries, return_distance=False)
    return targets[rows[np.arange(len(rows)), np.random.default_rng(0).integers(rows.shape[1], size=len(rows))]]
