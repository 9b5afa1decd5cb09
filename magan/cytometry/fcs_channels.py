"""The channels of an FCS file: how each is stored, and the linear value that a stored number stands for."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from magan import keys
from magan.cytometry.fcs_header import unreadable, whole_number
from magan.errors import InputError

ORDERS = {"1,2,3,4": "<", "1,2": "<", "4,3,2,1": ">", "2,1": ">"}  # $BYTEORD
FLOAT_BYTES = {"F": 4, "D": 8}
WIDTHS = (1, 2, 4, 8)  # bytes of numbers that NumPy knows
TIMES = {"time", "hdr-t", "tlsw", "tmsw"}  # $PnN of clocks, in lower case
NO_GAIN = {"", "na", "n/a", "nan", "none", "null"}  # what software writes where it has no number


class Channel(NamedTuple):
    """A column of an FCS file.

    A stored number x stands for the linear value ``x / gain`` or, where ``decades`` is not 0, for
    ``offset * 10**(decades * x / largest) / gain``.
    """

    name: str  # $PnN
    label: str  # $PnS, or $PnN where there is none
    kind: str  # I, F or D
    width: int  # bytes
    order: str  # < (least significant byte first) or >
    mask: int = 0  # of integers: the bits that count; 0: all of them
    decades: float = 0.0
    offset: float = 1.0
    largest: float = 1.0
    gain: float = 1.0

    @property
    def is_linear(self) -> bool:
        """Whether stored numbers are linear values as they are."""
        return not self.decades and self.gain == 1


def read_channels(path: Path, keywords: dict[str, str]) -> tuple[Channel, ...]:
    """All channels of a file.

    Raises
    ------
    InputError
        ``$PAR`` is 0 or more than the file names; a channel has no name or the name of another; a byte order, a type, a
        width or an amplification is unknown.
    """
    n_channels = whole_number(path, keywords, "par")
    order = ORDERS.get(keywords.get("byteord", "").replace(" ", ""))
    if order is None:
        raise unreadable(path, f"byte order {keywords.get('byteord')!r} is unknown")
    if not 0 < n_channels <= len(keywords):
        raise InputError(
            f"FCS file {path} promises {n_channels} channels ($PAR) but has {len(keywords)} keywords to describe them; "
            "export it again"
        )
    names = _names(path, keywords, n_channels)
    found = []
    for n, name in enumerate(names, start=1):
        kind, width = _stored_as(path, keywords, n)
        mask = _mask(path, keywords, n, width) if kind == "I" else 0
        amplifier = _amplifier(path, keywords, n, name, kind)
        label = keywords.get(f"p{n}s", "").strip() or name
        found.append(Channel(name, label, kind, width, order, mask, *amplifier))
    return tuple(found)


def var_of(channels: Sequence[Channel]) -> pd.DataFrame:
    """Channel and marker names, a row per channel, indexed by channel."""
    names = [channel.name for channel in channels]
    return pd.DataFrame({keys.CHANNEL: names, keys.MARKER: [channel.label for channel in channels]}, index=names)


def event_type(channels: Sequence[Channel]) -> np.dtype:
    """Of one event: an array of numbers where all are stored alike, else a record with a field ``c<column>`` each."""
    if len({_number(channel) for channel in channels}) == 1 and channels[0].width in WIDTHS:
        return np.dtype((_number(channels[0]), (len(channels),)))
    return np.dtype([(f"c{i}", _number(channel)) for i, channel in enumerate(channels)])


def column(stored: np.ndarray, i: int, channel: Channel) -> np.ndarray:
    """Numbers of one channel as they are stored, ``(n,)``, without the bits that do not count."""
    values = stored[:, i] if stored.dtype.names is None else stored[f"c{i}"]
    if values.ndim == 2:  # bytes
        values = (values.astype(np.uint64) << _powers(channel)).sum(axis=1, dtype=np.uint64)
    return values & values.dtype.type(channel.mask) if channel.mask else values


def put_column(stored: np.ndarray, i: int, channel: Channel, rows: np.ndarray, values: np.ndarray) -> None:
    """Write numbers ``values`` of one channel into the events ``rows`` (booleans)."""
    place = stored[:, i] if stored.dtype.names is None else stored[f"c{i}"]
    if place.ndim == 2:
        place[rows] = (values.astype(np.uint64)[:, None] >> _powers(channel)) & np.uint64(255)
    else:
        place[rows] = values


def linear(channel: Channel, stored: np.ndarray) -> np.ndarray:
    """Linear values of stored numbers, float64."""
    values = stored.astype(np.float64)
    if channel.decades:
        values = channel.offset * 10 ** (channel.decades * values / channel.largest)
    return values / channel.gain


def unlinear(channel: Channel, values: np.ndarray) -> tuple[np.ndarray, int]:
    """The way back from `linear`: numbers to store, and how many of them are off the channel's scale.

    Integers are rounded, and end at 0 and at the largest that the channel's bits hold.
    """
    values = values.astype(np.float64) * channel.gain
    if channel.kind != "I":
        return values, 0
    if channel.decades:
        with np.errstate(divide="ignore"):
            values = np.log10(np.maximum(values, 0) / channel.offset) * (channel.largest / channel.decades)
    top = channel.mask or 2 ** (8 * channel.width) - 1
    if channel.decades:
        top = min(top, math.ceil(channel.largest) - 1)
    rounded = np.rint(values)
    off = int(np.count_nonzero((rounded < 0) | (rounded > top)))
    return np.clip(rounded, 0, np.nextafter(float(top), 0) if top > 2**53 else top), off


def _names(path: Path, keywords: dict[str, str], n_channels: int) -> list[str]:
    names = [keywords.get(f"p{n}n", "").strip() for n in range(1, n_channels + 1)]
    if "" in names:
        n = names.index("") + 1
        raise InputError(f"FCS file {path} gives channel {n} no name ($P{n}N); export it again with channel names")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"FCS file {path} uses the channel name {name!r} {times} times ($PnN); rename the channels and export again"
        )
    return names


def _stored_as(path: Path, keywords: dict[str, str], n: int) -> tuple[str, int]:
    """Type and bytes of a channel; FCS 3.2 allows each channel a type of its own."""
    kind = (keywords.get(f"p{n}datatype", "").strip() or keywords.get("datatype", "").strip()).upper()
    if kind in FLOAT_BYTES:  # whatever $PnB says, as flowio has it
        return kind, FLOAT_BYTES[kind]
    if kind != "I":
        raise unreadable(path, f"data type {kind!r} of channel {n} is neither I, F nor D")
    bits = whole_number(path, keywords, f"p{n}b")
    if not 8 <= bits <= 64:
        raise unreadable(path, f"an integer of {bits} bits")
    if bits % 8:  # 10 bits in 16; where they are packed instead, the size of the data disagrees
        bits = next(8 * width for width in WIDTHS if 8 * width >= bits)
    return kind, bits // 8


def _mask(path: Path, keywords: dict[str, str], n: int, width: int) -> int:
    """Bits below the power of two that holds ``$PnR``; the standard says to ignore those above."""
    try:
        largest = int(_real(keywords[f"p{n}r"]))
    except (KeyError, ValueError, OverflowError) as error:
        raise unreadable(path, f"$P{n}R is {keywords.get(f'p{n}r')!r}") from error
    bits = min((largest - 1).bit_length(), 8 * width) if largest > 1 else 8 * width
    return 0 if bits == 8 * width else 2**bits - 1


def _amplifier(path: Path, keywords: dict[str, str], n: int, name: str, kind: str) -> tuple[float, float, float, float]:
    """Decades, offset, largest and gain; a clock has none, and floats are linear whatever ``$PnE`` says."""
    if name.lower() in TIMES:
        return 0.0, 1.0, 1.0, 1.0
    try:
        gain = keywords.get(f"p{n}g", "").strip()
        gain = 1.0 if gain.lower() in NO_GAIN else _real(gain) or 1.0
        decades, offset, largest = 0.0, 1.0, 1.0
        if kind == "I":
            decades, offset = (float(part) for part in (keywords.get(f"p{n}e", "").strip() or "0,0").split(","))
        if decades > 0:
            # FCS 3.1 reads the invalid offset 0 as 1.
            offset, largest = offset or 1.0, _real(keywords[f"p{n}r"])
    except (KeyError, ValueError) as error:
        raise InputError(
            f"FCS file {path}: the amplification of channel {n} ($P{n}E, $P{n}G, $P{n}R) is missing or no number "
            f"({error}); export the file again"
        ) from error
    decades, offset, largest = (decades, offset, largest) if decades > 0 else (0.0, 1.0, 1.0)
    for key, value in (("E", decades), ("E", offset), ("R", largest), ("G", gain)):
        if not 0 <= value < math.inf or (value == 0 and key != "E"):
            raise InputError(
                f"FCS file {path}: $P{n}{key} of channel {name!r} is {keywords.get(f'p{n}{key.lower()}')!r}, which is "
                "no amplification; correct the keyword and export the file again"
            )
    return decades, offset, largest, gain


def _real(text: str) -> float:
    """A number with a decimal point, or with a decimal comma as some software of Europe writes it."""
    return float(text.replace(",", "."))


def _number(channel: Channel) -> str | tuple[str, tuple[int]]:
    if channel.width in WIDTHS:
        return f"{channel.order}{'u' if channel.kind == 'I' else 'f'}{channel.width}"
    return ("u1", (channel.width,))


def _powers(channel: Channel) -> np.ndarray:
    """What each byte of an integer counts, as powers of two."""
    powers = 8 * np.arange(channel.width, dtype=np.uint64)
    return powers if channel.order == "<" else powers[::-1]
