"""Harmony (Korsunsky et al. 2019) on markers, transformed so that the reference does not move."""

import numpy as np
from anndata import AnnData

from magan import keys
from magan.baselines.extras import extra
from magan.baselines.panels import intensities, measured_everywhere

CELLS_PER_CLUSTER = 30  # harmonypy's own rule for the number of clusters
CLUSTERS = 100  # at most, likewise
NEGLIGIBLE = 1e-4  # relative singular value below which clusters have no reference cells


def harmony(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map the query by Harmony's shift of each soft cluster, relative to domain 2, ``(n, M2)`` float32.

    Harmony assigns cell i to clusters k by weights ``R[i, k]`` that sum to 1 and subtracts ``sum_k R[i, k] w[b, k]``,
    where b is the cell's batch, so both batches move towards each other. Harmony is usually applied to principal
    components, for speed and denoising. It uses only angles between cells and regressions on R, which rotations do not
    change. Markers therefore give the same result as all their components, and the output has corrected markers.

    Here domain 2 must not move. Its shifts ``w[2, k]`` are estimated from its cells, whose displacement is ``R w[2]``.
    A query cell receives ``sum_k R[i, k] w[2, k]`` back, so its total shift is ``w[2, k] - w[1, k]``.

    Harmony has no map for new cells. It runs on the training cells of both domains and the query together, so the query
    (not its labels) takes part in the fit. The value of a cell depends on the remaining query cells and, through the
    random start of the clustering, on their order.

    Raises
    ------
    InputError
        harmonypy is not installed, or domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("harmony", x1, x2, query)
    with extra("harmony", "harmonypy", "peers"):
        import harmonypy

    parts = [intensities(x, markers) for x in (query, x1, x2)]
    batch = np.repeat(["1", "1", "2"], [len(part) for part in parts])
    cells = np.concatenate(parts)
    n_clusters = min(max(round(len(cells) / CELLS_PER_CLUSTER), 1), CLUSTERS)
    # Pass cells as columns, so that a table with equally many cells and markers is not ambiguous.
    fitted = harmonypy.run_harmony(
        cells.T, {keys.BATCH: batch}, keys.BATCH, nclust=n_clusters, verbose=False, random_state=0, ncores=1
    )
    weights, corrected = fitted.R, fitted.Z_corr
    of_reference = batch == "2"
    shifts, *_ = np.linalg.lstsq(weights[of_reference], cells[of_reference] - corrected[of_reference], rcond=NEGLIGIBLE)
    n = query.n_obs
    return (corrected[:n] + weights[:n] @ shifts).astype(np.float32)
