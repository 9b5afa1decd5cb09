"""A monotone map of each marker, and after it a further curve for each population found without labels."""

from collections.abc import Mapping

import numpy as np

from magan.batch_maps import monotone
from magan.batch_maps.curves import Curve, follow, pack
from magan.batch_maps.monotone_balanced import Balance, balance
from magan.batch_maps.populations import centres, memberships, spread, squared_distances
from magan.domains.monotone_map import monotone_map

CLUSTERS = 6
FEWEST = 30  # cells of a population on either side; with fewer it follows the common curves alone
SOFT = 4.0  # variance of a membership over that within clusters: neighbours share curves, so that no rank tears
STILL = (np.zeros(1), np.zeros(1))  # the curve that moves nothing


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0, start: Balance | None = None) -> dict[str, np.ndarray]:
    """Find common curves from ``x1 (n1, M)`` to ``x2 (n2, M)`` and those of each population, in arcsinh units.

    Both are fitted on cells of equal composition (`monotone_balanced.balance`, which ``start`` may hold already): where
    a population is nearly absent from a batch, its cells are left out, and no cluster takes a different population for
    it. Each population's curves are shrunk as those of `monotone` are.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    start = start or balance(x1, x2, seed=seed)
    y1 = monotone.apply(start.curves, x1[start.rows_1]).astype(np.float64)
    y2 = x2[start.rows_2]
    scale = spread(y2)
    points = centres(y1 / scale, y2 / scale, CLUSTERS, seed)
    distances = [squared_distances(y / scale, points) for y in (y1, y2)]
    of_1, of_2 = (d.argmin(axis=1) for d in distances)
    within = np.concatenate([d.min(axis=1) for d in distances]).mean() / len(scale)
    curves = [c for k in range(len(points)) for c in _curves(y1[of_1 == k], y2[of_2 == k])]
    further = {name: lines.reshape(len(points), len(scale), -1) for name, lines in pack(curves).items()}
    return {
        **start.curves,
        "scale": scale,
        "centres": points,
        "variance": np.array(max(SOFT * within, 1e-12)),
        "population_knots": further["knots"],
        "population_images": further["images"],
    }


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the common curves, then by the mean of the populations' shifts.

    The mean is weighted by how much of the cell belongs to each. float32, arcsinh units of the reference.
    """
    y = follow(state["knots"], state["images"], values)
    share = memberships(y / state["scale"], state["centres"], float(state["variance"]))
    moved = y.copy()
    for weight, knots, images in zip(share.T, state["population_knots"], state["population_images"]):
        moved += weight[:, None] * (follow(knots, images, y) - y)
    return moved.astype(np.float32)


def _curves(source: np.ndarray, target: np.ndarray) -> list[Curve]:
    if min(len(source), len(target)) < FEWEST:
        return [STILL] * source.shape[1]
    return [monotone_map(a, b) for a, b in zip(source.T, target.T)]
