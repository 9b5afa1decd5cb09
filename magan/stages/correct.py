"""Write the user's files, corrected by the deployed method."""

from collections.abc import Iterator, Mapping, Sequence
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
from magan.cytometry.arcsinh import cofactors
from magan.cytometry.choose_scales import scales_of_file
from magan.cytometry.compensation import NONE
from magan.cytometry.consistent_markers import Rows
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import FcsOptions, fcs_options, open_fcs
from magan.cytometry.fcs_write import NewChannel, add_channels
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.integrated import write_parts
from magan.cytometry.load import rows_of
from magan.cytometry.panel import Panel
from magan.cytometry.whole_file import flags, on_scale, whole_file
from magan.errors import InputError
from magan.stages.apply_model import copy, correct
from magan.stages.atomic_files import atomic_write, read_gate, write, write_table
from magan.stages.gated import write_gates
from magan.stages.training_files import panel_of

FILES = ("file", keys.BATCH, "events", "status", "reason", "corrected", "as_measured", "flagged", "trouble")
FILES += ("mapped_by", keys.NOT_STAINED)
ABOUT = ("dataset_id", "method_id", "parameters")  # uns of the integrated cells, as Open Problems names it
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

    Where the data set holds only a sample of its cells, all cells are written as a folder of .h5ad files, see
    `magan.cytometry.integrated.open_integrated`. Files of the reference are copied. With ``acquisition``, FCS files
    get a channel that flags events acquired unevenly. A file that cannot be corrected is named in files.tsv, and all
    remaining files are written.
    """
    adata, folder, table = _read(cells), Path(output), read_gate(gate)
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
        _flag(adata, written, rows)
    table_of_files = pd.DataFrame(lines, columns=list(FILES[:5]))
    write_table(_with_channels(table_of_files, adata, maps), folder / "files.tsv")
    if isinstance(user_data.gates, str):
        var = adata.var[adata.var[keys.TO_CORRECT].to_numpy(bool)]
        write_gates(Path(user_data.gates), rows, written, var, folder)
    if keys.DRAWN not in adata.uns:
        write(_integrated(adata, maps, table, dataset), folder / f"{keys.INTEGRATED}.h5ad")
        return
    described = _described(adata, maps, table, dataset)
    for row in rows:
        if place := written.get(str(row[PATH])):
            corrector = maps.get(str(row[keys.BATCH]))
            _write_whole(described, row, corrector, folder / keys.INTEGRATED / f"{place.name}.h5ad")


def _read(cells: str) -> AnnData:
    """The data set; without values where it holds a sample, for all values are then in the files."""
    about = anndata.read_h5ad(cells, backed="r")
    if keys.DRAWN in about.uns:
        return AnnData(obs=about.obs, var=about.var, uns=dict(about.uns))
    return anndata.read_h5ad(cells)


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


def _flag(adata: AnnData, written: Mapping[str, Path], rows: Rows) -> None:
    """Add the channel of flags to every FCS file that was written."""
    sheet = {str(row[PATH]): row for row in rows}
    for path in adata.uns[keys.ACQUISITION][PATH]:
        if path in written and is_fcs(written[path]):
            events = open_fcs(written[path], FcsOptions(compensation=NONE))
            with atomic_write(written[path]) as part:
                add_channels(events, part, [FLAG_CHANNEL], _flags(adata, sheet[path], events.n)[:, None])


def _flags(adata: AnnData, row: Mapping[str, object], n: int) -> np.ndarray:
    """The flag of each of ``n`` events of a file, ``(n,)``."""
    cells = _cells(adata, str(row[PATH]))
    if cells.n_obs == n:
        return cells.obs[keys.ACQUISITION].to_numpy()
    return flags(row, cells.var, _scales(cells, str(row[PATH])), n).flags


def _cells(adata: AnnData, path: str) -> AnnData:
    """The cells of a file that the data set holds, by the markers of the file; var has the channels of the file."""
    if keys.DRAWN in adata.uns:
        sizes = adata.uns[keys.DRAWN].set_index(PATH)["drawn"]
    else:
        sizes = adata.uns[keys.ACQUISITION].set_index(PATH)["events"]
    stop, panel = int(sizes.cumsum()[path]), panel_of(adata, Path(path))
    cells = adata[stop - int(sizes[path]) : stop, list(panel.markers)].copy()
    cells.var[keys.CHANNEL], cells.var[keys.MARKER] = panel.channels, panel.markers
    return cells


def _scales(cells: AnnData, path: str) -> list[float | str]:
    """The scale of each marker of the cells of a file."""
    scales = scales_of_file(cells.uns[keys.CYTOF], path) or cofactors(cells)
    return [scales[marker] for marker in cells.var_names]


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
        rows = np.flatnonzero(batches == name)
        for part in np.split(rows, range(CELLS, len(rows), CELLS)):
            _map(whole, part, adata.var_names, corrector)
    adata.layers[keys.INTEGRATED] = whole
    return _described(adata, maps, table, dataset)


def _map(x: np.ndarray, rows: np.ndarray, names: pd.Index, corrector: Correction) -> None:
    """Replace the values ``(n, M)`` of some rows by their map, for the markers that it corrects."""
    if not corrector.leaves:
        read, write = (names.get_indexer(pd.Index(markers)) for markers in (corrector.markers, corrector.both))
        x[np.ix_(rows, write)] = mapped_units(corrector, x[np.ix_(rows, read)])


def _described(adata: AnnData, maps: Mapping[str, Correction], table: pd.DataFrame, dataset: str) -> AnnData:
    """The cells with the flags of markers in var, and what made them in uns."""
    flagged = table[table[keys.FLAG] != ""].groupby(keys.MARKER)[keys.FLAG]
    of_marker = flagged.agg(lambda words: ", ".join(sorted({*words})))
    adata.var[keys.FLAG] = of_marker.reindex(adata.var_names).fillna("").astype(str)
    about = next(iter(maps.values())).provenance
    adata.uns |= dict(zip(ABOUT, (dataset, "magan", about)))
    return adata


def _write_whole(adata: AnnData, row: Mapping[str, object], corrector: Correction | None, place: Path) -> None:
    """Write all cells of a file, by the markers of the data set, in arcsinh units after the map.

    obs has what the sheet says of the file, and the flags of the acquisition.
    """
    path = str(row[PATH])
    cells, file = _cells(adata, path), whole_file(row)
    n = int(adata.uns[keys.DRAWN].set_index(PATH).at[path, "cells"])
    of_file = [column for column in cells.obs if column in row or column == keys.SAMPLE]
    obs = pd.DataFrame({column: pd.Categorical([cells.obs[column].iloc[0]]).repeat(n) for column in of_file})
    obs[keys.ACQUISITION] = _flags(adata, row, n)
    prefix = str(cells.obs_names[0]).rpartition(":")[0]
    obs.index = pd.RangeIndex(n).astype(str).map(lambda name: f"{prefix}:{name}") if file.names is None else file.names
    columns, scales = adata.var_names.get_indexer(cells.var_names), _scales(cells, path)

    def values() -> Iterator[np.ndarray]:
        for _, _, units in on_scale(file, cells.var, scales):
            x = np.full((len(units), adata.n_vars), np.nan, np.float32)
            x[:, columns] = units
            if corrector is not None:
                for rows in np.split(np.arange(len(x)), range(CELLS, len(x), CELLS)):
                    _map(x, rows, adata.var_names, corrector)
            yield x

    with atomic_write(place) as part:
        about = {key: adata.uns[key] for key in (keys.CYTOF, *ABOUT)}
        write_parts(AnnData(obs=obs, var=adata.var, uns=about), values(), part)
