"""cyCombine (Pedersen et al. 2022): ComBat in each node of a self-organising map, towards the reference."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.baselines.extras import extra, fixed_draws
from magan.baselines.panels import intensities, measured_everywhere

NODES = 8  # of the map along either side, cyCombine's default
CORRECTED = "corrected"


def cycombine(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map the query by cyCombine with domain 2 as ComBat's reference batch, ``(n, M2)`` float32.

    cyCombine scales the markers of each batch, finds the nodes of a self-organising map of all cells, and runs ComBat
    on the cells of each node. Values are bounded by those that the node had before. A node with cells of a single batch
    stays as measured; with few cells many of the 64 nodes do.

    cyCombine has no map for new cells. It runs on the training cells of both domains and the query together, so the
    query (not its labels) takes part in the fit, and the value of a cell depends on the remaining query cells.

    Raises
    ------
    InputError
        cycombinepy is not installed, or domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("cycombine", x1, x2, query)
    with extra("cycombine", "cycombinepy", "cycombine"):
        import cycombinepy  # pyright: ignore[reportMissingImports]

    parts = [intensities(x, markers) for x in (query, x1, x2)]
    batch = np.repeat(["1", "1", "2"], [len(part) for part in parts])
    obs = pd.DataFrame({keys.BATCH: batch}, index=np.arange(len(batch)).astype(str))
    cells = AnnData(np.concatenate(parts), obs=obs, var=pd.DataFrame(index=markers))
    with fixed_draws():
        cycombinepy.batch_correct(
            cells, markers, batch_key=keys.BATCH, xdim=NODES, ydim=NODES, ref_batch="2", out_layer=CORRECTED
        )
    return np.asarray(cells.layers[CORRECTED])[: query.n_obs].astype(np.float32)
