"""The median of four maps that are fitted on cells of equal composition, marker by marker and cell by cell.

Each has errors of a different kind: the monotone curves shrink a clear difference a little, the quantile map moves
cells by the noise of the sample, curves by population bend where clusters mismatch, and the flow follows few cells
closely. The median follows none of them alone.
"""

from collections.abc import Mapping

import numpy as np

from magan.batch_maps import flow, monotone, population_monotone, quantile
from magan.batch_maps.monotone_balanced import Balance, balance

MEMBERS = {"monotone": monotone, "quantile": quantile, "population": population_monotone, "flow": flow}
COMMON = ("knots", "images")  # of the balanced monotone map, with which the curves by population and the flow begin


def fit(x1: np.ndarray, x2: np.ndarray, *, seed: int = 0, start: Balance | None = None) -> dict[str, np.ndarray]:
    """Fit the four maps from ``x1 (n1, M)`` to ``x2 (n2, M)``.

    ``start`` is what `balance` returns for these cells, where it is known. The state has the common curves, and the
    further arrays of each map with its name before theirs.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    start = start or balance(x1, x2, seed=seed)
    further = {
        "quantile": quantile.fit(x1[start.rows_1], x2[start.rows_2]),
        "population": population_monotone.fit(x1, x2, seed=seed, start=start),
        "flow": flow.fit(x1, x2, seed=seed, start=start),
    }
    return dict(start.curves) | {
        f"{member}.{name}": array
        for member, state in further.items()
        for name, array in state.items()
        if member == "quantile" or name not in COMMON
    }


def apply(state: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Move ``values (n, M)`` to the median of the four maps, the mean of the middle two.

    float32, in arcsinh units of the reference.
    """
    common = {name: state[name] for name in COMMON}
    found = []
    for member, module in MEMBERS.items():
        further = {k.removeprefix(f"{member}."): array for k, array in state.items() if k.startswith(f"{member}.")}
        found.append(module.apply(common | further, values))
    middle = np.sum(found, axis=0, dtype=np.float64) - np.max(found, axis=0) - np.min(found, axis=0)
    return (middle / (len(MEMBERS) - 2)).astype(np.float32)
