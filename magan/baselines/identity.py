"""The control: no map at all."""

import numpy as np
from anndata import AnnData

from magan.baselines.panels import intensities, measured_everywhere


def identity(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """The query as measured, ``(n, M2)`` float32; `InputError` if domain 1 lacks a marker of ``x2``."""
    return intensities(query, measured_everywhere("identity", x1, x2, query)).astype(np.float32)
