"""Which columns of a table are markers, and whether training can use their values.

No biology is read from a "technical" channel: the table keeps it, and every comparison leaves it out.
"""

from collections import Counter

import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.marker_names import TECHNICAL
from magan.errors import InputError, nearest


def technical(adata: AnnData) -> np.ndarray:
    """Which columns are technical, ``(M,)`` booleans."""
    return (adata.var[keys.MARKER_TYPE] == TECHNICAL).to_numpy()


def markers(adata: AnnData) -> AnnData:
    """The non-technical markers."""
    return adata[:, ~technical(adata)].copy()


def known_marker(adata: AnnData, marker: str, where: str) -> str:
    """The marker, if it is one of the table's.

    Raises
    ------
    InputError
        It is not; the message names the nearest.
    """
    if marker not in adata.var_names:
        hint = nearest(marker, adata.var_names)
        raise InputError(f"{where}: unknown marker {marker!r}{hint}; the markers are {list(adata.var_names)}")
    return marker


def check(adata: AnnData, name: str) -> None:
    """What training cannot survive, said before it starts.

    Raises
    ------
    InputError
        There is no cell or no marker; a marker is listed twice, is not finite somewhere
        (nan is right in a whole ``obs["panel"]`` that lacks the marker, if another has it),
        or never varies (markers that are not corrected may); or a batch has a single cell. Looks at
        ``layers["preprocessed"]`` where there is one, else at ``X``.
    """
    if not adata.n_obs or not adata.n_vars:
        raise InputError(f"{name} has {adata.n_obs} cells by {adata.n_vars} markers; give at least one of each")
    marker, times = Counter(adata.var_names).most_common(1)[0]
    if times > 1:
        raise InputError(f"{name}: marker {marker!r} is listed {times} times; keep one of them")
    x = np.asarray(adata.layers.get(keys.PREPROCESSED, adata.X))
    used = np.ones(adata.n_vars, dtype=bool)
    if keys.TO_CORRECT in adata.var:
        used = adata.var[keys.TO_CORRECT].to_numpy(bool)
    elif keys.MARKER_TYPE in adata.var:
        used = ~technical(adata)
    bad = ~np.isfinite(x) & ~unmeasured(adata, x) & used
    _each(name, adata, bad.sum(axis=0), "is not finite in {} of {} cells; remove these cells")
    constant = used & (adata.n_obs > 1)
    constant[used] &= np.nanmin(x[:, used], axis=0) == np.nanmax(x[:, used], axis=0)
    _each(name, adata, constant * adata.n_obs, "has the same value in {} of {} cells; leave it out of the panel")
    if keys.BATCH in adata.obs:
        sizes = adata.obs[keys.BATCH].astype(str).value_counts()
        if sizes.min() < 2:
            raise InputError(f"{name}: batch {sizes.idxmin()!r} has 1 cell; leave it out or give its other cells")


def unmeasured(adata: AnnData, x: np.ndarray) -> np.ndarray:
    """Where ``x`` is nan because the cell's whole panel lacks the marker and another has it, ``(n, M)`` booleans."""
    lacks = np.zeros(x.shape, dtype=bool)
    if keys.PANEL in adata.obs:
        panels = adata.obs[keys.PANEL].astype(str).to_numpy()
        for panel in np.unique(panels):
            rows = np.flatnonzero(panels == panel)
            lacks[np.ix_(rows, np.isnan(x[rows]).all(axis=0))] = True
        lacks[:, lacks.all(axis=0)] = False
    return lacks


def _each(name: str, adata: AnnData, n_bad: np.ndarray, says: str) -> None:
    """One sentence about the markers with a bad cell, worst first."""
    bad = np.argsort(-n_bad, kind="stable")[: np.count_nonzero(n_bad)]
    if len(bad):
        listed = f" ({len(bad)} such markers: {', '.join(adata.var_names[bad])})" if len(bad) > 1 else ""
        raise InputError(
            f"{name}: marker {adata.var_names[bad[0]]!r} {says.format(n_bad[bad[0]], adata.n_obs)}{listed}"
        )
