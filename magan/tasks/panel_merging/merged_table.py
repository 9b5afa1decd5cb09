"""A table of the cells of several panels with a value for every marker on every cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError

Panels = Mapping[str, Sequence[str]]  # panel -> the markers it measures

IMPUTED = (keys.EXPECTED, keys.SAMPLED, keys.SPREAD, keys.LOW, keys.HIGH)


def sources(panels: Panels) -> dict[str, dict[str, str]]:
    """For every panel, map each marker that it lacks to the panel from which the marker is imputed.

    The source is the panel that measures the marker and shares the most markers with the lacking panel. A tie goes to
    the first panel.

    Raises
    ------
    InputError
        No panel lacks a marker that another panel has, or two panels to be aligned share no marker.
    """
    every = list(dict.fromkeys(marker for markers in panels.values() for marker in markers))
    found = {}
    for panel, measured in panels.items():
        common = {
            candidate: len(set(measured) & set(markers)) for candidate, markers in panels.items() if candidate != panel
        }
        found[panel] = {
            marker: max((candidate for candidate in common if marker in panels[candidate]), key=common.__getitem__)
            for marker in every
            if marker not in measured
        }
        for marker, candidate in found[panel].items():
            if not common[candidate]:
                raise InputError(
                    f"panels '{panel}' and '{candidate}', which measures marker '{marker}', share no marker; "
                    "name alike what they share"
                )
    if not any(found.values()):
        raise InputError(f"panels {', '.join(panels)} measure the same markers; there is nothing to merge")
    return found


@dataclass(frozen=True)
class Imputed:
    """The imputed markers of the cells of a panel: a matrix ``(n, M)`` for each layer of ``IMPUTED``."""

    markers: tuple[str, ...]
    layers: Mapping[str, np.ndarray]


def merge(adata: AnnData, panels: Panels, imputed: Mapping[str, Sequence[Imputed]], by: str) -> AnnData:
    """The cells of all panels by all their markers.

    Parameters
    ----------
    adata
        ``layers["preprocessed"]``, nan where a panel lacks a marker; ``obs[by]`` names the panel.
    panels
        The markers that each panel measures; cells of panels that are not named are left out.
    imputed
        The imputations of each panel, in the order of its cells.

    Returns
    -------
    AnnData
        Cells and markers in the order of ``adata``; obs with ``panel``; var with the description of each marker
        and ``measured_by``. In arcsinh units: ``layers["measured"]``, nan where a panel lacks the marker; "expected",
        also ``X``, and "sampled", "low" and "high", as measured or as imputed; "spread", 0 where measured.
    """
    of_panel = adata.obs[by].astype(str)
    has = {
        marker: [panel for panel, panel_markers in panels.items() if marker in panel_markers]
        for marker in adata.var_names
    }
    markers = [marker for marker, measured_by in has.items() if measured_by]
    part = adata[of_panel.isin(list(panels)).to_numpy(), markers]
    rows = {panel: (part.obs[by].astype(str) == panel).to_numpy() for panel in panels}
    measured = np.array(part.layers[keys.PREPROCESSED], dtype=np.float32)
    layers = {layer: measured.copy() for layer in IMPUTED}
    layers[keys.SPREAD] = np.where(np.isnan(measured), measured, 0)
    for panel, parts in imputed.items():
        for imputation in parts:
            place = np.ix_(rows[panel], part.var_names.get_indexer(pd.Index(imputation.markers)))
            for layer in IMPUTED:
                layers[layer][place] = imputation.layers[layer]
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
