"""The monotone map, fitted on cells in which each population is as common in either batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from magan.batch_maps import monotone, zscore
from magan.batch_maps.populations import centres, retained_shares, spread, squared_distances, thin

CLUSTERS = 20
ROUNDS = 6  # of mapping, clustering and thinning; each sees the batches better aligned than the last
SKETCHED = 4000  # cells of either batch that the curves of all rounds but the last are fitted on


@dataclass(frozen=True)
class Balance:
    """Where two batches lie on top of each other once composition is allowed for."""

    curves: Mapping[str, np.ndarray]  # state of the monotone map
    rows_1: np.ndarray  # training cells of equal composition, rising
    rows_2: np.ndarray
    scale: np.ndarray  # (M,) sd of the reference, arcsinh units
    points: np.ndarray  # (K, M) centres of populations, in units of ``scale``
    retained_1: np.ndarray  # (K,) share of each population's cells that is in ``rows_1``
    retained_2: np.ndarray


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0, start: Balance | None = None) -> dict[str, np.ndarray]:
    """Find the curves from ``x1 (n1, M)`` to ``x2 (n2, M)`` as `monotone.fit` does, on cells of equal composition.

    ``start`` is what `balance` returns for these cells, where it is known.
    """
    return dict((start or balance(x1, x2, seed=seed)).curves)


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the curves; float32, arcsinh units of the reference."""
    return monotone.apply(state, values)


def balance(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0) -> Balance:
    """Find cells of both batches in which populations are equally common, and the monotone map between them.

    The map needs populations and these need the map, so they are found in turns, from the z-score map on. Where
    composition is the same, all cells are retained.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    random = np.random.default_rng(seed)
    scale = spread(x2)
    moved = zscore.apply(zscore.fit(x1, x2), x1)
    for turn in range(ROUNDS):
        y1, y2 = np.asarray(moved, np.float64) / scale, x2 / scale
        points = centres(y1, y2, CLUSTERS, seed)
        distances = squared_distances(y1, points), squared_distances(y2, points)
        retained = retained_shares(*distances, points)
        rows = [thin(d.argmin(axis=1), share, seed) for d, share in zip(distances, retained)]
        some = rows if turn == ROUNDS - 1 else [random.permutation(r)[:SKETCHED] for r in rows]
        curves = monotone.fit(x1[some[0]], x2[some[1]])
        moved = monotone.apply(curves, x1)
    return Balance(curves, rows[0], rows[1], scale, points, retained[0], retained[1])
