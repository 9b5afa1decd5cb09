"""A piecewise linear curve for each marker, held in arrays so that a state can be written to a file."""

from collections.abc import Sequence

import numpy as np

Curve = tuple[np.ndarray, np.ndarray]  # knots and images, (K,) each, rising, in arcsinh units


def pack(curves: Sequence[Curve]) -> dict[str, np.ndarray]:
    """Stack curves of different lengths as ``knots`` and ``images``, ``(M, K)`` each.

    Shorter curves repeat their last point, which changes no value of `follow`.
    """
    longest = max(len(knots) for knots, _ in curves)
    padded = [[np.pad(line, (0, longest - len(line)), mode="edge") for line in curve] for curve in curves]
    return {"knots": np.stack([knots for knots, _ in padded]), "images": np.stack([images for _, images in padded])}


def follow(knots: np.ndarray, images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Move each marker of ``values (n, M)`` along its curve, ``(n, M)`` float64 in arcsinh units.

    ``knots`` and ``images`` are ``(M, K)``. Beyond its first and last knot a curve keeps the shift it has there.
    """
    values = np.asarray(values, np.float64)
    columns = [x + np.interp(x, a, b - a) for x, a, b in zip(values.T, knots, images)]
    return np.stack(columns, axis=1)
