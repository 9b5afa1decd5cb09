"""Local regression of a marker on the shared markers of the most similar training cells.

A network smooths over all cells and a local regression over a few, so they err
in different places. `share` finds the weights of both on held-out cells, as
stacking does (Wolpert 1992; Breiman 1996).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 100
PENALTY = 0.1  # of slopes, where the cells' weights sum to 1
MOST = 20_000  # training cells that are searched
ROWS = 2048  # cells predicted at a time; bounds memory, changes no prediction


@dataclass(frozen=True)
class Neighbours:
    """Training cells of the panel that measures the markers, and the weight of local regression."""

    seen: np.ndarray  # (n, K) the markers that tie the panels, in the networks' units
    measured: np.ndarray  # (n, M)
    share: np.ndarray  # (M,) in [0, 1]


def local_line(seen: np.ndarray, measured: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Local linear regression at each query, ``(n, K), (n, M), (q, K) -> (q, M)`` float32.

    Least squares over the 100 nearest cells (all cells, if there are fewer), with
    a ridge penalty on the slopes and Gaussian weights whose standard deviation is
    the distance of the 50th cell. Values are clipped to the range measured in
    these cells.

    References
    ----------
    Cleveland 1979, Journal of the American Statistical Association 74:829.
    """
    k = min(NEIGHBOURS, len(seen))
    search = NearestNeighbors(n_neighbors=k).fit(seen)
    fitted = np.empty((len(queries), measured.shape[1]), np.float32)
    for start in range(0, len(queries), ROWS):
        part = slice(start, start + ROWS)
        distance, near = search.kneighbors(queries[part])
        fitted[part] = _fitted(seen[near] - queries[part, None], distance, measured[near])
    return fitted


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


def share(predicted: np.ndarray, local: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The w in [0, 1] with the least squared error of ``(1 - w) predicted + w local``, ``(c, M) -> (M,)``.

    It is 0 where both predictions are equal.
    """
    gap, off = local - predicted.astype(np.float64), measured - predicted.astype(np.float64)
    square = (gap**2).sum(axis=0)
    return np.clip(np.divide((gap * off).sum(axis=0), square, out=np.zeros_like(square), where=square > 0), 0, 1)


def blended(predicted: np.ndarray, neighbours: Neighbours, queries: np.ndarray) -> np.ndarray:
    """Predictions of every seed, weighted with local regression, ``(S, q, M), (q, K) -> (S, q, M)`` float32."""
    local = local_line(neighbours.seen, neighbours.measured, queries)
    return ((1 - neighbours.share) * predicted + neighbours.share * local).astype(np.float32)
