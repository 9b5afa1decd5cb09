"""For cells of merged panels, the most similar cells of the panel that measured the imputed markers."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.neighbors import NearestNeighbors

from magan import keys
from magan.batch_maps import MAPS
from magan.errors import InputError, among
from magan.regressors import nearest, standardised
from magan.regressors.hidden_markers import best_matching

COLUMNS = ("cell", "rank", "neighbour", keys.SAMPLE, "distance")


def nearest_cells(
    merged: AnnData, panel: str, source: str, n: int = 10, cells: Sequence[str] | None = None
) -> pd.DataFrame:
    """The cells of the panel ``source`` that are most similar to cells of ``panel``, and their samples.

    Cells are compared by the markers that both panels measured, each divided by its sd in ``source``. Markers of
    ``panel`` are first moved to the units of ``source`` as measured, by z-scores or by quantiles: the way by which
    nearest cells predict the shared markers best, each hidden in turn.

    Parameters
    ----------
    merged
        ``merged.h5ad`` of merged panels: ``layers["measured"]``, ``obs["panel"]`` and, if known, ``obs["sample"]``.
    panel, source
        Two panels.
    n
        Neighbours of a cell.
    cells
        Names of cells of ``panel``; all of them if not given.

    Returns
    -------
    DataFrame
        A row for each cell and neighbour, the nearest first: ``cell``, ``rank`` (from 1), ``neighbour`` (its name in
        ``obs``), ``sample`` of the neighbour ("" if unknown), and ``distance`` in standard deviations (Euclidean).

    Raises
    ------
    InputError
        The cells are not merged panels; a panel or a cell is unknown; the panels share no marker; or ``source`` has
        fewer than ``n`` cells.
    """
    if keys.MEASURED not in merged.layers or keys.PANEL not in merged.obs:
        raise InputError("these cells are not of merged panels; read the file merged.h5ad that magan merge wrote")
    of_panel = merged.obs[keys.PANEL].astype(str)
    for name in (panel, source):
        if name not in set(of_panel):
            raise InputError(f"there is no panel '{name}'{among(name, sorted(set(of_panel)))}")
    values = np.asarray(merged.layers[keys.MEASURED], np.float64)
    first, second = (values[(of_panel == name).to_numpy()] for name in (panel, source))
    shared = np.isfinite(first).all(axis=0) & np.isfinite(second).all(axis=0)
    if not shared.any():
        raise InputError(f"panels '{panel}' and '{source}' share no marker; name alike what they share")
    if not 1 <= n <= len(second):
        raise InputError(f"n is {n} and panel '{source}' has {len(second)} cells; give a number from 1 to that")
    first, second = first[:, shared], second[:, shared]
    matching = MAPS[best_matching(nearest.fit, first, second)]
    names = merged.obs_names[(of_panel == panel).to_numpy()]
    chosen = names if cells is None else pd.Index(cells)
    rows = names.get_indexer(chosen)
    if (rows < 0).any():
        raise InputError(f"panel '{panel}' has no cell '{chosen[rows < 0][0]}'; give names of its cells")
    to_units = standardised(second)
    moved = to_units(matching.apply(matching.fit(first, second), first[rows]))
    distances, found = NearestNeighbors(n_neighbors=n).fit(to_units(second)).kneighbors(moved)
    of_source = cast(pd.DataFrame, merged.obs)[(of_panel == source).to_numpy()]
    samples = of_source[keys.SAMPLE].astype(str).to_numpy() if keys.SAMPLE in of_source else np.full(len(of_source), "")
    place = found.ravel()
    columns = (
        np.repeat(chosen.to_numpy(), n),
        np.tile(np.arange(1, n + 1), len(chosen)),
        of_source.index.to_numpy()[place],
        samples[place],
        distances.ravel(),
    )
    return pd.DataFrame(dict(zip(COLUMNS, columns)))
