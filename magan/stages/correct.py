"""The user's own files corrected: what the safety gate says of the deployed arm, and every file written again."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import OwnData
from magan.correction import CELLS, Correction, correction, mapped_units
from magan.cytometry.fcs_read import fcs_options
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.load import rows_of
from magan.cytometry.panel import Panel
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.metrics.group_effects import confounded
from magan.stages.apply_model import correct
from magan.stages.atomic_files import read_gate, write, write_table
from magan.tasks.batch_correction import safety_gate as gates

FILES = ("file", "batch", "events", "status", "reason")


def judge(truth: str, mapped: str, gate: str, verdict: str) -> None:
    """Rule `judge`: marker by marker, is a batch better or worse after the deployed arm, and what to do with it."""
    cells, after = anndata.read_h5ad(truth), anndata.read_h5ad(mapped)
    arm, error = str(after.uns[keys.ARM]), str(after.uns[keys.ERROR])
    both = confounded(cells.obs[keys.BATCH], cells.obs[keys.GROUP]) if keys.GROUP in cells.obs else ""
    if error or not np.isfinite(after.X).all():
        table = pd.DataFrame(columns=list(gates.GATE))
        told = gates.Verdict("do not use", f"Do not use this correction: {arm} failed ({error or 'every seed'}).", ())
    else:
        table = gates.gate(cells, after)
        told = gates.verdict(table, gates.transfer(cells, after), both)
    write_table(table, gate)
    Path(verdict).write_text(json.dumps({"arm": arm, **told._asdict()}, indent=2) + "\n")


def correct_files(
    dataset: str,
    own: Mapping[str, Any],
    fallback: str,
    cells: str,
    model: str,
    gate: str,
    verdict: str,
    output: str,
) -> None:
    """Rule `correct`: every file again as the reference batch would have measured it, and all cells as one .h5ad.

    Files of the reference are copied. A file that cannot be corrected is named in files.tsv, and the others are
    written all the same.
    """
    adata, folder, table = anndata.read_h5ad(cells), Path(output), read_gate(gate)
    told = json.loads(Path(verdict).read_text())
    aligner = Aligner.load(model)
    maps = {
        name: _with_fallback(correction(Path(model), name), table[table["batch"] == name], fallback, told["word"])
        for name in aligner.names_
    }
    rows = rows_of(OwnData.model_validate(own))
    left_out = adata.uns[keys.LEFT_OUT].query("kind == 'file'").set_index("name")["reason"]
    lines = []
    for row, place in zip(rows, _places(rows, folder / "files")):
        path, batch = Path(str(row[PATH])), str(row[keys.BATCH])
        if str(path) in left_out.index:
            lines.append((str(path), batch, 0, "left out", left_out[str(path)]))
        else:
            lines.append((str(path), batch, *_again(row, place, maps.get(batch), _panel(adata, path))))
        print(*lines[-1], sep="  ", flush=True)
    write_table(pd.DataFrame(lines, columns=list(FILES)), folder / "files.tsv")
    write(_integrated(adata, maps, table, dataset), folder / "integrated.h5ad")


def _with_fallback(one: Correction, table: pd.DataFrame, fallback: str, word: str) -> Correction:
    """The correction of a batch, with what is done about its flagged markers."""
    flagged = tuple(m for m in one.both if m in set(table.loc[table["flag"] != "", "marker"]))
    about = one.provenance | {"MAGAN_VERDICT": word, "MAGAN_FLAGGED": ",".join(flagged), "MAGAN_FALLBACK": fallback}
    if fallback == "input":
        one = replace(one, both=tuple(marker for marker in one.both if marker not in flagged))
        about["MAGAN_MARKERS"] = ",".join(one.both)
    return replace(one, provenance=about, monotone=flagged if fallback == "monotone" else ())


def _again(row: Mapping[str, object], place: Path, one: Correction | None, panel: Panel) -> tuple[int, str, str]:
    """Events, status and reason of a file that is written again; without a correction it is copied."""
    path, fcs = Path(str(row[PATH])), fcs_options(row)
    try:
        if one is None:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            return read(path, panel=panel, fcs=fcs).n_obs, "reference", ""
        return correct(one, path, place, panel, fcs), "corrected", ""
    except InputError as error:
        return 0, "failed", str(error)


def _places(rows: Sequence[Mapping[str, object]], folder: Path) -> list[Path]:
    """Where each file goes: called as it was or, where two are called alike, after its sample."""
    names = [Path(str(row[PATH])).name for row in rows]
    return [
        folder / (name if names.count(name) == 1 else f"{row[keys.SAMPLE]}_{name}") for row, name in zip(rows, names)
    ]


def _panel(adata: AnnData, path: Path) -> Panel:
    """What reading the sheet found the channels of a file to be."""
    names = adata.uns[keys.NAMES]
    own = names[(names[PATH] == str(path)) & names["kept"]]
    kinds = adata.var[keys.MARKER_TYPE][own[keys.MARKER]]
    return Panel(tuple(own[keys.CHANNEL]), tuple(own[keys.MARKER]), tuple(kinds))


def _integrated(adata: AnnData, maps: Mapping[str, Correction], table: pd.DataFrame, dataset: str) -> AnnData:
    """All cells with ``layers["integrated"]``: the reference's, and markers that are not corrected, as measured."""
    whole = np.array(adata.layers[keys.PREPROCESSED], dtype=np.float32)
    batches = adata.obs[keys.BATCH].astype(str).to_numpy()
    for name, one in maps.items():
        read, write = (adata.var_names.get_indexer(markers) for markers in (one.markers, one.both))
        rows = np.flatnonzero(batches == name)
        for part in np.split(rows, range(CELLS, len(rows), CELLS)):
            whole[np.ix_(part, write)] = mapped_units(one, whole[np.ix_(part, read)])
    adata.layers[keys.INTEGRATED] = whole
    flags = table[table["flag"] != ""].groupby("marker")["flag"].agg(lambda words: ", ".join(sorted({*words})))
    adata.var[keys.FLAG] = flags.reindex(adata.var_names).fillna("").astype(str)
    about = next(iter(maps.values())).provenance
    adata.uns |= {"dataset_id": dataset, "method_id": "magan", "parameters": about}
    return adata
