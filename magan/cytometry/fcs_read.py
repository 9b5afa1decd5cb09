"""FCS files, whole into AnnData or a few events at a time.

A file that would be read wrongly is refused: what `magan.cytometry.fcs_header` finds in header and
keywords must agree on where the data are, and name every channel.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.fcs_header import Header, brief, read_header, read_keywords, unreadable, whole_number
from magan.errors import InputError

ROWS = 16384  # events in memory at a time: 3 MB of 40 channels, which stay in a processor's cache
ORDERS = {"1,2,3,4": "<", "1,2": "<", "4,3,2,1": ">", "2,1": ">"}  # $BYTEORD


class Amplified(NamedTuple):
    """A channel whose values are not linear as they are stored: ``offset * 10**(decades * x / largest) / gain``."""

    column: int
    decades: float  # 0: linear but for the gain
    offset: float
    largest: float
    gain: float


@dataclass(frozen=True)
class Events:
    """The events of one FCS file, which stay in the file until they are asked for."""

    path: Path
    keywords: dict[str, str]  # in lower case without $
    var: pd.DataFrame  # indexed by channel, with columns channel and marker
    n: int
    start: int  # byte offset of the first value
    widths: tuple[int, ...]  # bytes of each channel
    dtype: np.dtype  # of a value; of integers of unequal widths, of a byte
    masks: tuple[int, ...] = ()  # of integers: the bits that count
    amplified: tuple[Amplified, ...] = ()

    def read(self, first: int, stop: int) -> np.ndarray:
        """Linear values of some events, ``(stop - first, M)`` float32; see `read_fcs`."""
        n_bytes = sum(self.widths)
        stored = np.empty((stop - first, n_bytes // self.dtype.itemsize), self.dtype)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start + first * n_bytes)
            view, done = memoryview(stored).cast("B"), 0
            while done < len(view):  # one call reads at most 2 GB
                if not (got := file.readinto(view[done:])):
                    raise InputError(f"FCS file {self.path} became shorter while it was read; try again")
                done += got
        return self._linear(stored)

    def blocks(self, rows: int = ROWS) -> Iterator[np.ndarray]:
        """All events in order, at most ``rows`` at a time."""
        for first in range(0, self.n, rows):
            yield self.read(first, min(first + rows, self.n))

    def _linear(self, stored: np.ndarray) -> np.ndarray:
        if len(stored[0]) != len(self.widths):
            stored = _assembled(stored, self.widths, self.keywords["byteord"])
        if any(self.masks):
            stored = stored & np.array(self.masks, dtype=stored.dtype.newbyteorder("="))
        with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
            x = stored.astype(np.float32, copy=False)
            for column, decades, offset, largest, gain in self.amplified:
                values = stored[:, column].astype(np.float64)
                values = offset * 10 ** (decades * values / largest) if decades else values
                x[:, column] = values / gain
        return x


@dataclass(frozen=True)
class Survey:
    """What one reading of a whole file tells: each channel's extremes ``(M,)``, and events evenly spaced over it."""

    lowest: np.ndarray
    highest: np.ndarray
    some: np.ndarray  # (n, M)


def read_fcs(path: Path | str) -> AnnData:
    """Read one FCS file (2.0 to 3.1).

    Values are linear, as flowio's ``as_array`` defines it: integers stored on a
    logarithmic scale (``$PnE`` = decades, offset) become
    ``offset * 10**(decades * x / $PnR)``, and a gain ``$PnG`` divides. Values stored as
    floats are linear whatever ``$PnE`` says (FCS 3.1 asks for ``0,0`` there), since CyTOF
    software leaves old ``$PnE`` values in such files. Neither compensation nor the time
    step is applied.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    AnnData
        Cells by channels, ``X`` float32, cells named ``"0", "1", ...``; var is indexed by
        channel (``$PnN``), with columns ``channel`` and ``marker`` (``$PnS``, or ``$PnN``
        where there is none). Markers may repeat; a panel chooses among them.

    Raises
    ------
    InputError
        The file is missing, empty, cut short or no FCS file; it has no event, or another
        number than ``$TOT``; a channel has no name or the name of another; a value is not finite.
    """
    events = open_fcs(path)
    x = events.read(0, events.n)
    refuse_infinite(events.path, (~np.isfinite(x)).sum(axis=0), events.n, events.var)
    return AnnData(x, obs=pd.DataFrame(index=pd.RangeIndex(events.n).astype(str)), var=events.var)


def open_fcs(path: Path | str) -> Events:
    """The events of an FCS file, of which only header and keywords are read yet.

    Raises
    ------
    InputError
        As `read_fcs`, except for values that are not finite.
    """
    path = Path(path)
    header = read_header(path)
    keywords = read_keywords(path, header)
    if (mode := keywords.get("mode", "L").strip().upper()) != "L":
        raise InputError(f"{path} holds histograms ($MODE {mode}), not events; export events (list mode)")
    n_channels, n = (whole_number(path, keywords, name) for name in ("par", "tot"))
    if n == 0:
        raise InputError(f"{path} holds no events ($TOT is 0); leave the file out")
    widths, dtype = _layout(path, keywords, n_channels)
    masks = _masks(path, keywords, widths) if dtype.kind == "u" else ()
    return Events(
        path=path,
        keywords=keywords,
        var=_channels(path, keywords, n_channels),
        n=n,
        start=_start(path, header, keywords, n, widths),
        widths=widths,
        dtype=dtype,
        masks=masks,
        amplified=_amplified(path, keywords, n_channels),
    )


def survey(events: Events, n_some: int = 20_000, rows: int = ROWS) -> Survey:
    """Read a file once, a few events at a time.

    Raises
    ------
    InputError
        A value is not finite.
    """
    lowest, highest, some = np.float32(np.inf), np.float32(-np.inf), []
    step = -(-events.n // n_some)
    for i, x in enumerate(events.blocks(rows)):
        lowest = np.minimum(lowest, extreme(np.minimum, x))
        highest = np.maximum(highest, extreme(np.maximum, x))
        some.append(x[-i * rows % step :: step].copy())
    if not np.isfinite([lowest, highest]).all():
        n_bad = sum((~np.isfinite(x)).sum(axis=0) for x in events.blocks(rows))
        refuse_infinite(events.path, n_bad, events.n, events.var)
    return Survey(lowest, highest, np.concatenate(some))


def extreme(of: np.ufunc, x: np.ndarray) -> np.ndarray:
    """`np.minimum` or `np.maximum` of each column, ``(n, M) -> (M,)``; NaN where a value is NaN.

    Sixteen rows are taken as one: NumPy is five times as fast on long rows.
    """
    whole = len(x) // 16 * 16
    if not whole:
        return of.reduce(x, axis=0)
    longer = of.reduce(x[:whole].reshape(-1, 16 * x.shape[1]), axis=0).reshape(16, -1)
    return of.reduce(np.concatenate([longer, x[whole:]]), axis=0)


def as_slice(places: Sequence[int]) -> slice | list[int]:
    """An index for columns: where they stand side by side, one that takes them without a copy."""
    first = places[0] if len(places) else 0
    beside = list(places) == list(range(first, first + len(places)))
    return slice(first, first + len(places)) if beside else list(places)


def refuse_infinite(path: Path, n_bad: np.ndarray, n: int, var: pd.DataFrame) -> None:
    """Refuse a file in which ``n_bad`` ``(M,)`` of ``n`` measured values are not finite."""
    if not n_bad.any():
        return
    first = int((n_bad > 0).argmax())
    channel, marker = var.iloc[first]
    raise InputError(
        f"FCS file {path}: channel {channel!r} ({marker}) is not finite in {n_bad[first]} of "
        f"{n} cells ({(n_bad > 0).sum()} channels affected); remove these cells and export again"
    )


def _layout(path: Path, keywords: dict[str, str], n_channels: int) -> tuple[tuple[int, ...], np.dtype]:
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


def _start(path: Path, header: Header, keywords: dict[str, str], n: int, widths: tuple[int, ...]) -> int:
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


def _channels(path: Path, keywords: dict[str, str], n_channels: int) -> pd.DataFrame:
    """Channel and marker names, one row per channel, indexed by channel."""
    channels = [keywords.get(f"p{n}n", "").strip() for n in range(1, n_channels + 1)]
    if "" in channels:
        n = channels.index("") + 1
        raise InputError(f"FCS file {path} gives channel {n} no name ($P{n}N); export it again with channel names")
    name, times = Counter(channels).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"FCS file {path} uses the channel name {name!r} {times} times ($PnN); rename the channels and export again"
        )
    markers = [keywords.get(f"p{n}s", "").strip() or channel for n, channel in enumerate(channels, start=1)]
    return pd.DataFrame({keys.CHANNEL: channels, keys.MARKER: markers}, index=channels)


def _masks(path: Path, keywords: dict[str, str], widths: tuple[int, ...]) -> tuple[int, ...]:
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


def _amplified(path: Path, keywords: dict[str, str], n_channels: int) -> tuple[Amplified, ...]:
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


def _assembled(stored: np.ndarray, widths: tuple[int, ...], byteord: str) -> np.ndarray:
    """Integers of unequal widths from bytes, ``(n, bytes) -> (n, M)`` uint64."""
    columns, at = np.zeros((len(stored), len(widths), 8), np.uint8), 0
    for column, width in enumerate(widths):
        part = stored[:, at : at + width]
        columns[:, column, 8 - width :] = part[:, ::-1] if ORDERS[byteord.strip()] == "<" else part
        at += width
    return columns.view(">u8")[..., 0]
