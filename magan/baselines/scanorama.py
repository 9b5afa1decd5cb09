"""Scanorama (Hie et al. 2019): each cell moved as the mutual nearest neighbours around it would be."""

import warnings

import numpy as np
from anndata import AnnData
from scipy.sparse import csr_matrix

from magan.baselines.extras import extra, own_draws
from magan.baselines.panels import intensities, measured_everywhere

BLOCK = 1000  # query cells at a time, to bound memory
BATCH = 5000  # pairs at a time, Scanorama's default


def scanorama(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """The query after Scanorama's correction of domain 1 towards domain 2, ``(n, M2)`` float32.

    Scanorama scales every cell to length 1, finds pairs of training cells of the
    two domains that are among each other's 20 nearest, and moves a cell by the mean
    difference within the pairs, weighted by a Gaussian kernel of the cell's distance
    to each pair's cell of domain 1. These are the library's own functions, called one by
    one: as a whole it would hold the larger data set still, and correct no cell
    that was not there when pairs were found.

    Its output has no units. A cell is given back the length that it was measured
    with, so whatever a batch does to the length of cells stays in.

    Where fewer than a tenth of the cells are in pairs Scanorama declines: cells
    stay as measured, with a warning.

    Raises
    ------
    InputError
        scanorama is not installed, or domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("scanorama", x1, x2, query)
    with extra("scanorama", "scanorama", "scanorama"), own_draws():  # its import seeds numpy's generator
        import scanorama as library

    values = intensities(query, markers)
    units = [csr_matrix(intensities(x, markers)) for x in (x1, x2)]
    with own_draws():
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
