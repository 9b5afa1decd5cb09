"""Whether two sets of cells are of a kind: what lies far from every cell of the opposite set."""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from magan.batch_maps.populations import spread

NEIGHBOURS = 5
RARE = 0.99  # share of the reference's cells that lie nearer to the rest of the reference


class Coverage(NamedTuple):
    """Shares of cells without a counterpart, about 0.01 for two samples of one distribution."""

    foreign: float  # of the mapped cells, far from the reference
    missing: float  # of the reference, far from the mapped cells


def coverage(mapped: np.ndarray, reference: np.ndarray, seed: int = 0) -> Coverage:
    """Compare ``mapped (n, M)`` with ``reference (m, M)``, arcsinh units.

    A cell is far where the distance to its fifth nearest, in units of a marker's sd in the reference, exceeds that of
    99 % of the cells of one half of the reference to the opposite half.
    """
    scale = spread(reference)
    rows = np.random.default_rng(seed).permutation(len(reference))
    first, second = (reference[half] / scale for half in np.array_split(rows, 2))
    moved = mapped[np.random.default_rng(seed).permutation(len(mapped))[: len(first)]] / scale
    far = np.quantile(_distance(second, first), RARE)
    return Coverage(float((_distance(moved, first) > far).mean()), float((_distance(second, moved) > far).mean()))


def _distance(cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    found, _ = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(points))).fit(points).kneighbors(cells)
    return found[:, -1]
