"""Write the user's FCS files again with the markers that were imputed on their cells."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import __version__, keys
from magan.config import OwnData
from magan.cytometry.arcsinh import cofactors, raw
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import fcs_options, open_fcs
from magan.cytometry.fcs_write import NewChannel, add_channels
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.load import rows_of
from magan.errors import InputError
from magan.stages.atomic_files import atomic_write, unquoted, write_table
from magan.stages.correct import file_places
from magan.tasks.panel_merging.settings import MergedFiles, Panels
from magan.tasks.panel_merging.verdicts import UNUSABLE

COLUMNS = ("file", keys.PANEL, "events", "status", "reason", "imputed", "not_usable")
PREFIX = "imputed_"  # of the channel of an imputed marker: the file may have a channel of the marker's name
LONGEST = 2**31  # of a range $PnR, which many readers hold in 32 bits


@dataclass(frozen=True)
class _Merged:
    """The cells of a data set, their merged counterpart, the verdicts, and how files are written."""

    cells: AnnData
    whole: AnnData
    verdicts: pd.DataFrame
    by: str
    settings: MergedFiles


def write_merged_files(
    own: Mapping[str, Any], settings: Mapping[str, Any], inputs: tuple[str, str, str], outputs: tuple[str, str]
) -> None:
    """Rule `merged_files`: a copy of every FCS file with a channel for each marker that was imputed on its cells.

    Measured channels have the same bytes as in the file, and events have the same order. The new channels are named
    ``imputed_<marker>`` (``$PnN``) and "<marker> imputed" (``$PnS``). Keywords list the measured markers
    (``MAGAN_MEASURED``), the imputed ones (``MAGAN_IMPUTED``) and the verdict of each (``MAGAN_VERDICT_<marker>``).
    A value is on the scale of the panel that measures the marker. A file that is not written is named with its reason.

    Parameters
    ----------
    own, settings
        How the files were read, and the settings `Panels`, as mappings.
    inputs
        Files of the cells, the merged cells and the verdicts.
    outputs
        The folder of the written files, and their list.
    """
    asked = Panels.model_validate(settings)
    words: dict[Hashable, Any] = dict.fromkeys((keys.PANEL, keys.MARKER, "source", "verdict"), str)
    table = unquoted(pd.read_csv(inputs[2], sep="\t", dtype=words, keep_default_na=False, na_values={"judged": [""]}))
    merged = _Merged(anndata.read_h5ad(inputs[0]), anndata.read_h5ad(inputs[1]), table, asked.by, asked.write)
    rows = rows_of(OwnData.model_validate(own))
    left_out = merged.cells.uns[keys.LEFT_OUT].query("kind == 'file'").set_index("name")["reason"]
    events = merged.cells.uns[keys.ACQUISITION].set_index(PATH)["events"]
    first = dict(zip(events.index, np.cumsum([0, *events])))
    folder = Path(outputs[0])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row, place in zip(rows, file_places(rows, folder)):
        path = str(row[PATH])
        if path in left_out.index:
            lines.append((path, str(row.get(keys.PANEL, "")), 0, "left out", left_out[path], "", ""))
            continue
        names = merged.cells.obs_names[first[path] : first[path] + events[path]]
        lines.append((path, *_written(merged, row, names, place)))
        print(*lines[-1], sep="  ", flush=True)
    write_table(pd.DataFrame(lines, columns=list(COLUMNS)), outputs[1])


def _written(merged: _Merged, row: Mapping[str, object], names: pd.Index, place: Path) -> tuple:
    """Write a file, and return what `COLUMNS` say of it after its path."""
    path = Path(str(row[PATH]))
    panel = str(cast(pd.DataFrame, merged.cells.obs).loc[names[0], merged.by])
    found = merged.verdicts[merged.verdicts[keys.PANEL] == panel]
    unusable = found["verdict"] == UNUSABLE
    used = found if merged.settings.unusable else found[~unusable]
    words = ", ".join(used[keys.MARKER]), "" if merged.settings.unusable else ", ".join(found[unusable][keys.MARKER])
    rows = merged.whole.obs_names.get_indexer(names)
    if not is_fcs(path):
        return panel, 0, "not written", "it is no FCS file; its cells are in merged.h5ad", *words
    if (rows < 0).any():
        reason = f"{(rows < 0).sum()} of {len(rows)} events were not merged; leave out where"
        return panel, 0, "not written", reason, *words
    if used.empty:
        return panel, 0, "not written", "no imputed marker may be used", *words
    try:
        pairs = zip(used[keys.MARKER], used["source"])
        values = np.stack([_values(merged, marker, source, rows) for marker, source in pairs], axis=1)
        channels = [
            NewChannel(f"{PREFIX}{marker}", f"{marker} imputed", _range(column))
            for marker, column in zip(used[keys.MARKER], values.T)
        ]
        events, about = open_fcs(path, fcs_options(row)), _keywords(merged, panel, used)
        with atomic_write(place) as part:
            add_channels(events, part, channels, values, provenance=about)
    except InputError as error:
        return panel, 0, "failed", str(error), *words
    return panel, len(names), "written", "", *words


def _values(merged: _Merged, marker: str, source: str, rows: np.ndarray) -> np.ndarray:
    """Imputed values of a marker on the scale of the panel ``source``, which measures it, ``(n,)`` float32."""
    measuring = (merged.cells.obs[merged.by].astype(str) == source).to_numpy()
    scales = cofactors(merged.cells[measuring][:, marker])
    if marker not in scales:
        raise InputError(
            f"panel {source} measures {marker} on several scales, so imputed values have none; "
            "give its files the same cofactor"
        )
    units = np.asarray(merged.whole[rows, marker].layers[merged.settings.values])
    return raw(units, scales[marker])[:, 0]


def _range(values: np.ndarray) -> int:
    """``$PnR``: a whole number above all values."""
    return int(min(max(np.ceil(values.max()) + 1, 2), LONGEST))


def _keywords(merged: _Merged, panel: str, used: pd.DataFrame) -> dict[str, str]:
    """Which channels were measured, which were imputed, from what, and what may be done with them."""
    measured = [str(m) for m, by in merged.whole.var[keys.MEASURED_BY].items() if panel in str(by).split(", ")]
    verdicts = {
        f"MAGAN_VERDICT_{marker}": f"{verdict}, from panel {source}, judged r {judged:.2f}"
        for marker, verdict, source, judged in used[[keys.MARKER, "verdict", "source", "judged"]].itertuples(
            index=False
        )
    }
    return {
        "MAGAN_VERSION": __version__,
        "MAGAN_PANEL": panel,
        "MAGAN_MEASURED": ", ".join(measured),
        "MAGAN_IMPUTED": ", ".join(used[keys.MARKER]),
        "MAGAN_IMPUTED_VALUES": merged.settings.values,
        **verdicts,
    }
