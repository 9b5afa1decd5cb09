"""What the most similar training cells measured, as a second opinion on a predicted marker.

A network smooths over all cells, a mean over neighbours over a few: they err in
different places. `share` finds, on cells kept apart from training, how much of
each makes the better prediction, as stacking does (Wolpert 1992; Breiman 1996).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

NEIGHBOURS = 50
MOST = 20_000  # training cells that are searched
ROWS = 4096  # cells told at a time; bounds memory, changes nothing


@dataclass(frozen=True)
class Neighbours:
    """Training cells of the panel that measures the markers, and how much of a prediction is theirs."""

    seen: np.ndarray  # (n, K) the markers that tie the panels, in the networks' units
    measured: np.ndarray  # (n, M)
    share: np.ndarray  # (M,) in [0, 1]


def local_mean(seen: np.ndarray, measured: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Mean over the 50 nearest cells (all, if fewer), ``(n, K), (n, M), (q, K) -> (q, M)`` float32."""
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(seen))).fit(seen)
    means = np.empty((len(queries), measured.shape[1]), np.float32)
    for start in range(0, len(queries), ROWS):
        near = search.kneighbors(queries[start : start + ROWS], return_distance=False)
        means[start : start + ROWS] = measured[near].mean(axis=1, dtype=np.float64)
    return means


def share(predicted: np.ndarray, local: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The w in [0, 1] with the least squared error of ``(1 - w) predicted + w local``, ``(c, M) -> (M,)``.

    0 where the two do not differ.
    """
    gap, off = local - predicted.astype(np.float64), measured - predicted.astype(np.float64)
    square = (gap**2).sum(axis=0)
    return np.clip(np.divide((gap * off).sum(axis=0), square, out=np.zeros_like(square), where=square > 0), 0, 1)


def blended(predicted: np.ndarray, one: Neighbours, queries: np.ndarray) -> np.ndarray:
    """Predictions of every seed with the neighbours' share in them, ``(S, q, M), (q, K) -> (S, q, M)`` float32."""
    local = local_mean(one.seen, one.measured, queries)
    return ((1 - one.share) * predicted + one.share * local).astype(np.float32)
