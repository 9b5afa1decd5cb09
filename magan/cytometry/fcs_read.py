"""FCS files, whole into AnnData or a few events at a time.

A file that would be read wrongly is refused: what `magan.cytometry.fcs_header` finds in header and
keywords must agree on where the data are, and `magan.cytometry.fcs_channels` must know every channel.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry import compensation as spill
from magan.cytometry.compensation import Compensation, Spillover
from magan.cytometry.fcs_channels import Channel, column, event_type, linear, read_channels, var_of
from magan.cytometry.fcs_header import as_keywords, choose_data_set, start_of_data, whole_number
from magan.errors import InputError

ROWS = 16384  # events in memory at a time: 3 MB of 40 channels, which stay in a processor's cache
TRUSTED = ("header",)


@dataclass(frozen=True)
class FcsOptions:
    """How to read an FCS file, where the file alone does not say.

    ``compensation`` is "file", "none" or the path of a matrix, see `compensation.choose`; ``trust`` is "header" where
    the header is right about the place of the data and the keywords are not; ``data_set`` is the number, from 1, of a
    data set where the file holds several. None leaves any of them open.
    """

    compensation: str | None = None
    trust: str | None = None
    data_set: str | None = None

    def __post_init__(self):
        if self.trust not in (None, *TRUSTED):
            raise InputError(f"trust is {self.trust!r}; write header, or leave it out")
        if self.data_set is not None and not (self.data_set.isdecimal() and int(self.data_set)):
            raise InputError(f"data_set is {self.data_set!r}; write the number of a data set, from 1, or leave it out")


OPEN = FcsOptions()


def fcs_options(row: Mapping[str, object]) -> FcsOptions:
    """The options that a row of a sample sheet gives; blank ones are left open."""
    return FcsOptions(*(str(row.get(key) or "") or None for key in keys.HOW_TO_READ))


@dataclass(frozen=True)
class Events:
    """The events of one FCS file, which stay in the file until they are asked for."""

    path: Path
    version: str
    words: dict[str, str]  # keywords as the file spells them
    keywords: dict[str, str]  # in lower case without $
    channels: tuple[Channel, ...]
    var: pd.DataFrame  # indexed by channel, with columns channel and marker
    n: int
    start: int  # byte offset of the first value
    compensation: Compensation  # what the file holds, and the matrix that is applied

    @property
    def spillover(self) -> Spillover | None:
        """The matrix that is applied."""
        return self.compensation.applied

    def stored(self, first: int, stop: int) -> np.ndarray:
        """Some events as they are stored: ``(stop - first, M)`` numbers, or ``(stop - first,)`` records."""
        stored = np.empty(stop - first, event_type(self.channels))
        n_bytes = stored.nbytes // max(stop - first, 1)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start + first * n_bytes)
            view, done = stored.view(np.uint8).reshape(-1).data, 0
            while done < len(view):  # one call reads at most 2 GB
                if not (got := file.readinto(view[done:])):
                    raise InputError(f"FCS file {self.path} became shorter while it was read; try again")
                done += got
        return stored

    def measured(self, stored: np.ndarray) -> np.ndarray:
        """Linear values before compensation, ``(n, M)`` float32."""
        with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
            if stored.dtype.names is None and not any(channel.mask for channel in self.channels):
                x = stored.astype(np.float32)
            else:
                x = np.empty((len(stored), len(self.channels)), np.float32)
                for i, channel in enumerate(self.channels):
                    x[:, i] = column(stored, i, channel)
            for i, channel in enumerate(self.channels):
                if not channel.is_linear:
                    x[:, i] = linear(channel, column(stored, i, channel))
        return x

    def linear(self, stored: np.ndarray) -> np.ndarray:
        """Linear values, compensated, ``(n, M)`` float32; see `read_fcs`."""
        return spill.compensate(self.measured(stored), self.spillover)

    def read(self, first: int, stop: int) -> np.ndarray:
        """Linear values of some events, compensated, ``(stop - first, M)`` float32."""
        return self.linear(self.stored(first, stop))

    def blocks(self, rows: int = ROWS) -> Iterator[np.ndarray]:
        """All events in order, at most ``rows`` at a time."""
        for first in range(0, self.n, rows):
            yield self.read(first, min(first + rows, self.n))


@dataclass(frozen=True)
class Survey:
    """The result of one reading of a whole file: each channel's extremes ``(M,)``, and events evenly spaced over it."""

    lowest: np.ndarray
    highest: np.ndarray
    some: np.ndarray  # (n, M)


def read_fcs(path: Path | str, options: FcsOptions = OPEN, *, finite: bool = True) -> AnnData:
    """Read one FCS file (2.0 to 3.2), or a data set of it.

    Values are linear, as flowio's ``as_array`` defines it: integers stored on a
    logarithmic scale (``$PnE`` = decades, offset) become
    ``offset * 10**(decades * x / $PnR)``, and a gain ``$PnG`` divides. Values stored as
    floats are linear whatever ``$PnE`` says (FCS 3.1 asks for ``0,0`` there), since CyTOF
    software leaves old ``$PnE`` values in such files. A clock has no amplifier: its values are as stored, and
    ``$TIMESTEP`` is not applied. The spillover matrix of the file is applied unless ``options`` say another.

    Parameters
    ----------
    path
        The file.
    options
        Compensation, what to trust, and which data set.
    finite
        Refuse a value that is not finite. A caller that leaves channels out refuses it later, in those that stay.

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
    events = open_fcs(path, options)
    x = events.read(0, events.n)
    if finite:
        refuse_infinite(events.path, (~np.isfinite(x)).sum(axis=0), events.n, events.var)
    return AnnData(x, obs=pd.DataFrame(index=pd.RangeIndex(events.n).astype(str)), var=events.var)


def open_fcs(path: Path | str, options: FcsOptions = OPEN) -> Events:
    """The events of an FCS file, of which only header and keywords are read yet.

    Raises
    ------
    InputError
        As `read_fcs`, except for values that are not finite.
    """
    path = Path(path)
    header, words = choose_data_set(path, options.data_set)
    keywords = as_keywords(words)
    if (mode := keywords.get("mode", "L").strip().upper()) != "L":
        raise InputError(f"{path} holds histograms ($MODE {mode}), not events; export events (list mode)")
    n = whole_number(path, keywords, "tot")
    if n == 0:
        raise InputError(f"{path} holds no events ($TOT is 0); leave the file out")
    channels = read_channels(path, keywords)
    n_bytes = n * sum(channel.width for channel in channels)
    return Events(
        path=path,
        version=header.version,
        words=words,
        keywords=keywords,
        channels=channels,
        var=var_of(channels),
        n=n,
        start=start_of_data(path, header, keywords, n * len(channels), n_bytes, options.trust),
        compensation=spill.choose(path, keywords, channels, options.compensation),
    )


def survey(events: Events, n_some: int = 20_000, rows: int = ROWS, used: Sequence[int] | None = None) -> Survey:
    """Read a file once, a few events at a time.

    Raises
    ------
    InputError
        A value of a channel that is ``used``, by default of any, is not finite.
    """
    lowest, highest, some = np.array(np.inf, np.float32), np.array(-np.inf, np.float32), []
    step = -(-events.n // n_some)
    for i, x in enumerate(events.blocks(rows)):
        lowest = np.minimum(lowest, extreme(np.minimum, x))
        highest = np.maximum(highest, extreme(np.maximum, x))
        some.append(x[-i * rows % step :: step].copy())
    judged = np.isin(np.arange(len(lowest)), range(len(lowest)) if used is None else list(used))
    if not np.isfinite([lowest, highest])[:, judged].all():
        n_bad = sum((~np.isfinite(x)).sum(axis=0) for x in events.blocks(rows))
        refuse_infinite(events.path, n_bad * judged, events.n, events.var)
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
    """An index for columns: a slice, which copies nothing, where they are adjacent."""
    first = places[0] if len(places) else 0
    are_adjacent = list(places) == list(range(first, first + len(places)))
    return slice(first, first + len(places)) if are_adjacent else list(places)


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
