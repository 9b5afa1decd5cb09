"""Scanorama (Hie et al. 2019): move each cell like the mutual nearest neighbours around it."""

import warnings
from typing import Any

import numpy as np
from anndata import AnnData
from scipy.sparse import csr_matrix

from magan.baselines.extras import extra, fixed_draws
from magan.baselines.panels import intensities, measured_everywhere

BLOCK = 1000  # query cells per block, to bound memory
BATCH = 5000  # pairs per batch, Scanorama's default


def scanorama(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map the query by Scanorama's correction of domain 1 towards domain 2, ``(n, M2)`` float32.

    Scanorama scales every cell to length 1, finds pairs of training cells of both domains that are among each other's
    20 nearest neighbours, and moves a cell by the mean difference within pairs, weighted by a Gaussian kernel of the
    cell's distance to each pair's cell of domain 1. The library's functions are called separately: its main function
    would hold the larger data set fixed, and would not correct cells that are absent when pairs are found.

    Scanorama's output has no units. Each cell is scaled back to its measured length, so batch effects on the length of
    cells remain.

    If fewer than a tenth of the cells are in pairs, Scanorama makes no correction: cells do not change, and a warning
    is given.

    Raises
    ------
    InputError
        scanorama is not installed, or domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("scanorama", x1, x2, query)
    with extra("scanorama", "scanorama", "scanorama"), fixed_draws():  # its import seeds numpy's generator
        import scanorama

    library: Any = scanorama  # it declares no types
    values = intensities(query, markers)
    units = [csr_matrix(intensities(x, markers)) for x in (x1, x2)]
    with fixed_draws():
        reduced, _ = library.process_data(units, np.array(markers))  # scales ``units`` to length 1, in place
        alignments, matches = library.find_alignments(reduced, verbose=0)
    if not alignments:
        warnings.warn("Scanorama finds too few mutual neighbours and leaves the cells as measured", stacklevel=2)
        return values.astype(np.float32)
    source, target = (part.toarray() for part in units)
    first, second = np.array(sorted(matches[0, 1])).T
    moves = target[second] - source[first]
    length = np.linalg.norm(values, axis=1, keepdims=True)
    direction = values / np.where(length > 0, length, 1.0)
    blocks = np.array_split(direction, -(-len(direction) // BLOCK))
    moved = [block + library.batch_bias(block, source[first], moves, batch_size=BATCH) for block in blocks]
    return (np.concatenate(moved) * length).astype(np.float32)
