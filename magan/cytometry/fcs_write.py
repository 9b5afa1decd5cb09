"""One corrected FCS file for one measured, a few events at a time; what is written is opened again before it counts."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from anndata import AnnData
from flowio.fcs_keywords import FCS_STANDARD_OPTIONAL_KEYWORDS, FCS_STANDARD_REQUIRED_KEYWORDS

from magan import keys
from magan.cytometry.fcs_read import ROWS, Events, as_slice, extreme, open_fcs
from magan.cytometry.panel import columns
from magan.errors import InputError

Change = Callable[[int, np.ndarray], np.ndarray]  # first event, (n, M) measured -> (n, K) corrected

DELIMITER = "/"  # between keywords and values
TEXT_START = 256
DIGITS = 40  # no float32 has more before the point
FARTHEST = 99_999_999  # the largest offset that the header can say

# Keywords of the measured file that would be false of the corrected one: $DATATYPE, widths, names, amplification and
# ranges are written anew, and the ranges that flowCore leaves are of the values before.
REPLACED = re.compile(r"__header__|datatype|originality|transformation|p\d+[begrns]|flowcore_\$?p\d+r(min|max)")
OPTIONAL = re.compile(r"p\d+([dfloptv]|calibration)")


def rewrite(
    source: Events,
    path: Path,
    places: Sequence[int],
    change: Change,
    *,
    provenance: Mapping[str, str],
    rows: int = ROWS,
) -> None:
    """Write a measured FCS file again (FCS 3.1, float32) with some of its channels corrected.

    Events, their order, channels and their names are those of ``source``, and so are the values of all other channels,
    linear as `fcs_read.read_fcs` gives them: amplification is ``0,0`` and no gain is left to be applied. Every
    ``$PnR`` is the old one, or the channel's maximum rounded up where that is larger. Other keywords are kept. Never
    more than ``rows`` events are in memory, and their number changes nothing.

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

    Raises
    ------
    InputError
        A corrected value is not finite; or what was written does not read back the same.
    """
    # The ranges are known when the events are written, so the keywords are given all the room they might need.
    room = len(_text(source, ["9" * DIGITS] * len(source.widths), 10**19, provenance))
    start = TEXT_START + room
    try:
        with path.open("wb") as file:
            file.seek(start)
            ends, highest = _events(source, file, places, change, rows)
            text = _text(source, _ranges(highest, source.keywords), start, provenance)
            file.seek(0)
            file.write(_header(len(text), start, _n_bytes(source)).ljust(TEXT_START) + text.ljust(room))
        _as_meant(source, path, start, ends)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_corrected(source: Path, corrected: AnnData, path: Path, *, provenance: Mapping[str, str]) -> None:
    """`rewrite` for corrected cells that are in memory.

    Parameters
    ----------
    source
        The measured file.
    corrected
        The events of ``source`` by markers, ``X`` on its scale; var with columns channel and marker, as
        `magan.cytometry.panel.annotate` leaves it.
    path, provenance
        As of `rewrite`.

    Raises
    ------
    InputError
        ``source`` cannot be read, has another number of events or no such channel; and as `rewrite`.
    """
    events = open_fcs(source)
    if corrected.n_obs != events.n:
        raise InputError(f"{source} has {events.n} events, not {corrected.n_obs}; correct the file as it is")
    places = columns(events.var, corrected.var)
    rewrite(events, path, places, lambda first, x: corrected.X[first : first + len(x)], provenance=provenance)


def finite(path: Path, values: np.ndarray, var: pd.DataFrame) -> None:
    """Refuse corrected values ``(n, M)`` of which one is not finite.

    Raises
    ------
    InputError
        The first such channel, and in how many events.
    """
    with np.errstate(over="ignore"):
        refuse_corrected(path, (~np.isfinite(values.astype(np.float32))).sum(axis=0), len(values), var)


def refuse_corrected(path: Path, n_bad: np.ndarray, n: int, var: pd.DataFrame) -> None:
    """Refuse a file in which ``n_bad`` ``(M,)`` of ``n`` corrected values are not finite."""
    if n_bad.any():
        first = int((n_bad > 0).argmax())
        channel, marker = var.iloc[first][[keys.CHANNEL, keys.MARKER]]
        raise InputError(
            f"{path}: corrected channel {channel!r} ({marker}) is not finite in {n_bad[first]} of {n} events "
            f"({(n_bad > 0).sum()} channels affected); its values are far from those the model was trained on, "
            "leave these events out"
        )


def _events(
    source: Events, file: BinaryIO, places: Sequence[int], change: Change, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Write all events; returns the first and the last of them, and each channel's maximum."""
    n_bad, highest, first, ends = np.zeros(len(places), int), np.float32(-np.inf), 0, []
    where = as_slice(places)
    for x in source.blocks(rows):
        with np.errstate(over="ignore"):
            values = np.asarray(change(first, x)).astype(np.float32, copy=False)
        if not (good := np.isfinite(values)).all():
            n_bad += (~good).sum(axis=0)
        x[:, where] = values
        file.write(np.ascontiguousarray(x, dtype="<f4").data)
        highest = np.maximum(highest, extreme(np.maximum, x))
        ends, first = [*ends[:1], x[[0, -1]]], first + len(x)
    refuse_corrected(source.path, n_bad, source.n, source.var.iloc[list(places)])
    return np.stack([ends[0][0], ends[-1][-1]]), highest


def _n_bytes(source: Events) -> int:
    return 4 * source.n * len(source.widths)


def _header(text: int, start: int, n_bytes: int) -> bytes:
    """58 bytes: version and offsets; zero for data that end too far off, as the standard says."""
    data = (start, start + n_bytes - 1) if start + n_bytes - 1 <= FARTHEST else (0, 0)
    offsets = (TEXT_START, TEXT_START + text - 1, *data, 0, 0)
    return b"FCS3.1    " + b"".join(f"{offset:>8}".encode() for offset in offsets)


def _text(source: Events, ranges: Sequence[str], start: int, provenance: Mapping[str, str]) -> bytes:
    """The keywords: those the standard requires, other standard ones, then the rest."""
    words = {f"${key}": "0" for key in ("BEGINANALYSIS", "ENDANALYSIS", "BEGINSTEXT", "ENDSTEXT", "NEXTDATA")}
    words |= {"$BEGINDATA": str(start), "$ENDDATA": str(start + _n_bytes(source) - 1)}
    words |= {"$BYTEORD": "1,2,3,4", "$DATATYPE": "F", "$MODE": "L"}
    words |= {"$PAR": str(len(source.widths)), "$TOT": str(source.n)}
    for n, largest in enumerate(ranges, start=1):
        name, label = (source.keywords.get(f"p{n}{key}", "") for key in ("n", "s"))
        words |= {f"$P{n}B": "32", f"$P{n}E": "0,0", f"$P{n}G": "1.0", f"$P{n}R": largest}
        words |= {f"$P{n}N": name, f"$P{n}S": label}
    about = {key: value for key, value in source.keywords.items() if not REPLACED.fullmatch(key)}
    for key, value in (about | {"originality": "DataModified"} | dict(provenance)).items():
        standard = key in FCS_STANDARD_OPTIONAL_KEYWORDS or OPTIONAL.fullmatch(key)
        if key not in FCS_STANDARD_REQUIRED_KEYWORDS and DELIMITER not in key:
            words[f"${key.upper()}" if standard else key.upper()] = str(value)
    text = DELIMITER
    for key, value in words.items():
        if value.strip():
            text += f"{key}{DELIMITER}{_inside(value).replace(DELIMITER, 2 * DELIMITER)}{DELIMITER}"
    return text.encode()


def _ranges(highest: np.ndarray, keywords: Mapping[str, str]) -> list[str]:
    """``$PnR`` of every channel: a whole number that no value is above."""
    ranges = []
    for n, largest in enumerate(highest.tolist(), start=1):
        old = keywords.get(f"p{n}r", "").strip()
        ranges.append(str(max(math.ceil(largest), int(old) if old.isdecimal() and len(old) <= DIGITS else 1, 1)))
    return ranges


def _inside(value: str) -> str:
    """A value with a space beside a delimiter at its edge, which parsers would take for the end of another."""
    before, after = (" " if value[at : at + 1] == DELIMITER else "" for at in (0, len(value) - 1))
    return f"{before}{value}{after}" if value else value


def _as_meant(source: Events, path: Path, start: int, ends: np.ndarray) -> None:
    """Open what was written: the parsers must find the same channels, and the first and last event in their places."""
    written = open_fcs(path)
    same = written.n == source.n and written.var.equals(source.var) and written.start == start
    same = same and path.stat().st_size == start + _n_bytes(source)
    found = [written.read(i, i + 1) for i in (0, written.n - 1)] if same else []
    if not same or not np.array_equal(np.concatenate(found), ends):
        raise InputError(
            f"{source.path}: the corrected file would not read back the same; export the file again as FCS 3.1"
        )
