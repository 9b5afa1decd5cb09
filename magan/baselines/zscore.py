"""Z-score: shift and scale each marker to the target's mean and sd."""

import numpy as np
from anndata import AnnData

from magan.baselines.panels import intensities, location_scale, measured_everywhere


def zscore(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Return ``(query - mean1) / sd1 * sd2 + mean2`` for each marker, ``(n, M2)`` float32.

    Means and sds are those of the training cells. A marker that is constant in a domain is only shifted. Raises
    `InputError` if domain 1 lacks a marker of ``x2``.
    """
    markers = measured_everywhere("zscore", x1, x2, query)
    source, target = intensities(x1, markers), intensities(x2, markers)
    mean1, sd1 = location_scale(source)
    mean2, sd2 = location_scale(target)
    stretch = np.where((np.ptp(source, axis=0) > 0) & (np.ptp(target, axis=0) > 0), sd2 / sd1, 1.0)
    return ((intensities(query, markers) - mean1) * stretch + mean2).astype(np.float32)
