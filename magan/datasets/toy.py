"""Made-up cells whose true partners are known: the toy of MAGAN's authors."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.panel import annotate

# Centres of the clusters in the two domains, as in the authors' code; cluster i of one is cluster i of the other.
CENTRES = {
    "domain_1": ((-1.3, 2.2), (0.1, 1.8), (0.8, 2.0)),
    "domain_2": ((-0.9, -2.0), (0.0, -2.3), (1.5, -1.5)),
}
CLUSTERS = ("left", "middle", "right")
WIDTH = 0.1  # standard deviation of a cluster along each axis
N = 1000  # cells of a cluster; the authors draw 5,000


def three_clusters() -> AnnData:
    """Draw three Gaussian clusters in two markers, x and y, in each of two batches, ``(6000, 2)``.

    Each batch can be mapped to the other in six ways that permute the clusters, and only one is right. The order of the
    clusters along x, which nearly stays, tells which: ``correspondence: {name: shared_markers, without: [y]}``.
    """
    random = np.random.default_rng(0)
    centres = np.repeat(np.concatenate(list(CENTRES.values())), N, axis=0)
    values = (centres + WIDTH * random.standard_normal(centres.shape)).astype(np.float32)
    obs = pd.DataFrame(
        {
            keys.BATCH: np.repeat(list(CENTRES), N * len(CLUSTERS)),
            keys.SAMPLE: np.repeat(list(CENTRES), N * len(CLUSTERS)),
            keys.CELL_TYPE: np.tile(np.repeat(CLUSTERS, N), len(CENTRES)),
        },
        index=pd.RangeIndex(len(values)).astype(str),
    )
    var = pd.DataFrame({keys.CHANNEL: ["x", "y"], keys.MARKER: ["x", "y"]}, index=["x", "y"])
    adata = annotate(AnnData(values, obs=obs, var=var), name="three_clusters")
    adata.layers[keys.PREPROCESSED] = values.copy()
    adata.uns[keys.CYTOF] = {"cofactor": "none"}
    return adata
