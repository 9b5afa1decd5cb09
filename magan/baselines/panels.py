"""Read two panels for the baselines: matrices in arcsinh units, and the shared markers."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError


def intensities(adata: AnnData, markers: Sequence[str]) -> np.ndarray:
    """Return ``layers["preprocessed"]`` of the named markers, ``(n, M)`` float64, in arcsinh units."""
    return np.asarray(adata[:, list(markers)].layers[keys.PREPROCESSED], dtype=np.float64)


def measured_everywhere(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> list[str]:
    """Return the markers of ``x2``, in order; raise `InputError` if ``x1`` or the query lacks any."""
    for marker in x2.var_names:
        if marker not in x1.var_names or marker not in query.var_names:
            raise InputError(
                f"baseline '{name}' cannot make marker '{marker}', which domain 1 does not measure; "
                "use ridge, knn or boosting"
            )
    return list(x2.var_names)


def location_scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd (divisor n) of each marker, ``(n, M) -> (M,), (M,)``; 1 as the sd of a constant marker."""
    return values.mean(axis=0), np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)


def shared_and_missing(x1: AnnData, x2: AnnData, query: AnnData) -> tuple[list[str], list[str]]:
    """Return the markers of ``x2`` that ``x1`` and the query measure, and the rest; `InputError` if there is none."""
    shared = [marker for marker in x2.var_names if marker in x1.var_names and marker in query.var_names]
    if not shared:
        raise InputError("domains 1 and 2 share no marker to predict from; use a baseline only with shared markers")
    return shared, [marker for marker in x2.var_names if marker not in shared]


def regress(
    x1: AnnData,
    x2: AnnData,
    query: AnnData,
    fit_predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return all markers of ``x2`` for the query cells: shared markers as measured, unshared markers predicted.

    ``fit_predict(features, targets, queries)`` learns to predict unshared from shared markers in ``x2``,
    ``(n2, S), (n2, T), (n, S) -> (n, T)``. Features are standardised by mean and sd of the training cells of their
    panel, so an offset or a gain between the panels has no effect. Targets stay in arcsinh units.

    Returns
    -------
    ndarray
        ``(n, M2)`` float32, columns as ``x2.var_names``.

    Raises
    ------
    InputError
        The panels share no marker.
    """
    shared, missing = shared_and_missing(x1, x2, query)
    mapped = np.empty((query.n_obs, x2.n_vars), dtype=np.float32)
    mapped[:, x2.var_names.get_indexer(pd.Index(shared))] = intensities(query, shared)
    if missing:
        mean1, sd1 = location_scale(intensities(x1, shared))
        mean2, sd2 = location_scale(intensities(x2, shared))
        features, queries = (intensities(x2, shared) - mean2) / sd2, (intensities(query, shared) - mean1) / sd1
        predicted = fit_predict(features, intensities(x2, missing), queries)
        # Some regressors drop the target axis if there is a single target.
        mapped[:, x2.var_names.get_indexer(pd.Index(missing))] = predicted.reshape(len(queries), len(missing))
    return mapped
