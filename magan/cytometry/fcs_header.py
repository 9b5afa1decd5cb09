"""What an FCS file says about itself: its header and its keywords, the parsers being flowio and fcsparser."""

import re
import warnings
from pathlib import Path
from typing import NamedTuple

import fcsparser
import flowio

from magan.errors import InputError

HEADER_BYTES = 58  # version, four blanks and six offsets of eight digits


class Header(NamedTuple):
    """What the first 58 bytes say; byte offsets from the start of the file, ends inclusive."""

    version: str
    text_start: int
    text_stop: int
    data_start: int
    data_stop: int


def read_header(path: Path) -> Header:
    """The header's offsets, once the file is known to be there, FCS and long enough.

    Raises
    ------
    InputError
        The file is missing, empty, cut short or no FCS file, or its header is damaged.
    """
    if not path.is_file():
        raise InputError(f"FCS file {path} does not exist; check the path")
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(HEADER_BYTES)
    if size == 0:
        raise InputError(f"FCS file {path} is empty (0 bytes); copy or export it again")
    if not first.startswith(b"FCS"):
        raise InputError(f"{path} is not an FCS file (it begins with {first[:6]!r}, not 'FCS'); export it as FCS 3.1")
    fields = [first[start : start + 8].strip() for start in (10, 18, 26, 34)]
    readable = len(first) == HEADER_BYTES and all(field.isdigit() for field in fields if field)
    header = Header(first[3:6].decode("latin-1"), *(int(field or 0) for field in fields)) if readable else None
    if header is None or not header.text_start < header.text_stop or 0 < header.data_start < header.text_stop:
        raise InputError(f"FCS file {path} has a damaged header ({first[10:42]!r}); copy or export it again")
    # The last byte may be given exclusively, so an end equal to the size is no loss yet.
    promised = max(header.text_stop, header.data_stop)
    if promised > size:
        raise InputError(
            f"FCS file {path} is cut short: its header promises {promised + 1} bytes, it has {size}; "
            "copy or export it again"
        )
    return header


def read_keywords(path: Path, header: Header) -> dict[str, str]:
    """Keywords in lower case without ``$``, by flowio, or by fcsparser where flowio refuses.

    Raises
    ------
    InputError
        Both refuse, or the file holds several data sets.
    """
    with path.open("rb") as file:
        file.seek(header.text_start)
        text = file.read(header.text_stop - header.text_start + 1)
    delimiter, encoding = text[:1].decode("latin-1"), _encoding(text)
    # A warning of either parser means that it guesses, which is a refusal too.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with path.open("rb") as file:
                return _separate(flowio.FlowData(file, only_text=True).text, delimiter)
        except Exception as error:
            # Parsers of damaged bytes raise anything, EOFError to struct.error.
            flowio_says = error
        try:
            found = fcsparser.api.FCSParser(str(path), read_data=False, encoding=encoding).annotation
        except Exception as error:
            raise unreadable(path, f"flowio: {brief(flowio_says)}; fcsparser: {brief(error)}") from error
    keywords = _separate({key.lower().lstrip("$"): str(value) for key, value in found.items()}, delimiter)
    if keywords.get("nextdata", "0").strip() not in ("", "0"):
        raise InputError(f"FCS file {path} holds more than one data set ($NEXTDATA); split it into one file each")
    return keywords


def whole_number(path: Path, keywords: dict[str, str], name: str) -> int:
    """The value of a keyword that must be a whole number.

    Raises
    ------
    InputError
        It is none, or missing.
    """
    value = keywords.get(name, "").strip()
    if not value.isdigit():
        raise InputError(f"FCS file {path} has no usable ${name.upper()} ({value!r}); export it again as FCS 3.1")
    return int(value)


def unreadable(path: Path, why: str) -> InputError:
    """The error for a file that is FCS but of no kind that can be read."""
    return InputError(f"FCS file {path} cannot be read ({why}); copy or export it again as FCS 3.1")


def brief(error: Exception) -> str:
    """An error of a parser on one line."""
    return re.sub(r"\s+", " ", f"{type(error).__name__} {error}")[:120]


def _separate(keywords: dict[str, str], delimiter: str) -> dict[str, str]:
    """Undo what an empty value does to both parsers.

    They take its two delimiters for an escaped one: ``/$P1S//$P2S/CD3/`` gives the
    keyword ``p1s/p2s``, and two channels would lose their names without a word.
    """
    separate = {}
    for key, value in keywords.items():
        *empty, last = key.split(delimiter) if delimiter else [key]
        separate |= dict.fromkeys((name.lstrip("$") for name in empty), "")
        separate[last.lstrip("$")] = value
    return separate


def _encoding(text: bytes) -> str:
    """UTF-8 as FCS 3.1 asks, or Latin-1 where the bytes are not; fcsparser would drop what it cannot decode."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
