"""Quantile normalisation: give each marker the target's distribution, rank by rank."""

import numpy as np
from anndata import AnnData

from magan.baselines.panels import intensities, measured_everywhere


def quantile(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map each marker by a quantile map fitted to the training cells, ``(n, M2)`` float32.

    A value is mapped to the target's value of the same rank, see `quantile_map`. Raises `InputError` if domain 1 lacks
    a marker of ``x2``.
    """
    markers = measured_everywhere("quantile", x1, x2, query)
    source, target, values = (intensities(x, markers) for x in (x1, x2, query))
    columns = [quantile_map(a, b, q) for a, b, q in zip(source.T, target.T, values.T)]
    return np.stack(columns, axis=1).astype(np.float32)


def quantile_map(source: np.ndarray, target: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Map ``values`` by the function that gives ``source (n,)`` the distribution of ``target (m,)``.

    In both, the i-th smallest of n values has probability (i - 1/2) / n; between them the map is linear. Equal values,
    such as exact zeros, have their mean rank, so the map is a non-decreasing function. If the source has more zeros
    than the target, all its zeros map to the same target value. Values outside the source's range preserve their
    distance from the nearest end of the range.
    """
    known, counts = np.unique(source, return_counts=True)
    probability = (np.cumsum(counts) - counts / 2) / len(source)
    images = np.quantile(target, probability, method="hazen")
    beyond = np.minimum(values - known[0], 0) + np.maximum(values - known[-1], 0)
    return np.interp(values, known, images) + beyond
