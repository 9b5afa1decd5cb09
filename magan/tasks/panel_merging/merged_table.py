"""Cells of several panels in one table with a place for every marker on every cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError

Panels = Mapping[str, Sequence[str]]  # panel -> the markers it measures

TOLD = (keys.EXPECTED, keys.SAMPLED, keys.SPREAD, keys.LOW, keys.HIGH)


def sources(panels: Panels) -> dict[str, dict[str, str]]:
    """For every panel, each marker that it lacks and the panel from which it is to be had.

    Of the panels that measure the marker, the one that shares the most markers with this one; of several such, the
    first.

    Raises
    ------
    InputError
        No panel lacks a marker that another has, or two panels to be aligned share none.
    """
    every = list(dict.fromkeys(marker for markers in panels.values() for marker in markers))
    found = {}
    for panel, own in panels.items():
        common = {other: len(set(own) & set(markers)) for other, markers in panels.items() if other != panel}
        found[panel] = {
            marker: max((other for other in common if marker in panels[other]), key=common.__getitem__)
            for marker in every
            if marker not in own
        }
        for marker, other in found[panel].items():
            if not common[other]:
                raise InputError(
                    f"panels '{panel}' and '{other}', which measures marker '{marker}', share no marker; "
                    "name alike what they share"
                )
    if not any(found.values()):
        raise InputError(f"panels {', '.join(panels)} measure the same markers; there is nothing to merge")
    return found


@dataclass(frozen=True)
class Imputed:
    """What the cells of a panel are told of markers that it lacks: a matrix ``(n, M)`` for each layer of ``TOLD``."""

    markers: tuple[str, ...]
    layers: Mapping[str, np.ndarray]


def merge(adata: AnnData, panels: Panels, imputed: Mapping[str, Sequence[Imputed]], by: str) -> AnnData:
    """The cells of all panels by all their markers.

    Parameters
    ----------
    adata
        ``layers["preprocessed"]``, nan where a panel lacks a marker; ``obs[by]`` names the panel.
    panels
        What each measures; cells of other panels are left out.
    imputed
        Of each panel, its cells in their order.

    Returns
    -------
    AnnData
        Cells and markers in the order of ``adata``; obs with ``panel``; of var, what describes a marker, and
        ``measured_by``. In arcsinh units: ``layers["measured"]``, nan where a panel lacks the marker; "expected", also
        ``X``, and "sampled", "low" and "high", as measured or as imputed; "spread", 0 where measured.
    """
    of_panel = adata.obs[by].astype(str)
    has = {marker: [panel for panel, own in panels.items() if marker in own] for marker in adata.var_names}
    markers = [marker for marker, measured_by in has.items() if measured_by]
    part = adata[of_panel.isin(list(panels)).to_numpy(), markers]
    rows = {panel: (part.obs[by].astype(str) == panel).to_numpy() for panel in panels}
    measured = np.array(part.layers[keys.PREPROCESSED], dtype=np.float32)
    layers = {layer: measured.copy() for layer in TOLD}
    layers[keys.SPREAD] = np.where(np.isnan(measured), measured, 0)
    for panel, parts in imputed.items():
        for told in parts:
            place = np.ix_(rows[panel], part.var_names.get_indexer(pd.Index(told.markers)))
            for layer in TOLD:
                layers[layer][place] = told.layers[layer]
    described = [c for c in (keys.CHANNEL, keys.MARKER, keys.MARKER_TYPE, keys.TO_CORRECT, "cofactor") if c in part.var]
    merged = AnnData(
        layers[keys.EXPECTED].copy(),
        obs=cast(pd.DataFrame, part.obs.copy()),
        var=cast(pd.DataFrame, part.var)[described].copy(),
    )
    merged.layers.update({keys.MEASURED: measured, **layers})
    merged.obs[keys.PANEL] = pd.Categorical(part.obs[by].astype(str), categories=list(panels))
    merged.var[keys.MEASURED_BY] = [", ".join(has[marker]) for marker in markers]
    merged.uns = {key: part.uns[key] for key in (keys.CYTOF, keys.SOURCE) if key in part.uns}
    return merged
