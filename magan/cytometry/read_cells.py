"""Files of cells into AnnData, whatever their format: FCS, CSV, TSV or h5ad."""

import csv
import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.fcs_read import OPEN, FcsOptions, read_fcs
from magan.cytometry.panel import Panel, annotate
from magan.errors import InputError, nearest

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (".fcs", ".h5ad", *TEXT, *(f"{suffix}.gz" for suffix in TEXT))

LABELS = (keys.BATCH, keys.SAMPLE, keys.DONOR, keys.GROUP, keys.CELL_TYPE, keys.IS_CONTROL, keys.PAIR)
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


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
        FCS; h5ad; or CSV, TSV or TXT (also .gz), comma or tab separated, one row per cell.
        A first row of words holds the markers; a first column without a name holds row
        names and is left out; columns named batch, sample, donor, group, cell_type,
        is_control or pair become obs columns.
    panel
        Channels to keep, and what to call them; without one the file's names are used.
    obs
        Columns of one value for every cell of the file; they replace what the file says.
    markers
        Of a text file without a header row, in column order.
    fcs
        Of an FCS file: compensation, and what to trust.

    Returns
    -------
    AnnData
        ``X`` float32 as measured; obs has at least batch (default "1") and sample (default
        the file's stem); cells are called ``<stem>:<row>``, or as in the h5ad file; var as
        `annotate` leaves it.

    Raises
    ------
    InputError
        The file is missing, of another format, or does not hold a finite number per cell and marker.
    """
    adata = opened(path, markers=markers, fcs=fcs)
    if panel is not None or keys.MARKER_TYPE not in adata.var:
        adata = annotate(adata, panel, name=str(path))
    return labelled(adata, path, obs or {})


def opened(
    path: Path | str, *, markers: Sequence[str] | None = None, cell_type: str = "", fcs: FcsOptions = OPEN
) -> AnnData:
    """A file's cells as `read` finds them, with the names of the file and no label yet.

    Parameters
    ----------
    path, markers, fcs
        As in `read`.
    cell_type
        What tells the population of each cell: a column of the file, which is then no marker, or a text file with one
        label per line, row for row with the cells, with or without a first line that names them.

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
    suffix = _suffix(path)
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check the path")
    beside = Path(cell_type).suffix.lower() in TEXT
    if suffix == ".fcs":
        adata = read_fcs(path, fcs)
    elif suffix == ".h5ad":
        adata = _read_h5ad(path)
    else:
        adata = _read_text(path, markers, "" if beside else cell_type)
    if beside:
        adata.obs[keys.CELL_TYPE] = _labels(path, Path(cell_type), adata.n_obs)
    elif cell_type:
        adata = _column(path, adata, cell_type)
    return adata


def labelled(adata: AnnData, path: Path | str, obs: Mapping[str, object], prefix: str = "") -> AnnData:
    """The cells with a name each, and an obs column for each label, which replaces what the file says."""
    stem = stem_of(path)
    if _suffix(Path(path)) != ".h5ad":
        adata.obs_names = (prefix or stem) + ":" + adata.obs_names
    labels = {keys.BATCH: "1", keys.SAMPLE: stem}
    labels = {key: value for key, value in labels.items() if key not in adata.obs} | dict(obs)
    for key, value in labels.items():
        adata.obs[key] = str(value)
    if keys.IS_CONTROL in adata.obs:
        adata.obs[keys.IS_CONTROL] = _flag(Path(path), adata.obs[keys.IS_CONTROL])
    return adata


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise InputError(
        f"file {path} has the unknown suffix {path.suffix!r}; files ending in {', '.join(SUFFIXES)} are read"
    )


def stem_of(path: Path | str) -> str:
    """The file's name without what tells its format."""
    path = Path(path)
    return path.name[: -len(_suffix(path))]


def _labels(path: Path, file: Path, n_cells: int) -> np.ndarray:
    """A label per cell, ``(n,)``."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"labels {file} of {path} cannot be read ({error}); save them as UTF-8 text") from None
    if len(lines) not in (n_cells, n_cells + 1):
        raise InputError(f"{file} holds {len(lines)} lines for the {n_cells} cells of {path}; give one label per cell")
    return np.array([line.strip().strip('"') for line in lines[len(lines) - n_cells :]])


def _column(path: Path, adata: AnnData, name: str) -> AnnData:
    """The labels of a column of the file, whether text beside the values or one of the channels."""
    if name in adata.obs:
        adata.obs[keys.CELL_TYPE] = adata.obs[name].astype(str)
        return adata
    is_it = adata.var[[keys.CHANNEL, keys.MARKER]].eq(name).any(axis=1).to_numpy()
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


def _read_h5ad(path: Path) -> AnnData:
    """An AnnData file with dense float32 values and its channels named."""
    try:
        adata = anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise OSError, KeyError and their own
        raise InputError(
            f"file {path} cannot be read as h5ad ({type(error).__name__} {error}); write it again"
        ) from error
    if adata.X is None or not adata.n_obs or not adata.n_vars:
        raise InputError(f"file {path} holds {adata.n_obs} cells by {adata.n_vars} markers and no more; write it again")
    for names, what in ((adata.obs_names, "cell"), (adata.var_names, "marker")):
        if not names.is_unique:
            raise InputError(
                f"file {path}: {what} {names[names.duplicated()][0]!r} is listed twice; make the names unique"
            )
    x = adata.X if isinstance(adata.X, np.ndarray) else adata.X.toarray()
    adata.X = _finite(path, x, adata.var_names)
    for key in (keys.CHANNEL, keys.MARKER):
        if key not in adata.var:
            adata.var[key] = adata.var_names
    return adata


def _read_text(path: Path, markers: Sequence[str] | None, cell_type: str) -> AnnData:
    """A table of cells, with its obs columns taken out."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"file {path} cannot be read as text ({error}); save it as UTF-8 text") from error
    separator = "\t" if "\t" in line else ","
    header = next(csv.reader([line.strip("\r\n")], delimiter=separator), [])
    if not any(field.strip() for field in header):
        raise InputError(f"file {path} has an empty first line; begin it with a row of markers")
    headless = all(_is_number(field) for field in header)
    if headless and markers is None:
        raise InputError(f"file {path} has no header row (it begins {header[:3]}); add one or give markers=")
    if headless and len(markers) != len(header):
        raise InputError(
            f"file {path} has {len(header)} columns but {len(markers)} markers are given; give one per column"
        )
    if not headless and markers is not None:
        raise InputError(f"file {path} has a header row (it begins {header[:3]}); leave markers= out")
    try:
        table = pd.read_csv(
            path, sep=separator, header=None, skiprows=0 if headless else 1, low_memory=False, encoding="utf-8-sig"
        )
    except (ValueError, OSError, EOFError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"file {path} is no table ({str(error).strip()}); give every row the same columns") from error
    columns = list(markers) if headless else [field.strip() for field in header]
    return _table(path, table, columns, (*LABELS, cell_type))


def _table(path: Path, table: pd.DataFrame, columns: list[str], known: Sequence[str]) -> AnnData:
    if table.shape[1] != len(columns):
        raise InputError(
            f"file {path} has {len(columns)} names in its first row but {table.shape[1]} columns below; "
            "give every column one"
        )
    if not columns[0]:
        table, columns = table.iloc[:, 1:], columns[1:]
    if "" in columns:
        raise InputError(f"file {path}: column {columns.index('') + 1} has no name; give every column one")
    name, times = Counter(columns).most_common(1)[0] if columns else ("", 0)
    if times > 1:
        raise InputError(f"file {path}: column {name!r} is there {times} times; give each a name of its own")
    table.columns = columns
    labels = [column for column in columns if column in known]
    values = table.drop(columns=labels)
    for column in values:
        numbers = pd.to_numeric(values[column], errors="coerce")
        wrong = numbers.isna() & values[column].notna()
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"file {path}: {values[column].iloc[row]!r} in column {column!r}, cell {row + 1}, is no number; "
                f"correct it{nearest(column, known)}"
            )
        values[column] = numbers
    if values.empty:
        raise InputError(
            f"file {path} holds {len(values)} cells by {values.shape[1]} markers; give at least one of each"
        )
    index = pd.RangeIndex(len(values)).astype(str)
    obs = table[labels].astype(str).set_axis(index, axis=0)
    var = pd.DataFrame({keys.CHANNEL: values.columns, keys.MARKER: values.columns}, index=values.columns)
    return AnnData(_finite(path, values.to_numpy(dtype=np.float64), values.columns), obs=obs, var=var)


def _finite(path: Path, x: np.ndarray, names: pd.Index) -> np.ndarray:
    with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
        x = np.asarray(x).astype(np.float32)
    n_bad = (~np.isfinite(x)).sum(axis=0)
    if n_bad.any():
        worst = int(n_bad.argmax())
        raise InputError(
            f"file {path}: column {names[worst]!r} is empty or not finite in {n_bad[worst]} of {len(x)} cells; "
            "remove these cells"
        )
    return x


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
