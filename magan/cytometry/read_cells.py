"""Files of cells into AnnData, whatever their format: FCS, CSV, TSV or h5ad."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.compensation import Compensation, of_table
from magan.cytometry.fcs_header import SUFFIXES as FCS
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import OPEN, FcsOptions, fcs_options, open_fcs, read_fcs
from magan.cytometry.panel import Panel, annotate
from magan.cytometry.read_h5ad import read_h5ad
from magan.cytometry.read_text import first_fields, read_text
from magan.cytometry.text_table import dialect
from magan.errors import InputError, nearest

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*FCS, ".h5ad", *TEXT, *(f"{suffix}.gz" for suffix in TEXT))

LABELS = (keys.BATCH, keys.SAMPLE, keys.DONOR, keys.GROUP, keys.CELL_TYPE, keys.IS_CONTROL, keys.PAIR)
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


@dataclass(frozen=True)
class Drawn:
    """What reading a whole file leaves besides its sample.

    ``rows`` are the places of the drawn cells in the file ``(k,)``, ``n`` is the number of its cells, and ``n_bad``
    maps each channel to the number of cells in which it is not finite.
    """

    rows: np.ndarray
    n: int
    n_bad: Mapping[str, int]


def read(
    path: Path | str,
    *,
    panel: Panel | None = None,
    obs: Mapping[str, object] | None = None,
    markers: Sequence[str] | None = None,
    fcs: FcsOptions = OPEN,
) -> AnnData:
    """Read one file of cells.

    Parameters
    ----------
    path
        FCS, whatever its suffix; h5ad; or CSV, TSV or TXT (also .gz), in a form that
        `magan.cytometry.text_table.dialect` finds, with a row per cell. A first row of words holds the markers; a
        first column without a name holds row names and is left out; columns named batch, sample, donor, group,
        cell_type, is_control or pair become obs columns.
    panel
        Channels to keep, and what to call them; without one the file's names are used.
    obs
        Columns of one value for every cell of the file; they replace what the file says.
    markers
        Of a text file without a header row, in column order.
    fcs
        Of an FCS file: compensation, what to trust, and which data set.

    Returns
    -------
    AnnData
        ``X`` float32 as measured; obs has at least batch (default "1") and sample (default
        the file's stem); cells are called ``<stem>:<row>``, or as in the h5ad file; var as
        `annotate` leaves it.

    Raises
    ------
    InputError
        The file is missing, of another format, or does not hold a finite number per cell and marker; other channels
        may hold nan.
    """
    adata = opened(path, markers=markers, fcs=fcs)
    if panel is not None or keys.MARKER_TYPE not in adata.var:
        adata = annotate(adata, panel, name=str(path))
    finite_markers(adata, path)
    return labelled(adata, path, obs or {})


def finite_markers(adata: AnnData, path: Path | str, whole: Drawn | None = None) -> None:
    """Refuse a file in which a marker to be corrected is not finite in some cell.

    ``whole`` is known of the file where only some of its cells are given.

    Raises
    ------
    InputError
        The marker, and in how many cells.
    """
    n = whole.n if whole else adata.n_obs
    n_bad = (
        np.array([whole.n_bad[channel] for channel in adata.var[keys.CHANNEL]])
        if whole
        else (~np.isfinite(np.asarray(adata.X))).sum(axis=0)
    ) * adata.var[keys.TO_CORRECT].to_numpy(bool)
    if n_bad.any():
        worst = int(n_bad.argmax())
        raise InputError(
            f"file {path}: column {adata.var_names[worst]!r} is empty or not finite in {n_bad[worst]} of "
            f"{n} cells; remove these cells, or leave the column out of the panel"
        )


def opened(
    path: Path | str, *, markers: Sequence[str] | None = None, cell_type: str = "", fcs: FcsOptions = OPEN
) -> AnnData:
    """A file's cells as `read` finds them, with the names of the file and no label yet.

    Parameters
    ----------
    path, markers, fcs
        As in `read`.
    cell_type
        Where the population of each cell is: in a column of the file, which is then no marker, or in a text file with
        a label per line, row for row with the cells, with or without a first line that names them.

    Returns
    -------
    AnnData
        var has the columns channel and marker of the file; markers may repeat in FCS.

    Raises
    ------
    InputError
        As in `read`; or there is no such column, or another number of labels than of cells.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check the path")
    suffix = suffix_of(path)
    if is_fcs(path):
        adata = read_fcs(path, fcs, finite=False)
    elif suffix == ".h5ad":
        adata = read_h5ad(path)
    else:
        adata = read_text(path, markers, label_columns(cell_type))
    return with_cell_type(adata, path, cell_type)


def compensations(rows: Sequence[Mapping[str, object]]) -> dict[str, Compensation]:
    """Path -> what is known of its compensation, of each FCS file and table of text of a sheet that can be opened."""
    found = {}
    for row in rows:
        path = Path(str(row["path"]))
        with contextlib.suppress(InputError):  # which reading the file says
            if is_fcs(path):
                found[str(row["path"])] = open_fcs(path, fcs_options(row)).compensation
            elif suffix_of(path) != ".h5ad":
                found[str(row["path"])] = of_table(first_fields(path, dialect(path)))
    return found


def label_columns(cell_type: str) -> tuple[str, ...]:
    """The columns of a text file that become obs; ``cell_type`` as in `opened`."""
    return (*LABELS, "" if _in_file(cell_type) else cell_type)


def with_cell_type(
    adata: AnnData, path: Path, cell_type: str, rows: np.ndarray | None = None, n: int | None = None
) -> AnnData:
    """The cells with the population that ``cell_type`` of `opened` says, in obs.

    Where only some of the ``n`` cells of the file are given, ``rows`` are their places in it.
    """
    if _in_file(cell_type):
        found = _labels(path, Path(cell_type), adata.n_obs if n is None else n)
        adata.obs[keys.CELL_TYPE] = found if rows is None else found[rows]
    elif cell_type:
        adata = _column(path, adata, cell_type)
    return adata


def _in_file(cell_type: str) -> bool:
    return Path(cell_type).suffix.lower() in TEXT


def labelled(adata: AnnData, path: Path | str, obs: Mapping[str, object], prefix: str = "") -> AnnData:
    """The cells with a name each, and an obs column for each label, which replaces what the file says."""
    stem = stem_of(path)
    if suffix_of(Path(path)) != ".h5ad":
        adata.obs_names = (prefix or stem) + ":" + adata.obs_names
    labels = {keys.BATCH: "1", keys.SAMPLE: stem}
    labels = {key: value for key, value in labels.items() if key not in adata.obs} | dict(obs)
    for key, value in labels.items():
        adata.obs[key] = str(value)
    if keys.IS_CONTROL in adata.obs:
        adata.obs[keys.IS_CONTROL] = _flag(Path(path), adata.obs[keys.IS_CONTROL])
    return adata


def suffix_of(path: Path) -> str:
    """The suffix of a file of cells, in lower case where it is one of SUFFIXES.

    Raises
    ------
    InputError
        It is unknown, and the file does not begin as FCS files do.
    """
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    if is_fcs(path):
        return path.suffix
    raise InputError(
        f"file {path} has the unknown suffix {path.suffix!r}; files ending in {', '.join(SUFFIXES)} are read"
    )


def stem_of(path: Path | str) -> str:
    """The file's name without the suffixes of its format."""
    path = Path(path)
    return path.name[: -len(suffix_of(path))]


def _labels(path: Path, file: Path, n_cells: int) -> np.ndarray:
    """A label per cell, ``(n,)``."""
    encoding = dialect(file, f"labels of {path},").encoding
    lines = file.read_text(encoding=encoding, errors="replace").splitlines()
    if len(lines) not in (n_cells, n_cells + 1):
        raise InputError(f"{file} holds {len(lines)} lines for the {n_cells} cells of {path}; give one label per cell")
    return np.array([line.strip().strip('"') for line in lines[len(lines) - n_cells :]])


def _column(path: Path, adata: AnnData, name: str) -> AnnData:
    """The labels of a column of the file, whether it is text or a channel."""
    if name in adata.obs:
        adata.obs[keys.CELL_TYPE] = adata.obs[name].astype(str)
        return adata
    is_it = (adata.var[[keys.CHANNEL, keys.MARKER]] == name).any(axis=1).to_numpy()
    if is_it.sum() != 1:
        known = [*adata.obs, *adata.var[keys.MARKER]]
        raise InputError(f"file {path} has no column {name!r}{nearest(name, known)}; correct cell_type")
    labels = [f"{value:g}" for value in np.asarray(adata.X[:, is_it]).ravel()]
    adata = adata[:, ~is_it].copy()
    adata.obs[keys.CELL_TYPE] = labels
    return adata


def _flag(path: Path, column: pd.Series) -> pd.Series:
    """True and false from their spellings."""
    text = column.astype(str).str.strip().str.lower()
    unknown = text[~text.isin((*TRUE, *FALSE))]
    if len(unknown):
        raise InputError(f"{path}: {keys.IS_CONTROL} is {unknown.iloc[0]!r}; write true or false")
    return text.isin(TRUE)
