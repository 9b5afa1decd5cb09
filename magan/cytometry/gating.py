"""Sort cells into populations by readable gates, for data without labels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import known_marker
from magan.errors import InputError, nearest

OTHER = "other"  # the population of cells that no gate takes


def gate(adata: AnnData, gates: Mapping[str, str], by: str = keys.BATCH) -> AnnData:
    """Sort cells into populations by a readable list of gates.

    A gate such as ``"CD3+ CD4+ CD8a-"`` takes the cells above, or not above, the
    threshold of each marker. Gates apply in order, as in manual gating: a cell belongs to
    the first gate that it matches. The threshold of a marker is Otsu's. It is computed once, at the
    first gate that names the marker, from the cells that no earlier gate took, so that an earlier gate
    can remove an abundant population that would hide the valley before a rare population. Thresholds
    are computed within each batch, so that a shift between batches moves no cell to a different population.

    Parameters
    ----------
    adata
        Cells with ``layers["preprocessed"]``; a marker that is nan, not measured, matches neither sign.
    gates
        Population to gate: markers separated by blanks, each ending in ``+`` or ``-``.
    by
        The obs column of the groups within which thresholds are computed.

    Returns
    -------
    AnnData
        A copy with ``obs["cell_type"]``: a key of ``gates``, or "other".

    Raises
    ------
    InputError
        A gate is empty, names no marker of the table, or has a marker without sign; or the
        layer or the column is missing.
    """
    parsed = {population: _signs(adata, population, text) for population, text in gates.items()}
    if keys.PREPROCESSED not in adata.layers:
        raise InputError(f"gate: layers['{keys.PREPROCESSED}'] is missing; transform the cells with arcsinh first")
    if by not in adata.obs:
        raise InputError(f"gate: obs has no column {by!r}{nearest(by, adata.obs.columns)}; name the column of batches")
    values = adata.to_df(keys.PREPROCESSED)
    cell_type = pd.Series(OTHER, index=adata.obs_names, name=keys.CELL_TYPE)
    for _, left in values.groupby(adata.obs[by].astype(str)):
        threshold = {}
        for population, signs in parsed.items():
            for marker, _ in signs:
                if marker not in threshold:
                    threshold[marker] = otsu(left[marker].to_numpy())
            inside = np.ones(len(left), dtype=bool)
            for marker, positive in signs:
                inside &= ((left[marker] > threshold[marker]) == positive).to_numpy() & left[marker].notna().to_numpy()
            cell_type[left.index[inside]] = population
            left = left[~inside]
    adata = adata.copy()
    adata.obs[keys.CELL_TYPE] = cell_type
    return adata


def _signs(adata: AnnData, population: str, text: str) -> list[tuple[str, bool]]:
    """``"CD3+ CD8a-"`` as ``[("CD3", True), ("CD8a", False)]``."""
    where = f"gate {population!r}"
    if not text.split():
        raise InputError(f"{where} is empty; write markers with signs, e.g. 'CD3+ CD19-'")
    for word in text.split():
        if word[-1] not in "+-":
            raise InputError(f"{where}: {word!r} has no sign; end it with + or -")
    return [(known_marker(adata, word[:-1], where), word[-1] == "+") for word in text.split()]


def otsu(values: np.ndarray, n_bins: int = 256) -> float:
    """Threshold that divides values into the two groups with the largest variance between them.

    The lower edge of the upper group, on a histogram of ``n_bins``; infinite where all values are
    equal or there is no value; nan is ignored.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values) or values.min() == values.max():
        return np.inf
    counts, edges = np.histogram(values, n_bins)
    centres = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(counts)[:-1], np.cumsum(counts * centres)[:-1]
    above = len(values) - below
    between = below * above * (total / below - ((counts * centres).sum() - total) / above) ** 2
    # All edges of an empty valley tie; take their middle.
    best = np.flatnonzero(np.isclose(between, between.max(), rtol=1e-12))
    return float(edges[1:-1][best].mean())
