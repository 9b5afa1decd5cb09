"""Write the user's files, corrected by the deployed method."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.config import OwnData
from magan.correction import CELLS, Correction, correction, load_mapper, mapped_units
from magan.cytometry.choose_scales import scales_of_file
from magan.cytometry.compensation import NONE
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import FcsOptions, fcs_options, open_fcs
from magan.cytometry.fcs_write import NewChannel, add_channels
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.load import rows_of
from magan.cytometry.panel import Panel
from magan.errors import InputError
from magan.stages.apply_model import copy, correct
from magan.stages.atomic_files import atomic_write, read_gate, write, write_table
from magan.stages.gated import write_gates
from magan.stages.training_files import panel_of

FILES = ("file", keys.BATCH, "events", "status", "reason", "corrected", "as_measured", "flagged", "trouble")
FILES += ("mapped_by", keys.NOT_STAINED)
FLAG_CHANNEL = NewChannel("magan_acquisition", "", 8)  # the sum of three flags


def correct_files(
    dataset: str,
    own: Mapping[str, Any],
    cells: str,
    model: str,
    gate: str,
    output: str,
    acquisition: bool = False,
) -> None:
    """Rule `correct`: write every file on the scale of the reference batch, and all cells as a single .h5ad file.

    Files of the reference are copied. With ``acquisition``, FCS files get a channel that flags events acquired
    unevenly. A file that cannot be corrected is named in files.tsv, and all remaining files are written.
    """
    adata, folder, table = anndata.read_h5ad(cells), Path(output), read_gate(gate)
    maps = {name: correction(Path(model), name) for name in load_mapper(Path(model)).names_}
    user_data = OwnData.model_validate(own)
    rows = rows_of(user_data)
    left_out = adata.uns[keys.LEFT_OUT].query("kind == 'file'").set_index("name")["reason"]
    lines, written = [], {}
    for row, place in zip(rows, file_places(rows, folder / "files")):
        path, batch = Path(str(row[PATH])), str(row[keys.BATCH])
        if str(path) in left_out.index:
            lines.append((str(path), batch, 0, "left out", left_out[str(path)]))
        else:
            corrector = maps.get(batch)
            if corrector is not None:
                corrector = replace(corrector, scales=scales_of_file(adata.uns[keys.CYTOF], str(path)))
            events, status, reason = _again(row, place, corrector, panel_of(adata, path))
            lines.append((str(path), batch, events, status, reason))
            if not reason:
                written[str(path)] = place
        print(*lines[-1], sep="  ", flush=True)
    if acquisition:
        _flag(adata, written)
    table_of_files = pd.DataFrame(lines, columns=list(FILES[:5]))
    write_table(_with_channels(table_of_files, adata, maps), folder / "files.tsv")
    if isinstance(user_data.gates, str):
        var = adata.var[adata.var[keys.TO_CORRECT].to_numpy(bool)]
        write_gates(Path(user_data.gates), rows, written, var, folder)
    write(_integrated(adata, maps, table, dataset), folder / "integrated.h5ad")


def _with_channels(files: pd.DataFrame, adata: AnnData, maps: Mapping[str, Correction]) -> pd.DataFrame:
    """Add to each file the markers that were corrected, the channels that were not, and trouble of its acquisition.

    Where maps learn from controls, it also has the controls of its batch and the markers that they do not stain.
    """
    troubles = adata.uns[keys.ACQUISITION].set_index("path")
    channels = adata.uns[keys.CHANNELS]
    rows = []
    for file in files.itertuples():
        done = set(maps[str(file.batch)].both) if file.status == "corrected" else set()
        of = channels[channels[PATH] == file.file]
        names = zip(of[keys.CHANNEL], of[keys.MARKER])
        stay = [m if m == c else f"{m} ({c})" for c, m in names if m not in done] if file.events else []
        about = troubles.loc[file.file] if file.file in troubles.index else {"flagged": 0, "trouble": ""}
        changed = [marker for marker in adata.var_names if marker in done]
        corrector = maps.get(str(file.batch)) if file.events else None
        by = (corrector.controls, ", ".join(corrector.not_stained)) if corrector else ("", "")
        rows.append((", ".join(changed), ", ".join(stay), about["flagged"], about["trouble"], *by))
    return files.assign(**dict(zip(FILES[5:], zip(*rows))))


def _flag(adata: AnnData, written: Mapping[str, Path]) -> None:
    """Add the channel of flags to every FCS file that was written."""
    flags, first = adata.obs[keys.ACQUISITION].to_numpy(), 0
    for path, n in adata.uns[keys.ACQUISITION][[PATH, "events"]].itertuples(index=False):
        if path in written and is_fcs(written[path]):
            events = open_fcs(written[path], FcsOptions(compensation=NONE))
            with atomic_write(written[path]) as part:
                add_channels(events, part, [FLAG_CHANNEL], flags[first : first + n, None])
        first += n


def _again(row: Mapping[str, object], place: Path, corrector: Correction | None, panel: Panel) -> tuple[int, str, str]:
    """Write a file and return its events, status and reason; a file of the reference is copied."""
    path, fcs = Path(str(row[PATH])), fcs_options(row)
    try:
        if corrector is None:
            return copy(path, place, panel, fcs), "reference", ""
        return correct(corrector, path, place, panel, fcs), "as measured" if corrector.leaves else "corrected", ""
    except InputError as error:
        return 0, "failed", str(error)


def file_places(rows: Sequence[Mapping[str, object]], folder: Path) -> list[Path]:
    """The path of each written file: its name and, where two files share a name, its sample before the name."""
    names = [Path(str(row[PATH])).name for row in rows]
    return [
        folder / (name if names.count(name) == 1 else f"{row[keys.SAMPLE]}_{name}") for row, name in zip(rows, names)
    ]


def _integrated(adata: AnnData, maps: Mapping[str, Correction], table: pd.DataFrame, dataset: str) -> AnnData:
    """All cells with ``layers["integrated"]``: cells of the reference and uncorrected markers stay as measured."""
    whole = np.array(adata.layers[keys.PREPROCESSED], dtype=np.float32)
    batches = adata.obs[keys.BATCH].astype(str).to_numpy()
    for name, corrector in maps.items():
        if corrector.leaves:
            continue
        read, write = (
            adata.var_names.get_indexer(pd.Index(markers)) for markers in (corrector.markers, corrector.both)
        )
        rows = np.flatnonzero(batches == name)
        for part in np.split(rows, range(CELLS, len(rows), CELLS)):
            whole[np.ix_(part, write)] = mapped_units(corrector, whole[np.ix_(part, read)])
    adata.layers[keys.INTEGRATED] = whole
    flags = table[table[keys.FLAG] != ""].groupby(keys.MARKER)[keys.FLAG].agg(lambda words: ", ".join(sorted({*words})))
    adata.var[keys.FLAG] = flags.reindex(adata.var_names).fillna("").astype(str)
    about = next(iter(maps.values())).provenance
    adata.uns |= {"dataset_id": dataset, "method_id": "magan", "parameters": about}
    return adata
