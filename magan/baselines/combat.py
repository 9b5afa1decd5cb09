"""ComBat (Johnson et al. 2007), fitted to training cells and applied to query cells."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.baselines.panels import intensities, measured_everywhere
from magan.errors import InputError


def combat(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map the query by ComBat to the units of domain 2, ``(n, M2)`` float32.

    ComBat moves both batches to their grand mean, by a linear function for each marker of each batch. scanpy fits it to
    the training cells of both domains, with the batch as the only covariate. The linear functions are computed from
    scanpy's output. A query cell passes through the function of domain 1 and the inverse function of domain 2, so no
    query cell takes part in the fit. A marker that is constant in a domain has no linear function: it is excluded from
    the fit and shifted by the difference of the means.

    Raises
    ------
    InputError
        Domain 1 lacks a marker of ``x2``, or fewer than two markers vary in both
        domains: ComBat learns the size of a batch effect across markers.
    """
    markers = measured_everywhere("combat", x1, x2, query)
    source, target, values = (intensities(x, markers) for x in (x1, x2, query))
    varies = (np.ptp(source, axis=0) > 0) & (np.ptp(target, axis=0) > 0)
    if varies.sum() < 2:
        raise InputError(
            f"baseline 'combat' needs two markers that vary in both domains, not {varies.sum()}; use zscore"
        )
    mapped = values + target.mean(axis=0) - source.mean(axis=0)
    adjusted = _adjusted(source[:, varies], target[:, varies])
    slope1, intercept1 = _line(source[:, varies], adjusted[: len(source)])
    slope2, intercept2 = _line(target[:, varies], adjusted[len(source) :])
    mapped[:, varies] = (slope1 * values[:, varies] + intercept1 - intercept2) / slope2
    return mapped.astype(np.float32)


def _adjusted(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return both batches on ComBat's common scale, ``(n1 + n2, M)``."""
    import scanpy  # slow to import, and only this baseline needs it

    batch = np.repeat(["1", "2"], [len(source), len(target)])
    obs = pd.DataFrame({keys.BATCH: pd.Categorical(batch)}, index=np.arange(len(batch)).astype(str))
    cells = AnnData(np.concatenate([source, target]), obs=obs)
    # If the batches are equal, the step size of ComBat's iteration is 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(scanpy.pp.combat(cells, key=keys.BATCH, inplace=False))


def _line(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and intercept of ``after = slope * before + intercept``, which holds exactly."""
    column = np.arange(before.shape[1])
    low, high = before.argmin(axis=0), before.argmax(axis=0)
    slope = (after[high, column] - after[low, column]) / (before[high, column] - before[low, column])
    return slope, after[low, column] - slope * before[low, column]
