"""Counts of RNA on the scale that training knows."""

import numpy as np
from anndata import AnnData

from magan import keys
from magan.errors import InputError

TOTAL = 1e4  # counts a cell is scaled to
STATED = "scanpy normalize_total to 10,000 counts a cell, then log1p"


def preprocessed(adata: AnnData, name: str) -> AnnData:
    """Add ``layers["preprocessed"]``: ``log(1 + 10,000 x / sum(x))`` of each cell, over all of its genes.

    Raises
    ------
    InputError
        A value is negative or no whole number, or a cell has no count.
    """
    import scanpy  # slow to import, and only counts need it

    x = np.asarray(adata.X)
    wrong = ~(x >= 0) | (x != np.round(x))
    if wrong.any():
        raise InputError(
            f"{name} holds {x[wrong][0]:g}, which is no count; give raw counts, or take its panel from counts"
        )
    if empty := (x.sum(axis=1) == 0).sum():
        raise InputError(f"{name}: {empty} of {len(x)} cells have no count; remove these cells")
    adata = adata.copy()
    scaled = AnnData(x.astype(np.float32))
    scanpy.pp.normalize_total(scaled, target_sum=TOTAL)
    scanpy.pp.log1p(scaled)
    adata.layers[keys.PREPROCESSED] = np.asarray(scaled.X, dtype=np.float32)
    return adata
