"""What the baselines read of two panels: matrices in arcsinh units, and which markers they have in common."""

from collections.abc import Callable, Sequence

import numpy as np
from anndata import AnnData

from magan import keys
from magan.errors import InputError


def intensities(adata: AnnData, markers: Sequence[str]) -> np.ndarray:
    """``layers["preprocessed"]`` of the named markers, ``(n, M)`` float64."""
    return np.asarray(adata[:, list(markers)].layers[keys.PREPROCESSED], dtype=np.float64)


def measured_everywhere(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> list[str]:
    """The markers of ``x2``, in order; `InputError` if ``x1`` or the query lacks one."""
    for marker in x2.var_names:
        if marker not in x1.var_names or marker not in query.var_names:
            raise InputError(
                f"baseline '{name}' cannot make marker '{marker}', which domain 1 does not measure; "
                "use ridge, knn or boosting"
            )
    return list(x2.var_names)


def location_scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd (n) of each marker, ``(n, M) -> (M,), (M,)``; the sd of a constant marker counts as 1."""
    return values.mean(axis=0), np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)


def regress(
    x1: AnnData,
    x2: AnnData,
    query: AnnData,
    fit_predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Markers of ``x2`` for the query cells: shared ones as measured, the others predicted from the shared.

    ``fit_predict(features, targets, queries)`` learns in ``x2``,
    ``(n2, S), (n2, T), (n, S) -> (n, T)``. Features are standardised by the mean
    and sd of their own panel's training cells, so that an offset or gain between
    the panels does not matter; targets stay in arcsinh units.

    Returns
    -------
    ndarray
        ``(n, M2)`` float32, columns as ``x2.var_names``.

    Raises
    ------
    InputError
        The panels share no marker.
    """
    shared = [marker for marker in x2.var_names if marker in x1.var_names and marker in query.var_names]
    if not shared:
        raise InputError("domains 1 and 2 share no marker to predict from; use a baseline only with shared markers")
    missing = [marker for marker in x2.var_names if marker not in shared]
    mapped = np.empty((query.n_obs, x2.n_vars), dtype=np.float32)
    mapped[:, x2.var_names.get_indexer(shared)] = intensities(query, shared)
    if missing:
        mean1, sd1 = location_scale(intensities(x1, shared))
        mean2, sd2 = location_scale(intensities(x2, shared))
        features, queries = (intensities(x2, shared) - mean2) / sd2, (intensities(query, shared) - mean1) / sd1
        predicted = fit_predict(features, intensities(x2, missing), queries)
        # Some regressors drop the target axis when there is one target.
        mapped[:, x2.var_names.get_indexer(missing)] = predicted.reshape(len(queries), len(missing))
    return mapped
