"""Each marker shifted and stretched to the mean and sd of the reference."""

from collections.abc import Mapping

import numpy as np


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Find the line of each marker that gives ``x1 (n1, M)`` the mean and sd of ``x2 (n2, M)``.

    Returns ``source`` and ``target``, the means ``(M,)`` in arcsinh units, and ``slope (M,)``, 1 for a marker that is
    constant in either batch.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    varies = (np.ptp(x1, axis=0) > 0) & (np.ptp(x2, axis=0) > 0)
    slope = np.where(varies, x2.std(axis=0) / np.where(varies, x1.std(axis=0), 1.0), 1.0)
    return {"source": x1.mean(axis=0), "target": x2.mean(axis=0), "slope": slope}


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the lines; float32, arcsinh units of the reference."""
    centred = np.asarray(values, np.float64) - state["source"]
    return (centred * state["slope"] + state["target"]).astype(np.float32)
