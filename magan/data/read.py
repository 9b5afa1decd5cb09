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
from magan.data.cytof import Panel, annotate
from magan.data.fcs import read_fcs
from magan.errors import InputError, nearest

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (".fcs", ".h5ad", *TEXT, *(f"{suffix}.gz" for suffix in TEXT))

LABELS = (keys.BATCH, keys.SAMPLE, keys.DONOR, keys.GROUP, keys.CELL_TYPE, keys.IS_CONTROL)
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def read(
    path: Path | str,
    *,
    panel: Panel | None = None,
    obs: Mapping[str, str] | None = None,
    markers: Sequence[str] | None = None,
) -> AnnData:
    """Read one file of cells.

    Parameters
    ----------
    path
        FCS; h5ad; or CSV, TSV or TXT (also .gz), comma or tab separated, one row per cell.
        A first row of words holds the markers; a first column without a name holds row
        names and is left out; columns named batch, sample, donor, group, cell_type or
        is_control become obs columns.
    panel
        Channels to keep, and what to call them; without one the file's names are used.
    obs
        Columns of one value for every cell of the file; they replace what the file says.
    markers
        Of a text file without a header row, in column order.

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
    path = Path(path)
    suffix = _suffix(path)
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check the path")
    if suffix == ".fcs":
        adata = read_fcs(path)
    elif suffix == ".h5ad":
        adata = _read_h5ad(path)
    else:
        adata = _read_text(path, markers)
    if panel is not None or keys.MARKER_TYPE not in adata.var:
        adata = annotate(adata, panel, name=str(path))
    if suffix != ".h5ad":
        adata.obs_names = _stem(path) + ":" + adata.obs_names
    labels = {keys.BATCH: "1", keys.SAMPLE: _stem(path)}
    labels = {key: value for key, value in labels.items() if key not in adata.obs} | dict(obs or {})
    for key, value in labels.items():
        adata.obs[key] = str(value)
    if keys.IS_CONTROL in adata.obs:
        adata.obs[keys.IS_CONTROL] = _flag(path, adata.obs[keys.IS_CONTROL])
    return adata


def read_many(files: Sequence[Mapping[str, object]], *, panel: Panel | None = None) -> AnnData:
    """Read files and put their cells one below the other.

    Parameters
    ----------
    files
        Rows of a sample sheet: ``path``, and a value per obs column.
    panel
        As in `read`, for every file.

    Returns
    -------
    AnnData
        As of `read`, with the markers in the order of the first file. Cell names that two h5ad files share
        are made unique by the file's stem.

    Raises
    ------
    InputError
        A file cannot be read; two files have one stem; or markers or obs columns differ between files.
    """
    if not files:
        raise InputError("no file is given; list at least one path")
    if any("path" not in row for row in files):
        raise InputError(
            f"file {[('path' in row) for row in files].index(False) + 1} of the list has no path; give one"
        )
    paths = [Path(str(row["path"])) for row in files]
    stem, times = Counter(map(_stem, paths)).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} files are called {stem!r}, which names their cells; rename all but one")
    parts = [
        read(path, panel=panel, obs={key: str(value) for key, value in row.items() if key != "path"})
        for path, row in zip(paths, files)
    ]
    first = parts[0]
    for path, part in zip(paths[1:], parts[1:]):
        _same(f"markers of {paths[0]} and {path} differ", first.var_names, part.var_names)
        _same(f"columns of {paths[0]} and {path} differ", first.obs.columns, part.obs.columns)
    if len({name for part in parts for name in part.obs_names}) < sum(part.n_obs for part in parts):
        for path, part in zip(paths, parts):
            part.obs_names = _stem(path) + ":" + part.obs_names
    adata = anndata.concat([part[:, first.var_names] for part in parts])
    adata.var = first.var.copy()
    return adata


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise InputError(
        f"file {path} has the unknown suffix {path.suffix!r}; files ending in {', '.join(SUFFIXES)} are read"
    )


def _stem(path: Path) -> str:
    return path.name[: -len(_suffix(path))]


def _same(what: str, one: pd.Index, other: pd.Index) -> None:
    for missing, where in ((one.difference(other), "second"), (other.difference(one), "first")):
        if len(missing):
            raise InputError(f"{what}: {list(missing)} missing from the {where}; give every file the same, or a panel")


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


def _read_text(path: Path, markers: Sequence[str] | None) -> AnnData:
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
    return _table(path, table, columns)


def _table(path: Path, table: pd.DataFrame, columns: list[str]) -> AnnData:
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
    labels = [column for column in columns if column in LABELS]
    values = table.drop(columns=labels)
    for column in values:
        numbers = pd.to_numeric(values[column], errors="coerce")
        wrong = numbers.isna() & values[column].notna()
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"file {path}: {values[column].iloc[row]!r} in column {column!r}, cell {row + 1}, is no number; "
                f"correct it{nearest(column, LABELS)}"
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
