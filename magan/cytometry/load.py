"""Load a user's files of cells, as a study lists them, into an AnnData."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pooch
from anndata import AnnData

from magan import keys
from magan.config import OwnData
from magan.cytometry.check_markers import check
from magan.cytometry.choose_scales import Asked
from magan.cytometry.combine_files import gather, stack, transform
from magan.cytometry.compensation import mixed
from magan.cytometry.consistent_markers import Rows
from magan.cytometry.draw_cells import limited
from magan.cytometry.fcs_read import fcs_options
from magan.cytometry.gating import gate
from magan.cytometry.harmonise_names import Aliases, read_aliases
from magan.cytometry.lab_gates import populations
from magan.cytometry.panel import Panel, read_panel
from magan.cytometry.read_cells import compensations
from magan.cytometry.sample_sheet import read_sheet
from magan.cytometry.transforms import scale_of
from magan.errors import InputError, among


def own_cells(user_data: OwnData, name: str) -> AnnData:
    """The user's files as `load_files` reads them, with populations by gates if any are set."""
    rows = limited(rows_of(user_data), user_data)
    if faults := mixed(compensations(rows), {str(row["path"]): str(row.get(keys.BATCH, "1")) for row in rows}):
        raise InputError(f"{name}: {faults[0]}")
    adata = load_files(rows, **reading(user_data, rows), leave_out=user_data.sheet is not None, name=name)
    return gate(adata, user_data.gates) if user_data.gates and not isinstance(user_data.gates, str) else adata


def rows_of(user_data: OwnData) -> list[dict[str, object]]:
    """A row for each of the user's files, as a sample sheet has them.

    Raises
    ------
    InputError
        As `read_sheet`; or a file is listed twice, by a path or by two paths.
    """
    places: dict[str, str] = {}
    for file in user_data.files:
        place = os.path.realpath(file.path)
        if place in places:
            raise InputError(f"{file.path} is the file {places[place]}, which is listed already; list each file once")
        places[place] = file.path
    rows = (
        read_sheet(user_data.sheet)
        if user_data.sheet
        else [file.model_dump(exclude_none=True) for file in user_data.files]
    )
    defaults = {key: value for key in keys.HOW_TO_READ if (value := getattr(user_data, key)) is not None}
    return [row | {key: row.get(key) or value for key, value in defaults.items()} for row in rows]


def reading(user_data: OwnData, rows: Rows) -> dict[str, Any]:
    """The arguments of `load_files` that do not stand in the rows.

    Raises
    ------
    InputError
        A panel has no file, or a table of the study is wrong.
    """
    panels = {str(row.get(keys.PANEL, "")) for row in rows}
    counts = (sorted(panels) if user_data.counts else ()) if isinstance(user_data.counts, bool) else user_data.counts
    for panel in (*counts, *(user_data.panel if isinstance(user_data.panel, dict) else ())):
        if panel not in panels:
            raise InputError(f"there is no file of panel '{panel}'{among(panel, panels)}")
    tables = (
        {name: read_panel(path) for name, path in user_data.panel.items()}
        if isinstance(user_data.panel, dict)
        else user_data.panel
    )
    panel = read_panel(tables) if isinstance(tables, str) else tables
    aliases = read_aliases(user_data.aliases) if isinstance(user_data.aliases, str) else user_data.aliases
    asked = {"panel": panel, "cofactor": scale_asked(user_data), "aliases": aliases, "counts": counts}
    return asked | {"populations": _populations(user_data, rows)}


def _populations(user_data: OwnData, rows: Rows) -> dict[str, np.ndarray]:
    """File -> the population of each event, where gates are in a file."""
    if not isinstance(user_data.gates, str):
        return {}
    return populations(Path(user_data.gates), {str(row["path"]): fcs_options(row) for row in rows})


def scale_asked(user_data: OwnData) -> Asked:
    """The scale that a data set asks for: its transform or, without a transform or for an arcsinh, its cofactor."""
    if isinstance(user_data.transform, dict):
        if isinstance(user_data.cofactor, dict):
            raise InputError("transform and cofactor are both given for each marker; give all markers in transform")
        return {keys.ALL: user_data.cofactor, **user_data.transform}
    if user_data.transform is None or user_data.transform.strip().lower() in ("arcsinh", "asinh"):
        return user_data.cofactor
    return scale_of(user_data.transform).spec


def load_files(
    files: Rows,
    *,
    panel: Panel | Mapping[str, Panel] | None = None,
    cofactor: Asked = 5.0,
    aliases: Aliases | None = None,
    counts: Sequence[str] = (),
    populations: Mapping[str, np.ndarray] | None = None,
    leave_out: bool = False,
    name: str = "files",
) -> AnnData:
    """Load a user's files with scales, checks and a source record, as `load` does for named data sets.

    Parameters
    ----------
    files, panel, aliases, counts, populations
        As in `magan.cytometry.combine_files.gather`.
    cofactor
        As in `magan.cytometry.combine_files.transform`.
    leave_out
        Go on without the files that cannot be used; ``uns["left_out"]`` names them.
    name
        Name of the data set, for messages and the record.

    Raises
    ------
    InputError
        As `gather`, `transform` and `check`.
    """
    found = gather(files, panel=panel, aliases=aliases, counts=counts, populations=populations, leave_out=leave_out)
    cytof = transform(found, cofactor, counts, leave_out)
    adata = stack(found)
    adata.uns[keys.CYTOF] = cytof
    check(adata, name)
    adata.uns[keys.SOURCE] = {"name": name, "files": _digests(list(found.cells)), "licence": "", "citation": ""}
    return adata


def _digests(paths: Sequence[str]) -> dict[str, str]:
    """Map file names to sha256; folders precede the name, joined by blanks, until all names differ."""
    names = [Path(path).name for path in paths]
    depth = 1
    deepest = max((len(Path(path).absolute().parts) for path in paths), default=0)
    while len(set(names)) < len(paths) and depth < deepest:  # two paths to a file never differ
        depth += 1
        names = [" ".join(Path(path).absolute().parts[-depth:]) for path in paths]
    return {name: pooch.file_hash(path) for name, path in zip(names, paths)}


def source_files(user_data: OwnData) -> list[str]:
    """The user's files, sheet and tables that exist; when any of them changes, the data set is made again."""
    return [path for path in _paths(user_data, rows_of(user_data)) if Path(path).is_file()]


def _paths(user_data: OwnData, rows: Rows) -> list[str]:
    tables = user_data.panel.values() if isinstance(user_data.panel, dict) else [user_data.panel]
    aliases = user_data.aliases if isinstance(user_data.aliases, str) else None
    matrices = {str(row.get(keys.COMPENSATION) or "") for row in rows}
    gates = user_data.gates if isinstance(user_data.gates, str) else None
    paths = [user_data.sheet, aliases, gates, *tables, *sorted(matrices), *(str(row["path"]) for row in rows)]
    return [path for path in paths if path]
