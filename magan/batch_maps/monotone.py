"""Each marker moved along a monotone curve no further than the two samples of cells can tell."""

from collections.abc import Mapping

import numpy as np

from magan.batch_maps.curves import follow, pack
from magan.domains.monotone_map import monotone_map


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Find the posterior mean curve of each marker from ``x1 (n1, M)`` to ``x2 (n2, M)``.

    Returns ``knots`` and ``images`` as `magan.batch_maps.curves.pack` does, in arcsinh units; the prior and the
    likelihood are those of `magan.domains.monotone_map`.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    return pack([monotone_map(a, b) for a, b in zip(x1.T, x2.T)])


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` along the curves; float32, arcsinh units of the reference."""
    return follow(state["knots"], state["images"], values).astype(np.float32)
