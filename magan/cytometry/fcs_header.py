"""What an FCS file says about itself: its header, its keywords, and where its data begin."""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from magan.errors import InputError

HEADER_BYTES = 58  # version, four blanks and six offsets of eight digits
SUFFIXES = (".fcs", ".lmd")
ESCAPED = "\ue000"  # stands for a doubled delimiter while keywords are taken apart; no file holds it


class Header(NamedTuple):
    """What the first 58 bytes of a data set say; byte offsets from their start, ends inclusive.

    ``base`` is the byte of the file at which the data set begins, 0 for the first.
    """

    version: str
    text_start: int
    text_stop: int
    data_start: int
    data_stop: int
    base: int = 0


def is_fcs(path: Path | str) -> bool:
    """Whether a file is FCS: by its suffix, or by its first bytes where the suffix (.001, .B08) says nothing."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(6)[:3] == b"FCS"
    return False


def data_sets(path: Path) -> list[tuple[Header, dict[str, str]]]:
    """Header and keywords of every data set of a file, in its order.

    ``$NEXTDATA`` counts from the start of its own data set, and 0, or a place behind the file's end, says that there
    is no further one.

    Raises
    ------
    InputError
        As `read_header` and `read_text`; or no data set begins where ``$NEXTDATA`` says.
    """
    found, base, size = [], 0, path.stat().st_size if path.is_file() else 0
    while True:
        header = read_header(path, base)
        words = read_text(path, header)
        found.append((header, words))
        value = as_keywords(words).get("nextdata", "").strip() or "0"
        step = int(value) if re.fullmatch(r"[0-9]{1,18}", value) else -1
        if step == 0 or base + step >= size:
            return found
        if step < HEADER_BYTES or _bytes(path, base + step, base + step + 2) != b"FCS":
            raise unreadable(path, f"no data set begins where $NEXTDATA says, {value} bytes on")
        base += step


def choose_data_set(path: Path, asked: str | None) -> tuple[Header, dict[str, str]]:
    """Header and keywords of the data set of a number, from 1; of the only one for None.

    Raises
    ------
    InputError
        As `data_sets`; there are several and none is asked for, or there are not so many.
    """
    found = data_sets(path)
    if asked is None and len(found) == 1:
        return found[0]
    if asked is None or int(asked) > len(found):
        held = [_described(number, *data_set) for number, data_set in enumerate(found, start=1)]
        lacks = "" if asked is None else f"has no data set {asked}: it "
        several = "s" if len(found) > 1 else ""
        raise InputError(
            f"FCS file {path} {lacks}holds {len(found)} data set{several} ({'; '.join(held)}); say which with data_set"
        )
    return found[int(asked) - 1]


def _described(number: int, header: Header, words: dict[str, str]) -> str:
    keywords = as_keywords(words)
    return f"{number}: {keywords.get('tot', '?').strip()} events of {keywords.get('par', '?').strip()} channels"


def read_header(path: Path, base: int = 0) -> Header:
    """The offsets of the header at byte ``base``, once the file is known to be there, FCS and long enough.

    Raises
    ------
    InputError
        The file is missing, empty, cut short or no FCS file, or its header is damaged.
    """
    if not path.is_file():
        raise InputError(f"FCS file {path} does not exist; check the path")
    size = path.stat().st_size - base
    with path.open("rb") as file:
        file.seek(base)
        first = file.read(HEADER_BYTES)
    if size == 0:
        raise InputError(f"FCS file {path} is empty (0 bytes); copy or export it again")
    if not first.startswith(b"FCS"):
        raise InputError(f"{path} is not an FCS file (it begins with {first[:6]!r}, not 'FCS'); export it as FCS 3.1")
    fields = [first[start : start + 8].strip() for start in (10, 18, 26, 34)]
    readable = len(first) == HEADER_BYTES and all(field.isdigit() for field in fields if field)
    places = [int(field or 0) for field in fields] if readable else []
    header = Header(first[3:6].decode("latin-1"), places[0], places[1], places[2], places[3], base) if places else None
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


def read_text(path: Path, header: Header) -> dict[str, str]:
    """All keywords as the file spells them, in its order; those of supplemental TEXT last.

    Raises
    ------
    InputError
        TEXT holds no keyword.
    """
    first = _bytes(path, header.base + header.text_start, header.base + header.text_stop)
    words = split_text(first)
    if not words:
        raise unreadable(path, "its TEXT segment holds no keyword")
    keywords = as_keywords(words)
    start, stop = (keywords.get(key, "").strip() for key in ("beginstext", "endstext"))
    if start.isdigit() and stop.isdigit() and 0 < int(start) < int(stop) < path.stat().st_size:
        more = _bytes(path, header.base + int(start), header.base + int(stop))
        if more[:1] == first[:1]:  # otherwise the offsets are stale
            words |= {key: value for key, value in split_text(more).items() if key not in words}
    return words


def as_keywords(words: dict[str, str]) -> dict[str, str]:
    """Keywords in lower case without ``$``; of ``$P1N`` and ``P1N`` the standard's counts."""
    ours = {key.lower(): value for key, value in words.items() if not key.startswith("$")}
    return ours | {key[1:].lower(): value for key, value in words.items() if key.startswith("$")}


def split_text(data: bytes) -> dict[str, str]:
    """Keyword -> value of a TEXT segment, whose first character is the delimiter.

    A doubled delimiter is one character of a value; but software writes empty values too, which the standard forbids:
    no keyword holds a delimiter, so ``/$P1S//$P2S/CD3/`` has an empty ``$P1S``. The last delimiter may be missing.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:  # FCS 2.0 and 3.0 know no UTF-8
        text = data.decode("latin-1")
    delimiter, body = text[:1], text[1:]
    parts = body.replace(2 * delimiter, ESCAPED).split(delimiter) if delimiter else []
    if parts and not parts[-1].strip(" \0\r\n\t"):
        parts.pop()  # what stands behind the last delimiter
    if len(parts) % 2:  # an empty value at the end
        parts.append("")
    words: dict[str, str] = {}
    for key, value in zip(parts[::2], parts[1::2]):
        *empty, last = key.split(ESCAPED)
        if empty and not last.strip() and value:  # ``/$FIL///a/``: the value begins with a delimiter
            last, value = empty.pop(), ESCAPED + value
        words |= {name.strip(): "" for name in empty if name.strip()}
        words[last.strip()] = value.replace(ESCAPED, delimiter)
    words.pop("", None)
    return words


def whole_number(path: Path, keywords: dict[str, str], name: str) -> int:
    """The value of a keyword that must be a whole number.

    Raises
    ------
    InputError
        It is none, or missing.
    """
    value = keywords.get(name, "").strip()
    if not re.fullmatch(r"[0-9]{1,18}", value):
        shown = value if len(value) <= 30 else f"{value[:30]}..."
        raise InputError(f"FCS file {path} has no usable ${name.upper()} ({shown!r}); export it again as FCS 3.1")
    return int(value)


def unreadable(path: Path, why: str) -> InputError:
    """The error for a file that is FCS but of no kind that can be read."""
    return InputError(f"FCS file {path} cannot be read ({why}); copy or export it again as FCS 3.1")


def start_of_data(
    path: Path, header: Header, keywords: dict[str, str], n_values: int, n_bytes: int, trust: str | None = None
) -> int:
    """Byte of the file at which the first value begins, once header, keywords and the size of the file agree on it.

    Parameters
    ----------
    path, header, keywords
        The file, and what it says.
    n_values, n_bytes
        What ``$PAR``, ``$TOT`` and the widths of channels promise.
    trust
        "header": the header is right where the keywords say another place.

    Raises
    ------
    InputError
        Header, keywords and size disagree.
    """
    starts, ends = {header.data_start}, {header.data_stop}
    empty = header.data_start == 0 == header.data_stop  # too far from the start for eight digits
    if header.version != "2.0" and "begindata" in keywords and (empty or trust != "header"):
        start = whole_number(path, keywords, "begindata")
        end = whole_number(path, keywords, "enddata") if "enddata" in keywords else header.data_stop
        starts, ends = ({start}, {end}) if empty else (starts | {start}, ends | {end})
    start = min(starts)
    right = {start + n_bytes - 1, start + n_bytes}  # inclusive, or exclusive by mistake
    if len(starts) == len(ends) == 1 and "begindata" in keywords and not ends & right:
        bytes_each = n_bytes // max(n_values, 1)
        raise InputError(
            f"{path} says {keywords['tot'].strip()} events of {keywords['par'].strip()} channels ($TOT, $PAR) but its "
            f"data segment holds {(min(ends) - start + 1) // max(bytes_each, 1)} values, not {n_values}; "
            "export the file again"
        )
    if len(starts) > 1 or not ends & right:
        remedy = "" if trust or header.data_stop - header.data_start + 1 != n_bytes else "say trust: header, or "
        raise InputError(
            f"FCS file {path} contradicts itself about its data: header bytes {header.data_start} to "
            f"{header.data_stop}, keywords {keywords.get('begindata')} to {keywords.get('enddata')}, "
            f"$TOT asks for {n_bytes} bytes; {remedy}export the file again"
        )
    if (size := path.stat().st_size - header.base) < start + n_bytes:
        raise InputError(
            f"FCS file {path} is cut short: $TOT promises {start + n_bytes} bytes, it has {size}; "
            "copy or export it again"
        )
    return header.base + start


def _bytes(path: Path, first: int, last: int) -> bytes:
    with path.open("rb") as file:
        file.seek(first)
        return file.read(last - first + 1)
