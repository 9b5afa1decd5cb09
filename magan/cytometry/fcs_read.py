"""FCS files, whole into AnnData or a few events at a time.

A file that would be read wrongly is refused: what `magan.cytometry.fcs_header` finds in header and
keywords must agree on where the data are, and name every channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan.cytometry import fcs_header
from magan.cytometry.fcs_header import ORDERS, Amplified, read_header, read_keywords, whole_number
from magan.errors import InputError

ROWS = 16384  # events in memory at a time: 3 MB of 40 channels, which stay in a processor's cache


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
    widths, dtype = fcs_header.layout(path, keywords, n_channels)
    masks = fcs_header.masks(path, keywords, widths) if dtype.kind == "u" else ()
    return Events(
        path=path,
        keywords=keywords,
        var=fcs_header.channels(path, keywords, n_channels),
        n=n,
        start=fcs_header.start_of_data(path, header, keywords, n, widths),
        widths=widths,
        dtype=dtype,
        masks=masks,
        amplified=fcs_header.amplified(path, keywords, n_channels),
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


def _assembled(stored: np.ndarray, widths: tuple[int, ...], byteord: str) -> np.ndarray:
    """Integers of unequal widths from bytes, ``(n, bytes) -> (n, M)`` uint64."""
    columns, at = np.zeros((len(stored), len(widths), 8), np.uint8), 0
    for column, width in enumerate(widths):
        part = stored[:, at : at + width]
        columns[:, column, 8 - width :] = part[:, ::-1] if ORDERS[byteord.strip()] == "<" else part
        at += width
    return columns.view(">u8")[..., 0]
