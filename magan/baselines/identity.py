"""Identity: the control that does not change the query."""

import numpy as np
from anndata import AnnData

from magan import keys
from magan.baselines.panels import intensities, measured_everywhere
from magan.images.arrays import pixels


def identity(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Return the query unchanged, ``(n, M2)`` float32; raise `InputError` if domain 1 lacks a marker of ``x2``.

    For images the result is their pixels in [0, 1].
    """
    if keys.IMAGE in query.uns:
        return pixels(query)
    return intensities(query, measured_everywhere("identity", x1, x2, query)).astype(np.float32)
