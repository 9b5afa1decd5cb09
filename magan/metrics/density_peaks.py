"""Count the peaks of a marker's density, and score whether a map preserves their number."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

BINS = 256
HEIGHT = 0.1  # least height of a peak, for a marker in units of its sd, as in Open Problems
PROMINENCE = 0.01
ERRORS = 3.0  # least prominence of a peak in standard errors of the density
ROUGHNESS = 1 / (2 * np.sqrt(np.pi))  # integral of the squared Gaussian kernel


def peaks(x: np.ndarray, demand: float = 1.0) -> np.ndarray:
    """Count the peaks of each marker's density, ``(n, M) -> (M,)``, at least 1.

    The density has Gaussian kernels of Scott's bandwidth ``n^(-1/5) sd`` on 256 bins. With the marker in units of its
    sd, a peak has a height of at least 0.1, and a prominence of at least 0.01 and of three standard errors of the
    density, ``sqrt(f / (2 sqrt(pi) n h))``; so a bump of few cells does not count. ``demand`` multiplies all three
    thresholds, to test whether a count is close to a threshold. A linear change ``a x + b`` changes no count. A
    constant marker and a single cell have one peak. The count is nan without cells and if a value is not finite.
    """
    if not len(x):
        return np.full(x.shape[1], np.nan)
    return np.array([_count(column, demand) for column in np.asarray(x, dtype=np.float64).T])


def _count(values: np.ndarray, demand: float) -> float:
    if not np.isfinite(values).all():
        return np.nan
    # The computed sd of equal values may be rounding noise instead of 0.
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
    """Return the share of markers whose number of peaks the map preserves, ``(R,)``, in [0, 1]; higher is better.

    Only markers with equally many `peaks` before the map, ``original (n, M)``, and in the ``target (m, M)`` count: a
    map has no reason to change them. The identity map scores 1, so read this score together with scores of the batch
    effect. A marker that the map makes constant has one peak. The score is nan for a replicate that contains a nan, and
    for all replicates without cells on a side or if no marker has equally many peaks.

    References
    ----------
    Open Problems, task cytometry batch integration, ``ratio_consistent_peaks``; there markers are
    standardised with both batches together, and three standard errors are not required.
    """
    before = peaks(original)
    same = before == peaks(target)
    if not same.any():
        return np.full(len(mapped), np.nan)
    preserved = [(peaks(x[:, same]) == before[same]).mean() if np.isfinite(x).all() else np.nan for x in mapped]
    return np.array(preserved)
