"""Batch maps without a network, and the choice among them, called like every baseline."""

import numpy as np
from anndata import AnnData

from magan.baselines.panels import measured_everywhere
from magan.batch_mapper import BatchMapper


def batch_map(x1: AnnData, x2: AnnData, query: AnnData, *, method: str) -> np.ndarray:
    """Return the query by a map fitted to the training cells, ``(n, M2)`` float32, see `magan.batch_maps`.

    ``method`` is a key of `magan.batch_maps.MAPS` or "auto", see `magan.batch_maps.choose`. Raises `InputError` if
    domain 1 lacks a marker of ``x2``.
    """
    measured_everywhere(method, x1, x2, query)
    return BatchMapper(method).fit([x1], [x2]).map(query).X
