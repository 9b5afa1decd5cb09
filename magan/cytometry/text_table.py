"""Tables of text as laboratories save them: encodings, separators, decimal signs, Excel's empty rows, and .xlsx.

Sample sheets, panels, labels and cells are all read, and written again, by what `dialect` finds here.
"""

import csv
import gzip
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

from magan.errors import InputError

EXCEL = ".xlsx"
SEPARATORS = ("\t", ";", ",", "|")
LOOKED_AT = 1 << 20  # bytes of a file that say how it is written
LINES = 200  # lines of them that say which sign parts fields and which decimals
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a table is written as text."""

    encoding: str
    separator: str
    decimal: str = "."


def is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def dialect(path: Path, what: str = "file") -> Dialect:
    """How a text file is written: UTF-8, UTF-16 or Windows-1252; tabs, semicolons or commas; decimal points or commas.

    Parameters
    ----------
    path
        Of text, or of text packed by gzip.
    what
        The file is, for messages.

    Raises
    ------
    InputError
        The file cannot be read as text.
    """
    try:
        with (gzip.open if is_gzip(path) else open)(path, "rb") as file:
            start = file.read(LOOKED_AT)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{what} {path} cannot be read as text ({error}); save it as UTF-8 text") from error
    encoding = _encoding(start)
    text = start.decode(encoding, errors="ignore")
    if "\0" in text:
        raise InputError(f"{what} {path} is not text (it holds null bytes); save it as UTF-8 CSV or TSV")
    lines = [line for line in text.splitlines()[:LINES] if line.strip() and not line.startswith("# ")]
    separator = _separator(lines)
    return Dialect(encoding, separator, _decimal(lines, separator))


def _encoding(start: bytes) -> str:
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = start[:200].count(0)
    if zeros > 20 and zeros >= len(start[:200]) // 3:  # UTF-16 without a mark: every second byte of Latin text is zero
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    try:
        start.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        # A character that the end of what is looked at cuts in two is no fault.
        return "utf-8" if error.start >= len(start) - 3 and len(start) == LOOKED_AT else "cp1252"


def _separator(lines: Sequence[str]) -> str:
    """The sign that gives the header as many fields as the line below, and more than one; else the header's sign."""
    if not lines:
        return ","
    header, *rest = lines[:20]
    counts = {sign: [len(_fields(line, sign)) for line in (header, *rest)] for sign in SEPARATORS}
    for sign in SEPARATORS:
        first, *below = counts[sign]
        if first > 1 and all(n == first for n in below):
            return sign
    return next((sign for sign in SEPARATORS[:3] if counts[sign][0] > 1), ",")


def _decimal(lines: Sequence[str], separator: str) -> str:
    if separator == ",":
        return "."
    fields = [field.strip() for line in lines[1:] for field in _fields(line, separator)]
    return "," if any(_DECIMAL_COMMA.fullmatch(field) for field in fields) else "."


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def first_line(path: Path, form: Dialect) -> str:
    """The first line of a text file, without its end.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with (gzip.open if is_gzip(path) else open)(path, "rt", encoding=form.encoding, newline="") as file:
            return file.readline().strip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"file {path} cannot be read as text ({error}); save it as UTF-8 text") from error


def rows(path: Path, what: str = "file", comment: str = "") -> list[tuple[int, list[str]]]:
    """Line number and fields of every row that holds a word.

    Parameters
    ----------
    path
        Of text, or of an .xlsx file, whose first sheet counts.
    what
        The file is, for messages.
    comment
        Rows that begin with it and a blank, or hold nothing but a word that begins with it, are left out.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    if path.suffix.lower() == EXCEL:
        found = _excel_rows(path, what)
    else:
        form = dialect(path, what)
        try:
            with (gzip.open if is_gzip(path) else open)(path, "rt", encoding=form.encoding, newline="") as file:
                lines = file.read().splitlines()
            found = list(enumerate(csv.reader(lines, delimiter=form.separator, strict=False), start=1))
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{what} {path} is not text ({error}); save it as UTF-8 CSV or TSV") from None
    stripped = [(n, [field.strip() for field in fields]) for n, fields in found]
    return [(n, fields) for n, fields in stripped if any(fields) and not (comment and _is_comment(fields, comment))]


def _is_comment(fields: Sequence[str], comment: str) -> bool:
    """``# a note, with commas``, and ``#note`` alone in its row; not the sample ``#2`` of a row with more fields."""
    return fields[0].startswith(f"{comment} ") or (fields[0].startswith(comment) and not any(fields[1:]))


def _excel_rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    import openpyxl  # slow to import, and only Excel files need it
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        found = [[_word(value) for value in row] for row in book.worksheets[0].iter_rows(values_only=True)]
        book.close()
    except (InvalidFileException, zipfile.BadZipFile, OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{what} {path} cannot be read as an Excel file ({error}); save it as .xlsx or CSV") from None
    return list(enumerate(found, start=1))


def _word(value: object) -> str:
    """A cell of a spreadsheet as a person reads it: 1 and not 1.0, and a day without the hour 0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return str(value.date())
    return str(value)
