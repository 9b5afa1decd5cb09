"""Small tables of cells that several tests share."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan.cytometry.panel import annotate


def table(channels, names):
    """Freshly read: column j holds the number j."""
    var = pd.DataFrame({"channel": channels, "marker": names}, index=channels)
    return AnnData(np.tile(np.arange(len(channels), dtype=np.float32), (2, 1)), var=var)


def counts(seed=0, n=500):
    """Raw counts of two markers, and Time."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.exponential(100, n), rng.exponential(20, n), np.arange(n) * 1e5])
    adata = table(["A", "B", "Time"], ["CD3", "pSTAT5", "Time"])
    adata = AnnData(x.astype(np.float32), var=adata.var, obs=pd.DataFrame(index=[f"c{i}" for i in range(n)]))
    adata.obs["batch"] = np.repeat(["a", "b"], [n // 2, n - n // 2])
    return annotate(adata)
