"""A few steps along a kernel mean-shift field, after the balanced monotone map.

At each cell the field is the local mean of the reference minus that of the mapped cells, shrunk by its standard
error; after a step each marker is given the reference's distribution again.
"""

from collections.abc import Mapping

import numpy as np

from magan.batch_maps import monotone
from magan.batch_maps.curves import Curve, follow, pack
from magan.batch_maps.monotone_balanced import Balance, balance
from magan.batch_maps.populations import spread, squared_distances
from magan.batch_maps.quantile import quantile_curve

STEPS = 3
POINTS = 1000  # cells of either batch that carry the field, stored so that new cells can be moved
BANDWIDTH = 0.5  # squared, over the median squared distance of the reference's cells
KNOTS = 200  # of a curve, at equal shares of its cells
BLOCK = 1000  # cells moved at a time, to bound memory


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0, start: Balance | None = None) -> dict[str, np.ndarray]:
    """Find the field of each step from ``x1 (n1, M)`` to ``x2 (n2, M)``, and the curves that follow it.

    ``start`` is what `balance` returns for these cells, where it is known. The state has the cells that carry the
    field: ``target (P, M)`` and ``sources (STEPS, P, M)`` in units of ``scale (M,)``.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    start = start or balance(x1, x2, seed=seed)
    y1 = monotone.apply(start.curves, x1[start.rows_1]).astype(np.float64)
    y2 = x2[start.rows_2]
    scale = spread(y2)
    random = np.random.default_rng(seed)
    target = y2[random.permutation(len(y2))[:POINTS]] / scale
    carriers = random.permutation(len(y1))[:POINTS]
    width = max(BANDWIDTH * float(np.median(squared_distances(target, target))), 1e-12)
    sources, curves = [], []
    for _ in range(STEPS):
        sources.append(y1[carriers] / scale)
        y1 = _step(y1 / scale, sources[-1], target, width) * scale
        step = [_sparse(quantile_curve(a, b)) for a, b in zip(y1.T, y2.T)]
        y1 = follow(*pack(step).values(), y1)
        curves += step
    packed = {name: lines.reshape(STEPS, len(scale), -1) for name, lines in pack(curves).items()}
    return {
        **start.curves,
        "scale": scale,
        "target": target,
        "sources": np.stack(sources),
        "width": np.array(width),
        "step_knots": packed["knots"],
        "step_images": packed["images"],
    }


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the common curves and then step by step; float32, arcsinh units."""
    y = follow(state["knots"], state["images"], values)
    scale, target, width = state["scale"], state["target"], float(state["width"])
    for source, knots, images in zip(state["sources"], state["step_knots"], state["step_images"]):
        y = follow(knots, images, _step(y / scale, source, target, width) * scale)
    return y.astype(np.float32)


def _step(z: np.ndarray, source: np.ndarray, target: np.ndarray, width: float) -> np.ndarray:
    parts = [z[:0]]
    for block in np.array_split(z, -(-len(z) // BLOCK)) if len(z) else []:
        here, error = _local_mean(block, source, width)
        there, error_there = _local_mean(block, target, width)
        shift = there - here
        noise = error + error_there
        parts.append(block + shift * shift**2 / np.maximum(shift**2 + noise, 1e-12))
    return np.concatenate(parts)


def _local_mean(z: np.ndarray, points: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Kernel-weighted mean of ``points (P, M)`` at each row of ``z (n, M)`` and its squared error, ``(n, M)`` each."""
    distances = squared_distances(z, points)
    weights = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / (2 * width))
    weights /= weights.sum(axis=1, keepdims=True)
    mean = weights @ points
    variance = np.maximum(weights @ points**2 - mean**2, 0)
    return mean, variance * (weights**2).sum(axis=1, keepdims=True)


def _sparse(curve: Curve) -> Curve:
    knots, images = curve
    chosen = np.unique(np.linspace(0, len(knots) - 1, min(KNOTS, len(knots))).round().astype(int))
    return knots[chosen], images[chosen]
