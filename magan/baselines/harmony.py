"""Harmony (Korsunsky et al. 2019) on the markers themselves, taken back to the reference."""

import numpy as np
from anndata import AnnData

from magan import keys
from magan.baselines.extras import extra
from magan.baselines.panels import intensities, measured_everywhere

CELLS_PER_CLUSTER = 30  # harmonypy's own rule for the number of clusters
CLUSTERS = 100  # at most, likewise
NEGLIGIBLE = 1e-4  # of the largest singular value: clusters the reference has no share in


def harmony(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """The query after Harmony's shift of each soft cluster, in the frame of domain 2, ``(n, M2)`` float32.

    Harmony shares cell i out among clusters k by weights ``R[i, k]`` that add up
    to 1 and subtracts ``sum_k R[i, k] w[b, k]``, where b is the cell's batch: it
    moves both batches towards each other. It is usually given principal
    components, for their speed and denoising; it only looks at angles between
    cells and at regressions on R, which no rotation changes, so that markers serve
    as well as all their components would, and come out corrected.

    Here domain 2 has to stay where it is. Its shifts ``w[2, k]`` are read off its
    own cells, whose displacement is ``R w[2]``, and a query cell gets
    ``sum_k R[i, k] w[2, k]`` back: all in all it moves by ``w[2, k] - w[1, k]``.

    Harmony has no map for new cells. It is run on the training cells of both
    domains and the query together, so the query, though not its labels, takes part
    in the fit: a cell's value depends on the other query cells and, by the random
    start of the clustering, on their order.

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
    # Given with cells as columns, as then a table of as many cells as markers is not mistaken.
    fitted = harmonypy.run_harmony(
        cells.T, {keys.BATCH: batch}, keys.BATCH, nclust=n_clusters, verbose=False, random_state=0, ncores=1
    )
    weights, corrected = fitted.R, fitted.Z_corr
    of_reference = batch == "2"
    shifts, *_ = np.linalg.lstsq(weights[of_reference], cells[of_reference] - corrected[of_reference], rcond=NEGLIGIBLE)
    n = query.n_obs
    return (corrected[:n] + weights[:n] @ shifts).astype(np.float32)
