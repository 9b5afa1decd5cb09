"""One corrected FCS file for one measured, a few events at a time; what is written is opened again before it counts.

The bytes of the measured file are copied, and only numbers that were corrected are replaced: a channel that is not
corrected leaves as it came, in value, gain, range and name.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.compensation import NONE, Spillover, compensate, identity_keyword
from magan.cytometry.fcs_channels import Channel, column, event_type, put_column, unlinear
from magan.cytometry.fcs_read import OPEN, ROWS, Events, FcsOptions, open_fcs
from magan.cytometry.panel import columns
from magan.errors import InputError

Change = Callable[[int, np.ndarray], np.ndarray]  # first event, (n, M) measured -> (n, K) corrected

DELIMITERS = "/|!#~\f\x1e\t\\%;@&"  # between keywords and values: the first that none of them holds
TEXT_START = 256
DIGITS = 40  # no float32 has more before the point
FARTHEST = 99_999_999  # the largest offset that the header can say
ORDER = {"<": "1,2,3,4", ">": "4,3,2,1"}

# Keywords that say where the parts of a file are.
PLACES = ("beginanalysis", "endanalysis", "beginstext", "endstext", "nextdata", "begindata", "enddata")


def rewrite(
    source: Events,
    path: Path,
    places: Sequence[int],
    change: Change,
    *,
    provenance: Mapping[str, str],
    rows: int = ROWS,
    stay_compensated: bool = False,
) -> None:
    """Write a measured FCS file again with some of its channels corrected.

    Events, their order, types, channels, gains and keywords are those of ``source``, and so is every stored number
    whose linear value did not change. A corrected value is stored as its channel stores values: times the gain, on the
    channel's logarithmic scale, as a whole number where the file holds whole numbers (``MAGAN_OFF_SCALE`` counts
    values that such a channel cannot hold, which become its smallest or largest). Where a spillover matrix is applied,
    corrected values are spilled over again by it. ``$PnR`` of a corrected channel is as it was, or the channel's
    maximum rounded up where that is larger. Never more than ``rows`` events are in memory, and their number changes
    nothing.

    Parameters
    ----------
    source
        The measured file.
    path
        What to write.
    places
        Which channels are corrected.
    change
        Gives their values, from the number of the first event and the linear values of all channels.
    provenance
        Further keywords, e.g. ``{"MAGAN_MODEL": "model.safetensors"}``; empty values are left out.
    stay_compensated
        Write compensated values, and an identity as ``$SPILLOVER``; ``MAGAN_COMPENSATED`` says by what.

    Raises
    ------
    InputError
        A corrected value is not finite; compensated values are to be written into a file of integers; or what was
        written does not read back the same.
    """
    spillover = source.spillover if stay_compensated else None
    if spillover is not None and any(source.channels[i].kind == "I" for i in spillover.places):
        raise InputError(
            f"{source.path} stores whole numbers, which cannot hold compensated values; "
            "let the corrected file go back to the state it came in"
        )
    spilled = source.spillover.places if source.spillover else ()
    highest: dict[int, float] = dict.fromkeys((*places, *spilled), -math.inf)  # of each column that may change
    n_off = {i: source.n for i in highest if source.channels[i].kind == "I"}
    about = dict(provenance) | (_as_compensated(source, spillover) if spillover is not None else {})
    # The ranges are known when the events are written, so the keywords are given all the room they might need.
    room = len(_text(source, dict.fromkeys(highest, 10.0**DIGITS), 10**19, about | _off_scale(source, n_off)))
    start = TEXT_START + room
    try:
        with path.open("wb") as file:
            file.seek(start)
            n_off, ends = dict.fromkeys(highest, 0), []
            for stored in _corrected(source, places, change, rows, spillover is not None, highest, n_off):
                file.write(stored.view(np.uint8).data)
                ends = [*ends[:1], stored[[0, -1]]]
            text = _text(source, highest, start, about | _off_scale(source, n_off))
            file.seek(0)
            file.write(_header(source, len(text), start).ljust(TEXT_START) + text.ljust(room))
        _as_meant(source, path, start, [ends[0][0], ends[-1][-1]])
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class NewChannel(NamedTuple):
    """A channel to be added to a file: ``$PnN``, ``$PnS`` ("" for none) and ``$PnR``."""

    name: str
    label: str
    largest: int


def add_channels(
    source: Events,
    path: Path,
    channels: Sequence[NewChannel],
    values: np.ndarray,
    *,
    provenance: Mapping[str, str] | None = None,
    rows: int = ROWS,
) -> None:
    """Write an FCS file again with further channels, last; all stored numbers and other keywords are as they were.

    Parameters
    ----------
    source
        The file.
    path
        What to write.
    channels
        K names; each is stored as the last channel of the file is.
    values
        ``(n, K)`` linear values of the events, in order.
    provenance
        Further keywords; empty values are left out.
    rows
        Events in memory at a time.

    Raises
    ------
    InputError
        The file has a channel of one of these names already or another number of events; it stores whole numbers, and
        a value is none or is out of range; a value is not finite; or what was written does not read back the same.
    """
    if values.shape != (source.n, len(channels)):
        raise InputError(f"{source.path} has {source.n} events, not {len(values)}; give a value for each")
    known = list(source.var[keys.CHANNEL])
    for channel, column_values in zip(channels, values.T):
        if channel.name in known:
            raise InputError(f"{source.path} has a channel {channel.name!r} already; rename it, or write none such")
        if not np.isfinite(column_values).all():
            raise InputError(f"{source.path}: new channel {channel.name!r} is not finite in every event; leave it out")
        whole = (column_values == np.rint(column_values)) & (column_values >= 0) & (column_values < channel.largest)
        if source.channels[-1].kind == "I" and not whole.all():
            raise InputError(
                f"{source.path} stores whole numbers, which cannot hold the new channel {channel.name!r}; "
                "export the file again as FCS 3.1 with floating-point numbers"
            )
    target, about = _with_channels(source, channels), dict(provenance or {})
    start = TEXT_START + len(_text(target, {}, 10**19, about))
    ends: list[np.ndarray] = []
    try:
        with path.open("wb") as file:
            text = _text(target, {}, start, about)
            file.write(_header(target, len(text), start).ljust(TEXT_START) + text.ljust(start - TEXT_START))
            for first in range(0, source.n, rows):
                stored = source.stored(first, min(first + rows, source.n))
                wider = np.empty(len(stored), event_type(target.channels))
                if stored.dtype.names is None:
                    wider[:, : stored.shape[1]] = stored
                else:
                    for field in stored.dtype.names:
                        wider[field] = stored[field]
                every = np.ones(len(stored), bool)
                for i, of_channel in enumerate(values[first : first + len(stored)].T, start=len(source.channels)):
                    put_column(wider, i, target.channels[i], every, of_channel)
                file.write(wider.view(np.uint8).data)
                ends = [*ends[:1], wider[[0, -1]]]
        _as_meant(target, path, start, [ends[0][0], ends[-1][-1]])
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _with_channels(source: Events, added: Sequence[NewChannel]) -> Events:
    """The file with further channels, of the type of its last; their events are not in it yet."""
    n_old, last = len(source.channels), source.channels[-1]
    numbers = range(n_old + 1, n_old + len(added) + 1)
    like = {key: source.keywords[f"p{n_old}{key}"] for key in ("b", "datatype") if f"p{n_old}{key}" in source.keywords}
    about: dict[str, str] = {}
    channels = list(source.channels)
    for n, (name, label, largest) in zip(numbers, added):
        own = {"n": name, "s": label, "e": "0,0", "r": str(largest)} | like
        about |= {f"p{n}{key}": value for key, value in own.items() if value}
        bits = (largest - 1).bit_length()
        mask = 2**bits - 1 if last.kind == "I" and bits < 8 * last.width else 0
        channels.append(Channel(name, label or name, last.kind, last.width, last.order, mask))
    stale = re.compile(rf"p({'|'.join(map(str, numbers))})[a-z]+")
    keywords = {key: value for key, value in source.keywords.items() if not stale.fullmatch(key)}
    words = {key: value for key, value in source.words.items() if key.lstrip("$").lower() in keywords}
    return replace(
        source,
        words=words | {f"${key.upper()}": value for key, value in about.items()},
        keywords=keywords | about | {"par": str(len(channels))},
        channels=tuple(channels),
    )


def write_corrected(
    source: Path,
    corrected: AnnData,
    path: Path,
    *,
    provenance: Mapping[str, str],
    options: FcsOptions = OPEN,
    stay_compensated: bool = False,
) -> None:
    """`rewrite` for corrected cells that are in memory.

    Parameters
    ----------
    source
        The measured file.
    corrected
        The events of ``source`` by markers, ``X`` on its scale; var with columns channel and marker, as
        `magan.cytometry.panel.annotate` leaves it.
    path, provenance, stay_compensated
        As of `rewrite`.
    options
        How ``source`` was read.

    Raises
    ------
    InputError
        ``source`` cannot be read, has another number of events or no such channel; and as `rewrite`.
    """
    events = open_fcs(source, options)
    if corrected.n_obs != events.n:
        raise InputError(f"{source} has {events.n} events, not {corrected.n_obs}; correct the file as it is")
    places = columns(events.var, corrected.var)

    def change(first: int, x: np.ndarray) -> np.ndarray:
        return corrected.X[first : first + len(x)]

    rewrite(events, path, places, change, provenance=provenance, stay_compensated=stay_compensated)


def finite(path: Path | str, values: np.ndarray, var: pd.DataFrame) -> None:
    """Refuse corrected values ``(n, M)`` of which one is not finite.

    Raises
    ------
    InputError
        The first such channel, and in how many events.
    """
    with np.errstate(over="ignore"):
        refuse_corrected(path, (~np.isfinite(values.astype(np.float32))).sum(axis=0), len(values), var)


def refuse_corrected(path: Path | str, n_bad: np.ndarray, n: int, var: pd.DataFrame) -> None:
    """Refuse a file in which ``n_bad`` ``(M,)`` of ``n`` corrected values are not finite."""
    if n_bad.any():
        first = int((n_bad > 0).argmax())
        channel, marker = var.iloc[first][[keys.CHANNEL, keys.MARKER]]
        raise InputError(
            f"{path}: corrected channel {channel!r} ({marker}) is not finite in {n_bad[first]} of {n} events "
            f"({(n_bad > 0).sum()} channels affected); its values are far from those the model was trained on, "
            "leave these events out"
        )


def _corrected(
    source: Events,
    places: Sequence[int],
    change: Change,
    rows: int,
    stay_compensated: bool,
    highest: dict[int, float],
    n_off: dict[int, int],
) -> Iterator[np.ndarray]:
    """All events as they are to be stored; each changed column's maximum and lost values are counted on the way."""
    n_bad = np.zeros(len(places), int)
    for first in range(0, source.n, rows):
        stored = source.stored(first, min(first + rows, source.n))
        measured = source.measured(stored)
        x = compensate(measured.copy(), source.spillover) if source.spillover else measured
        with np.errstate(over="ignore"):
            values = np.asarray(change(first, x)).astype(np.float32, copy=False)
        n_bad += (~np.isfinite(values)).sum(axis=0)
        if n_bad.any():
            continue
        for i, target in _targets(source, measured, x, dict(zip(places, values.T)), stay_compensated).items():
            moved, channel = target.astype(np.float32) != measured[:, i], source.channels[i]
            numbers, lost = unlinear(channel, target[moved])
            put_column(stored, i, channel, moved, numbers)
            n_off[i] += lost
            highest[i] = max(highest[i], float(column(stored, i, channel).max()))
        yield stored
    refuse_corrected(source.path, n_bad, source.n, source.var.iloc[list(places)])


def _targets(
    source: Events, measured: np.ndarray, x: np.ndarray, corrected: Mapping[int, np.ndarray], stay_compensated: bool
) -> dict[int, np.ndarray]:
    """Column -> linear values to be stored, of every column that may change.

    The values of an event that was not corrected are those that were ``measured``, to the last bit.
    """
    if source.spillover is None:
        return dict(corrected)
    dyes = list(source.spillover.places)
    values = np.stack([corrected.get(i, x[:, i]) for i in dyes], axis=1).astype(np.float64)
    if not stay_compensated:
        values = measured[:, dyes] + (values - x[:, dyes]) @ source.spillover.matrix
    return {**corrected, **dict(zip(dyes, values.T))}


def _n_bytes(source: Events) -> int:
    return source.n * sum(channel.width for channel in source.channels)


def _header(source: Events, text: int, start: int) -> bytes:
    """58 bytes: version and offsets; zero for data that end too far off, as the standard says."""
    last = start + _n_bytes(source) - 1
    offsets = (TEXT_START, TEXT_START + text - 1, *((start, last) if last <= FARTHEST else (0, 0)), 0, 0)
    types = any(re.fullmatch(r"p\d+datatype", key) for key in source.keywords)
    version = b"FCS3.2    " if types or source.version == "3.2" else b"FCS3.1    "
    return version + b"".join(f"{offset:>8}".encode() for offset in offsets)


def _text(source: Events, highest: Mapping[int, float], start: int, provenance: Mapping[str, str]) -> bytes:
    """The keywords: those that say where things are, then those of the measured file as it spells them."""
    words = {f"${key.upper()}": "0" for key in PLACES}
    words |= {"$BEGINDATA": str(start), "$ENDDATA": str(start + _n_bytes(source) - 1)}
    words |= {"$BYTEORD": ORDER[source.channels[0].order], "$MODE": "L", "$ORIGINALITY": "DataModified"}
    words |= {f"${key.upper()}": source.keywords[key].strip() for key in ("par", "tot")}
    words["$DATATYPE"] = source.keywords.get("datatype", "").strip() or source.channels[0].kind
    ranges = {f"p{i + 1}r": _range(source.keywords.get(f"p{i + 1}r", ""), value) for i, value in highest.items()}
    ranges |= {f"p{n}b": str(8 * c.width) for n, c in enumerate(source.channels, start=1) if c.kind == "I"}
    stale = {f"flowcore_$p{i + 1}r{end}" for i in highest for end in ("min", "max")}  # of the values before
    written = {key.lstrip("$").lower() for key in (*words, *provenance)}
    for key, value in source.words.items():
        name = key.lstrip("$").lower()
        if name not in written and key.lower() not in stale:
            words[key] = ranges.get(name, value)
    words |= provenance
    words = {key: value for key, value in words.items() if value.strip()}
    every = "".join(key + value for key, value in words.items())
    delimiter = next((mark for mark in DELIMITERS if mark not in every), DELIMITERS[0])
    doubled = {key: value.replace(delimiter, 2 * delimiter) for key, value in words.items() if delimiter not in key}
    return (delimiter + "".join(f"{key}{delimiter}{value}{delimiter}" for key, value in doubled.items())).encode()


def _range(old: str, largest: float) -> str:
    """``$PnR`` as it was or, where it is none or a value is above it, the whole number that no value is above."""
    try:
        enough = float(old) >= max(largest, 1)
    except ValueError:
        enough = False
    return old if enough else str(max(math.ceil(largest), 1))


def _as_compensated(source: Events, spillover: Spillover) -> dict[str, str]:
    names = [channel.name for channel in source.channels]
    return {
        "$SPILLOVER": identity_keyword(spillover, names),
        "MAGAN_COMPENSATED": f"by {source.compensation.keyword} of the measured file",
    }


def _off_scale(source: Events, n_off: Mapping[int, int]) -> dict[str, str]:
    """How many values of which channels are the smallest or largest that their channel can hold."""
    return {"MAGAN_OFF_SCALE": ", ".join(f"{source.channels[i].name} {n}" for i, n in n_off.items() if n)}


def _as_meant(source: Events, path: Path, start: int, ends: Sequence[np.ndarray]) -> None:
    """Open what was written: it must have the same channels, and the first and last event in their places."""
    written = open_fcs(path, FcsOptions(compensation=NONE))
    same = written.n == source.n and written.channels == source.channels and written.start == start
    same = same and path.stat().st_size == start + _n_bytes(source)
    found = [written.stored(i, i + 1) for i in (0, written.n - 1)] if same else []
    if [event.tobytes() for event in found] != [event.tobytes() for event in ends]:
        raise InputError(
            f"{source.path}: the corrected file would not read back the same; export the file again as FCS 3.1"
        )
