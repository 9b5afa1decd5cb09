"""How many peaks the density of a marker has, and whether a map keeps them."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

BINS = 256
HEIGHT = 0.1  # of a density in units of the marker's sd, as Open Problems has it
PROMINENCE = 0.01
ERRORS = 3.0  # standard errors of the density that a peak must stand out by
ROUGHNESS = 1 / (2 * np.sqrt(np.pi))  # integral of the squared Gaussian kernel


def peaks(x: np.ndarray, demand: float = 1.0) -> np.ndarray:
    """Number of peaks of each marker's density, ``(n, M) -> (M,)``, at least 1.

    Gaussian kernels of Scott's bandwidth ``n^(-1/5) sd`` on 256 bins. With the
    marker in units of its sd, a peak is at least 0.1 high and stands out by 0.01 and
    by three standard errors of the density there, ``sqrt(f / (2 sqrt(pi) n h))``:
    a bump that a few cells make is none. All three are multiplied by ``demand``, so
    that what is near a threshold can be told from what is not. A line ``a x + b``
    changes no count. A constant marker and a single cell have one peak; nan for no
    cell and where a value is not finite.
    """
    if not len(x):
        return np.full(x.shape[1], np.nan)
    return np.array([_count(column, demand) for column in np.asarray(x, dtype=np.float64).T])


def _count(values: np.ndarray, demand: float) -> float:
    if not np.isfinite(values).all():
        return np.nan
    # The sd of equal values may be rounding noise rather than 0.
    if not np.ptp(values) > 1e-6 * max(1.0, np.abs(values).max()):
        return 1.0
    z = (values - values.mean()) / values.std()
    width = len(z) ** -0.2
    low, high = z.min() - 3 * width, z.max() + 3 * width
    step = (high - low) / BINS
    counts = np.bincount(np.minimum(((z - low) / step).astype(int), BINS - 1), minlength=BINS)
    density = gaussian_filter1d(counts / (len(z) * step), width / step, mode="constant")
    found, about = find_peaks(density, height=demand * HEIGHT, prominence=demand * PROMINENCE)
    error = np.sqrt(density[found] * ROUGHNESS / (len(z) * width))
    return float(max(1, (about["prominences"] >= demand * ERRORS * error).sum()))


def consistent_peaks(original: np.ndarray, mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Share of markers that keep their number of peaks, ``(R,)``, in [0, 1]; higher is better.

    Over the markers with as many `peaks` before the map, ``original (n, M)``, as in
    the ``target (m, M)``: a map has no reason to change those. 1 for the map that
    changes nothing, so it must be read beside the scores of the batch effect. A
    marker that the map makes constant has one peak. nan for a replicate that holds a
    nan, and for all without cells on either side or where no marker had as many.

    References
    ----------
    Open Problems, task cytometry batch integration, ``ratio_consistent_peaks``; there markers are
    standardised with both batches together, and three standard errors are not asked for.
    """
    before = peaks(original)
    same = before == peaks(target)
    if not same.any():
        return np.full(len(mapped), np.nan)
    kept = [(peaks(x[:, same]) == before[same]).mean() if np.isfinite(x).all() else np.nan for x in mapped]
    return np.array(kept)
