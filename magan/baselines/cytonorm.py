"""CytoNorm (Van Gassen et al. 2020): a quantile map in each cluster of cells."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.baselines.extras import extra, fixed_draws
from magan.baselines.panels import intensities, measured_everywhere
from magan.errors import InputError

GRID = 10  # side of the self-organising map, FlowSOM's default
CLUSTERS = 10  # metaclusters, the default of CytoNorm.train
LEAST = 50  # cells of a cluster in each batch for a correction, cytonormpy's default


def cytonorm(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map the query by CytoNorm with domain 2 as the goal, ``(n, M2)`` float32.

    The training cells of each domain replace its control sample. FlowSOM clusters the cells of both domains. In each
    cluster and for each marker a monotone spline maps the 99 percentiles of domain 1 to those of domain 2. A query cell
    is mapped by the splines of its nearest cluster, so no query cell takes part in the fit.

    Cells do not change in clusters with fewer than 50 cells in a domain (cytonormpy warns about each cluster). Markers
    do not change if all their percentiles are equal in a domain. The smallest and the largest training value are fixed
    points of all splines (cytonormpy's ``limits``): otherwise extrapolation gives rare bright cells absurd values.

    Raises
    ------
    InputError
        cytonormpy is not installed, domain 1 lacks a marker of ``x2``, or a domain has fewer than 50 cells.
    """
    markers = measured_everywhere("cytonorm", x1, x2, query)
    with extra("cytonorm", "cytonormpy", "peers"):
        import cytonormpy

    source, target, values = (intensities(x, markers) for x in (x1, x2, query))
    if min(len(source), len(target)) < LEAST:
        raise InputError(
            f"baseline 'cytonorm' needs {LEAST} cells in each domain, not {len(source)} and {len(target)}; "
            "give more cells or use quantile"
        )
    with fixed_draws():
        fitted = cytonormpy.CytoNorm()
        clusterer = cytonormpy.FlowSOM(xdim=GRID, ydim=GRID, n_clusters=CLUSTERS, seed=0)
        fitted.add_clusterer(clusterer)
        fitted.run_anndata_setup(_controls(source, target, markers), layer=keys.PREPROCESSED, channels=markers)
        fitted.run_clustering()
        fitted.calculate_quantiles(min_cells=LEAST)
        limits = [min(source.min(), target.min()), max(source.max(), target.max())]
        fitted.calculate_splines(goal=2, limits=limits)
        clusters = clusterer.calculate_clusters(values)
    mapped = values.copy()
    # Do not use normalize_data: it fails for a query cell in a cluster without training cells.
    for cluster in np.intersect1d(clusters, fitted.clusters):
        inside = clusters == cluster
        for m, marker in enumerate(markers):
            mapped[inside, m] = fitted.splinefuncs.transform(values[inside, m], 1, cluster, marker)
    return mapped.astype(np.float32)


def _controls(source: np.ndarray, target: np.ndarray, markers: list[str]) -> AnnData:
    """Return both training sets as control samples of batches 1 and 2."""
    cells = np.concatenate([source, target])
    batch = np.repeat([1, 2], [len(source), len(target)])
    obs = pd.DataFrame(
        {"batch": batch, "reference": "ref", "file_name": batch.astype(str)}, index=np.arange(len(batch)).astype(str)
    )
    return AnnData(cells, obs=obs, var=pd.DataFrame(index=markers), layers={keys.PREPROCESSED: cells})
