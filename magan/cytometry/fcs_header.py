"""What an FCS file says about itself: its header and its keywords, the parsers being flowio and fcsparser."""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import fcsparser
import flowio
import numpy as np
import pandas as pd

from magan import keys
from magan.errors import InputError

HEADER_BYTES = 58  # version, four blanks and six offsets of eight digits
ORDERS = {"1,2,3,4": "<", "1,2": "<", "4,3,2,1": ">", "2,1": ">"}  # $BYTEORD


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


class Amplified(NamedTuple):
    """A channel whose values are not linear as they are stored: ``offset * 10**(decades * x / largest) / gain``."""

    column: int
    decades: float  # 0: linear but for the gain
    offset: float
    largest: float
    gain: float


def layout(path: Path, keywords: dict[str, str], n_channels: int) -> tuple[tuple[int, ...], np.dtype]:
    """Bytes of each channel, and the type in which they are read."""
    order = ORDERS.get(keywords.get("byteord", "").strip())
    if order is None:
        raise unreadable(path, f"byte order {keywords.get('byteord')!r} is unknown")
    kind = keywords.get("datatype", "").strip().upper()
    if kind in ("F", "D"):  # whatever $PnB says, as flowio has it
        dtype = np.dtype(f"{order}f{4 if kind == 'F' else 8}")
        return (dtype.itemsize,) * n_channels, dtype
    if kind != "I":
        raise unreadable(path, f"data type {kind!r} is neither I, F nor D")
    bits = [whole_number(path, keywords, f"p{n}b") for n in range(1, n_channels + 1)]
    odd = [b for b in bits if b % 8 or not 8 <= b <= 64]
    if odd:
        raise unreadable(path, f"an integer of {odd[0]} bits")
    widths = tuple(b // 8 for b in bits)
    alike = len(set(widths)) == 1 and widths[0] in (1, 2, 4, 8)
    return widths, np.dtype(f"{order}u{widths[0]}" if alike else "u1")


def start_of_data(path: Path, header: Header, keywords: dict[str, str], n: int, widths: tuple[int, ...]) -> int:
    """Where the first value is, once header, keywords and the size of the file agree on it."""
    n_bytes, starts, ends = n * sum(widths), {header.data_start}, {header.data_stop}
    if header.version != "2.0" and "begindata" in keywords:  # FCS 2.0 knows no such keyword
        start = whole_number(path, keywords, "begindata")
        end = whole_number(path, keywords, "enddata") if "enddata" in keywords else header.data_stop
        large = header.data_start == 0 == header.data_stop  # too far from the start for eight digits
        starts, ends = ({start}, {end}) if large else (starts | {start}, ends | {end})
    start = min(starts)
    right = {start + n_bytes - 1, start + n_bytes}  # inclusive, or exclusive by mistake
    if len(starts) == len(ends) == 1 and "begindata" in keywords and not ends & right:
        found = (min(ends) - start + 1) * len(widths) // sum(widths)
        raise InputError(
            f"{path} says {n} events of {len(widths)} channels ($TOT, $PAR) but its data segment holds "
            f"{found} values, not {n * len(widths)}; export the file again"
        )
    if len(starts) > 1 or not ends & right:
        raise InputError(
            f"FCS file {path} contradicts itself about its data: header bytes {header.data_start} to "
            f"{header.data_stop}, keywords {keywords.get('begindata')} to {keywords.get('enddata')}, "
            f"$TOT asks for {n_bytes} bytes; export the file again"
        )
    if (size := path.stat().st_size) < start + n_bytes:
        raise InputError(
            f"FCS file {path} is cut short: $TOT promises {start + n_bytes} bytes, it has {size}; "
            "copy or export it again"
        )
    return start


def channels(path: Path, keywords: dict[str, str], n_channels: int) -> pd.DataFrame:
    """Channel and marker names, one row per channel, indexed by channel."""
    names = [keywords.get(f"p{n}n", "").strip() for n in range(1, n_channels + 1)]
    if "" in names:
        n = names.index("") + 1
        raise InputError(f"FCS file {path} gives channel {n} no name ($P{n}N); export it again with channel names")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"FCS file {path} uses the channel name {name!r} {times} times ($PnN); rename the channels and export again"
        )
    markers = [keywords.get(f"p{n}s", "").strip() or name for n, name in enumerate(names, start=1)]
    return pd.DataFrame({keys.CHANNEL: names, keys.MARKER: markers}, index=names)


def masks(path: Path, keywords: dict[str, str], widths: tuple[int, ...]) -> tuple[int, ...]:
    """Bits of each integer below the power of two that holds ``$PnR``; the standard says to ignore those above."""
    masks = []
    for n, width in enumerate(widths, start=1):
        try:
            largest = int(float(keywords[f"p{n}r"]))
        except (KeyError, ValueError, OverflowError) as error:
            raise unreadable(path, f"$P{n}R is {keywords.get(f'p{n}r')!r}") from error
        bits = min((largest - 1).bit_length(), 8 * width) if largest > 1 else 8 * width
        masks.append(2**bits - 1)
    whole = all(mask == 2 ** (8 * width) - 1 for mask, width in zip(masks, widths))
    return () if whole else tuple(masks)


def amplified(path: Path, keywords: dict[str, str], n_channels: int) -> tuple[Amplified, ...]:
    """The channels on a logarithmic scale (integers only) or with a gain."""
    integers, found = keywords["datatype"].strip().upper() == "I", []
    for n in range(1, n_channels + 1):
        try:
            decades, offset = (float(part) for part in (keywords.get(f"p{n}e") or "0,0").split(","))
            gain = float(keywords.get(f"p{n}g") or 1) or 1.0
            decades = decades if integers and decades > 0 else 0.0
            # FCS 3.1 reads the invalid offset 0 as 1.
            one = Amplified(n - 1, decades, offset or 1.0, float(keywords[f"p{n}r"]) if decades else 1.0, gain)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"FCS file {path}: the amplification of channel {n} ($P{n}E, $P{n}G, $P{n}R) is missing or no number "
                f"({brief(error)}); export the file again"
            ) from error
        if decades or gain != 1:
            found.append(one)
    return tuple(found)
