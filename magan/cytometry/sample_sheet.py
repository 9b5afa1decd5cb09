"""The sample sheet: one row per file, with what is known of its sample."""

import os
from pathlib import Path

from magan import keys
from magan.config import OwnFile, sheet_row
from magan.cytometry.text_table import rows
from magan.errors import InputError, nearest

PATH = "path"
NEEDED = (keys.SAMPLE, PATH, keys.BATCH)
OPTIONAL = tuple(name for name in OwnFile.model_fields if name not in NEEDED)
SURE = 0.75  # likeness of a misspelt column; plate, comment and condition are columns of their own
TABLES = (".csv", ".tsv", ".txt")


def read_sheet(path: Path | str) -> list[dict[str, object]]:
    """Read and check a sample sheet.

    Parameters
    ----------
    path
        TSV, CSV or .xlsx (its first sheet) with the columns sample, path and batch, and where known panel, donor,
        group, is_control and cell_type (a column of the file, or a file with a label per cell). Any other column
        describes the samples too. Rows without a word, and comments, which begin with "# ", are left out.

    Returns
    -------
    list
        A mapping per row, as `combine_files` takes them. Paths are those of the sheet's folder where such
        a file exists, else of the working directory. A blank field of a column means "unknown", or no control.

    Raises
    ------
    InputError
        The first thing wrong, with its line: a column is missing, misspelt or there twice, a row has more fields than
        the header, a field that is needed is blank, a sample or a file is listed twice, or a file does not exist.
    """
    path = Path(path)
    lines = _lines(path)
    number, header = lines[0]
    _header(f"{path}, line {number}", header)
    found: list[dict[str, object]] = []
    seen: dict[tuple[str, str], int] = {}
    for number, fields in lines[1:]:
        where = f"{path}, line {number}"
        if len(fields) > len(header):
            raise InputError(f"{where} has {len(fields)} fields but the header {len(header)}; give each column one")
        row = _row(where, dict(zip(header, [*fields, *[""] * (len(header) - len(fields))])), path.parent)
        for column, what in ((keys.SAMPLE, "sample"), (PATH, "file")):
            value = os.path.realpath(str(row[column])) if column == PATH else str(row[column])
            before = seen.setdefault((column, value), number)
            if before != number:
                raise InputError(f"{where}: {what} {row[column]!r} is on line {before} already; list each once")
        found.append(row)
    if not found:
        raise InputError(f"{path} lists no sample; add one row per file")
    return found


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and fields of every row that is not empty and no comment."""
    if not path.is_file():
        raise InputError(f"sample sheet {path} does not exist; check the path")
    found = rows(path, "sample sheet", comment="#")
    if not found:
        raise InputError(f"sample sheet {path} is empty; write the columns {', '.join(NEEDED)} and a row per file")
    return _without_edge(found)


def _without_edge(lines: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Without the columns at the right in which no row, the header included, has a word."""
    width = max(max((i for i, field in enumerate(fields, start=1) if field), default=0) for _, fields in lines)
    return [(number, fields[:width]) for number, fields in lines]


def _header(where: str, header: list[str]) -> None:
    for column in NEEDED:
        if column not in header:
            raise InputError(f"{where} has no column '{column}'{nearest(column, header)}; its columns are {header}")
    for column in header:
        if not column:
            raise InputError(f"{where}: column {header.index('') + 1} has no name; give every column one")
        if header.count(column) > 1:
            raise InputError(f"{where}: column '{column}' is there {header.count(column)} times; keep one of them")
        if column not in (*NEEDED, *OPTIONAL) and (hint := nearest(column, OPTIONAL, SURE)):
            raise InputError(f"{where}: unknown column '{column}'{hint}; correct it, or give it another name")


def _row(where: str, fields: dict[str, str], folder: Path) -> dict[str, object]:
    for column in (*NEEDED, *([keys.PANEL] if keys.PANEL in fields else [])):
        if not fields[column]:
            raise InputError(f"{where} has no {column}; fill it in")
    blank = {column: "unknown" for column in fields} | {keys.IS_CONTROL: "false", keys.CELL_TYPE: ""}
    blank |= dict.fromkeys((*keys.HOW_TO_READ, *keys.HOW_TO_SCALE), "")
    try:
        row = sheet_row({column: value or blank[column] for column, value in fields.items()}).model_dump()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    row = {column: row[column] for column in fields}
    row[PATH] = _found(where, fields[PATH], folder)
    for column in (keys.CELL_TYPE, keys.COMPENSATION):
        if Path(table := fields.get(column, "")).suffix.lower() in TABLES:
            row[column] = _found(where, table, folder)
    return row


def _found(where: str, path: str, folder: Path) -> str:
    for place in (folder / path, Path(path)):
        if place.is_file():
            return str(place)
    places = f"from {folder} or from {Path.cwd()}" if not Path(path).is_absolute() else "there"
    raise InputError(f"{where}: file {path} does not exist {places}; correct the path")
