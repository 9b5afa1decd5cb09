"""Each marker given the target's distribution, rank for rank."""

import numpy as np
from anndata import AnnData

from magan.baselines.panels import intensities, measured_everywhere


def quantile(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Quantile map of each marker, learnt on the training cells, ``(n, M2)`` float32.

    A value goes to the target's value of the same rank, see `quantile_map`.
    `InputError` if domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("quantile", x1, x2, query)
    source, target, values = (intensities(x, markers) for x in (x1, x2, query))
    columns = [quantile_map(a, b, q) for a, b, q in zip(source.T, target.T, values.T)]
    return np.stack(columns, axis=1).astype(np.float32)


def quantile_map(source: np.ndarray, target: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where ``values`` go when ``source (n,)`` is given the distribution of ``target (m,)``.

    The i-th smallest of n sits at probability (i - 1/2) / n in both, with straight
    lines between. Equal values, such as exact zeros, share their mean rank, so
    the map is a function and never falls; the zeros of a source with more of them
    than the target land together on one value of the target. Beyond the smallest
    and largest of the source a value keeps its distance from them.
    """
    known, counts = np.unique(source, return_counts=True)
    probability = (np.cumsum(counts) - counts / 2) / len(source)
    images = np.quantile(target, probability, method="hazen")
    beyond = np.minimum(values - known[0], 0) + np.maximum(values - known[-1], 0)
    return np.interp(values, known, images) + beyond
