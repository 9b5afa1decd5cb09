"""Look at a folder of files: which hold cells, and what each says of its acquisition."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from magan import keys
from magan.cytometry.arcsinh import RAW_BELOW
from magan.cytometry.fcs_header import SUFFIXES as FCS
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import ROWS, open_fcs
from magan.cytometry.read_cells import SUFFIXES, TEXT, opened, stem_of
from magan.errors import InputError

H5AD = ".h5ad"
TABLES = tuple(suffix for suffix in SUFFIXES if suffix.startswith(TEXT))
OURS = ("study.yaml", "files.tsv", ".snakemake")  # a folder with one of these holds results, or a proposal
LIGHT = re.compile(r"^[FS]SC\b|^[FS]SC-")  # scatter channels: only a flow cytometer has them


@dataclass(frozen=True)
class File:
    """A file of cells: its path, the folders below the one looked at, and what it says of itself.

    ``date`` is that of the acquisition, as 2019-03-01, or "". ``transform`` is the scale that its values ask for:
    logicle, none where they are transformed, "" for the arcsinh. ``problem`` says why it cannot be read.
    """

    path: Path
    folders: tuple[str, ...]
    date: str = ""
    markers: frozenset[str] = frozenset()
    transform: str = ""
    problem: str = ""

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return stem_of(self.path)


def look(folder: Path, output: Path) -> list[File]:
    """The files of cells in a folder and below it, in the order of their names; not those of earlier results.

    FCS files where there are any, else h5ad files, else tables.

    Raises
    ------
    InputError
        The folder does not exist, or holds no file of cells.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder of the files")
    found = sorted(_below(folder, output), key=lambda path: path.relative_to(folder).parts)
    tables = [path for path in found if path.name.lower().endswith(TABLES) and not _is_sheet(path)]
    h5ad = [path for path in found if path.name.lower().endswith(H5AD)]
    if chosen := [path for path in found if is_fcs(path)] or h5ad or tables:
        return [_seen(path, path.relative_to(folder).parts[:-1]) for path in chosen]
    raise InputError(f"{folder} holds no file of cells; give a folder with FCS, h5ad or CSV files")


def _below(folder: Path, output: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        inside = [name for name in folders if not name.startswith(".") and (here / name).resolve() != output.resolve()]
        folders[:] = [name for name in inside if not any((here / name / ours).exists() for ours in OURS)]
        yield from (here / name for name in names if not name.startswith("."))


def _is_sheet(path: Path) -> bool:
    """Whether a table describes files and holds no cells: a cell of its first row is the name of a file."""
    lines = path.read_bytes()[:4096].decode("utf-8", "replace").lower().splitlines()
    return any(suffix in line for line in lines[1:3] for suffix in (*FCS, H5AD))


def _seen(path: Path, folders: Sequence[str]) -> File:
    try:
        if is_fcs(path):
            events = open_fcs(path)
            names = [str(name) for name in events.var[keys.CHANNEL]]
            light = any(LIGHT.match(name.upper()) for name in names)
            values = events.read(0, min(events.n, ROWS))
            date, markers = _date(events.keywords.get("date", "")), events.var[keys.MARKER]
        else:
            cells = opened(path)
            light, values = False, np.asarray(cells.X[:ROWS])
            date, markers = "", pd.Series(cells.var_names)
    except (InputError, OSError) as error:
        return File(path, tuple(folders), problem=str(error))
    done = bool(values.size) and not light and np.nanpercentile(values, 99.9) < RAW_BELOW
    transform = "logicle" if light else "none" if done else ""
    return File(path, tuple(folders), date, frozenset(markers.astype(str)), transform)


def _date(text: str) -> str:
    for form in ("%d-%b-%Y", "%Y-%m-%d", "%d.%m.%Y", "%Y-%b-%d", "%d-%b-%y"):
        try:
            return datetime.strptime(text.strip(), form).date().isoformat()
        except ValueError:
            continue
    return ""
