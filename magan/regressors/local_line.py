"""Local linear regression on the most similar cells."""

from collections.abc import Callable

import numpy as np
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 100
PENALTY = 0.1  # of slopes, where the cells' weights sum to 1
ROWS = 2048  # cells predicted at a time; bounds memory, changes no prediction


def fit(features: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit a line at each query: least squares over the 100 nearest cells, or over all cells if there are fewer.

    Slopes have a ridge penalty. Cells have Gaussian weights whose standard deviation is the distance of the 50th cell.
    Values are clipped to the range of these cells.

    References
    ----------
    Cleveland 1979, Journal of the American Statistical Association 74:829.
    """
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(features))).fit(features)

    def predict(queries: np.ndarray) -> np.ndarray:
        fitted = np.empty((len(queries), targets.shape[1]))
        for start in range(0, len(queries), ROWS):
            part = slice(start, start + ROWS)
            distance, near = search.kneighbors(queries[part])
            fitted[part] = _fitted(features[near] - queries[part, None], distance, targets[near])
        return fitted

    return predict


def _fitted(gaps: np.ndarray, distance: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Values at the query of the lines through its neighbours, ``(q, k, K), (q, k), (q, k, M) -> (q, M)``."""
    middle = np.maximum(distance[:, [distance.shape[1] // 2]], 1e-12)
    weight = np.exp(-0.5 * (distance / middle) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    design = np.concatenate([np.ones((*gaps.shape[:2], 1)), gaps], axis=2)
    weighted = np.swapaxes(design * weight[..., None], 1, 2)
    penalty = np.diag([0.0] + [PENALTY] * gaps.shape[2])
    height = np.linalg.solve(weighted @ design + penalty, weighted @ measured.astype(np.float64))[:, 0]
    return np.clip(height, measured.min(axis=1), measured.max(axis=1))
