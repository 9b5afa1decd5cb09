"""Cells from tables of text: CSV, TSV or TXT, also packed by gzip."""

import contextlib
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.marker_names import CORRECTED, role, split_name
from magan.cytometry.text_table import Dialect, dialect, first_line
from magan.errors import InputError, nearest


def read_text(path: Path, markers: Sequence[str] | None, labels: Sequence[str]) -> AnnData:
    """A table of cells, float32; a field that is empty, or a word in a column that is no marker, is nan.

    Parameters
    ----------
    path
        A row per cell. Rows and columns at the edge that hold nothing are left out.
    markers
        Of a file without a header row, in column order.
    labels
        Columns that become obs.

    Raises
    ------
    InputError
        The file is no table, or a marker has a word where a number belongs.
    """
    form, columns, headless = _header(path, markers)
    with _as_table(path):
        table = pd.read_csv(path, **_how(form, headless))
    return _cells(path, *_without_edges(table.dropna(how="all"), columns), labels, form)


def text_parts(path: Path, labels: Sequence[str], rows: int) -> Iterator[AnnData]:
    """The cells of `read_text` in order, from about ``rows`` lines at a time.

    Raises
    ------
    InputError
        As `read_text`.
    """
    form, columns, headless = _header(path, None)
    words: Any = {i: str for i, column in enumerate(columns) if column in labels}  # a few lines do not say their type
    first = 0
    with _as_table(path), pd.read_csv(path, **_how(form, headless), dtype=words, chunksize=rows) as tables:
        for table in tables:
            if len(filled := table.dropna(how="all")):
                yield _cells(path, *_without_edges(filled, columns), labels, form, first)
                first += len(filled)


def first_fields(path: Path, form: Dialect) -> list[str]:
    """The fields of the first line.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    return next(csv.reader([first_line(path, form)], delimiter=form.separator), [])


def _header(path: Path, markers: Sequence[str] | None) -> tuple[Dialect, list[str], bool]:
    """How a file is written, the names of its columns, and whether it lacks a row of names."""
    form = dialect(path)
    header = first_fields(path, form)
    if not any(field.strip() for field in header):
        raise InputError(f"file {path} has an empty first line; begin it with a row of markers")
    headless = all(_is_number(field, form) for field in header)
    if headless and markers is None:
        raise InputError(f"file {path} has no header row (it begins {header[:3]}); add one or give markers=")
    if not headless and markers is not None:
        raise InputError(f"file {path} has a header row (it begins {header[:3]}); leave markers= out")
    columns = list(markers) if markers is not None else [field.strip() for field in header]
    if len(columns) != len(header):
        raise InputError(
            f"file {path} has {len(header)} columns but {len(columns)} markers are given; give one per column"
        )
    return form, columns, headless


def _how(form: Dialect, headless: bool) -> dict[str, Any]:
    """The arguments of pandas' reader."""
    about = {"sep": form.separator, "decimal": form.decimal, "encoding": form.encoding, "low_memory": False}
    return {**about, "header": None, "skiprows": 0 if headless else 1}


@contextlib.contextmanager
def _as_table(path: Path) -> Iterator[None]:
    """Say that a file is no table where pandas cannot read it."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, OSError, EOFError, csv.Error) as error:  # pandas' own errors are ValueErrors
        raise InputError(
            f"file {path} is no table ({' '.join(str(error).split())}); give every row the same columns"
        ) from error


def _without_edges(table: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Without the columns at the right that have neither a name nor a value, as Excel and some exports leave them."""
    while len(columns) > 1 and not columns[-1] and (len(columns) > table.shape[1] or table.iloc[:, -1].isna().all()):
        table, columns = table.iloc[:, : len(columns) - 1], columns[:-1]
    while table.shape[1] > len(columns) and table.iloc[:, -1].isna().all():
        table = table.iloc[:, :-1]
    return table, columns


def _cells(
    path: Path, table: pd.DataFrame, columns: list[str], labels: Sequence[str], form: Dialect, first: int = 0
) -> AnnData:
    """Cells of a table whose first row is the cell of number ``first`` in the file."""
    if table.shape[1] != len(columns):
        hint = "; numbers with decimal commas need semicolons between them" if form.separator == "," else ""
        raise InputError(
            f"file {path} has {len(columns)} names in its first row but {table.shape[1]} columns below; "
            f"give every column one{hint}"
        )
    if not columns[0]:
        table, columns = table.iloc[:, 1:], columns[1:]
    if "" in columns:
        raise InputError(f"file {path}: column {columns.index('') + 1} has no name; give every column one")
    name, times = Counter(columns).most_common(1)[0] if columns else ("", 0)
    if times > 1:
        raise InputError(f"file {path}: column {name!r} is there {times} times; give each a name of its own")
    table = table.set_axis(columns, axis=1).reset_index(drop=True)
    labels = [column for column in columns if column in labels]
    values = table.drop(columns=labels)
    if values.empty:
        raise InputError(
            f"file {path} holds {len(values)} cells by {values.shape[1]} markers; give at least one of each"
        )
    numbers = {column: _numbers(path, values[column], labels, first) for column in values}
    with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
        x = pd.DataFrame(numbers).to_numpy(dtype=np.float64).astype(np.float32)
    index = pd.RangeIndex(first, first + len(values)).astype(str)
    obs = table[labels].astype(str).set_axis(index, axis=0)
    var = pd.DataFrame({keys.CHANNEL: values.columns, keys.MARKER: values.columns}, index=values.columns)
    return AnnData(x, obs=obs, var=var)


def _numbers(path: Path, column: pd.Series, labels: Sequence[str], first: int) -> pd.Series:
    """A column as numbers; words in a column whose name is no marker's are nan."""
    words = column.astype(str) if column.dtype == bool else column  # True is no 1
    numbers = pd.to_numeric(words, errors="coerce")
    wrong = numbers.isna() & column.notna()
    name = str(column.name)
    if wrong.any() and role(*split_name(name, name))[0] == CORRECTED:
        row = int(wrong.argmax())
        raise InputError(
            f"file {path}: {str(words.iloc[row])!r} in column {name!r}, cell {first + row + 1}, is no number; "
            f"correct it{nearest(name, labels)}"
        )
    return numbers


def _is_number(text: str, form: Dialect) -> bool:
    try:
        float(text.replace(form.decimal, "."))
    except ValueError:
        return False
    return True
