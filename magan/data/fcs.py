"""FCS files into AnnData: the parsers are flowio and fcsparser, what they return is checked here.

A file that would be read wrongly is refused: `read_fcs` trusts a parser only when the
number of values agrees with ``$TOT`` and ``$PAR``, and the keywords name every channel.
"""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import fcsparser
import flowio
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError

HEADER_BYTES = 58  # version, four blanks and six offsets of eight digits


class Header(NamedTuple):
    """What the first 58 bytes say; byte offsets from the start of the file, ends inclusive."""

    text_start: int
    text_stop: int
    data_start: int
    data_stop: int


class Parsed(NamedTuple):
    """What a parser found: keywords in lower case without ``$``, and values as stored, one after another."""

    keywords: dict[str, str]
    values: np.ndarray


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
        The file. Where flowio refuses it (no ``$BEGINDATA``, say), fcsparser reads it.

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
    return read_with_keywords(path)[0]


def read_with_keywords(path: Path | str) -> tuple[AnnData, dict[str, str]]:
    """As `read_fcs`, and the file's keywords in lower case without ``$``."""
    path = Path(path)
    header = _header(path)
    parsed = _parse(path, header)
    keywords = parsed.keywords
    if (mode := keywords.get("mode", "L").strip().upper()) != "L":  # flowio lets upper case histograms pass
        raise InputError(f"{path} holds histograms ($MODE {mode}), not events; export events (list mode)")
    n_channels, n_cells = _count(path, keywords, "par"), _count(path, keywords, "tot")
    if n_cells == 0:
        raise InputError(f"{path} holds no events ($TOT is 0); leave the file out")
    if len(parsed.values) != n_cells * n_channels:
        raise InputError(
            f"{path} says {n_cells} events of {n_channels} channels ($TOT, $PAR) but its data segment holds "
            f"{len(parsed.values)} values, not {n_cells * n_channels}; export the file again"
        )
    var = _channels(path, keywords, n_channels)
    x = _linear(path, parsed.values.reshape(n_cells, n_channels), keywords)
    _finite(path, x, var)
    obs = pd.DataFrame(index=pd.RangeIndex(n_cells).astype(str))
    return AnnData(x, obs=obs, var=var), keywords


def _header(path: Path) -> Header:
    """The header's offsets, once the file is known to be there, FCS and long enough."""
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
    header = Header(*(int(field or 0) for field in fields)) if readable else None
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


def _parse(path: Path, header: Header) -> Parsed:
    """What flowio reads, or fcsparser where flowio refuses."""
    with path.open("rb") as file:
        file.seek(header.text_start)
        text = file.read(header.text_stop - header.text_start + 1)
    delimiter, encoding = text[:1].decode("latin-1"), _encoding(text)
    # A warning of either parser means that it guesses (byte order, odd offsets), which is a refusal too.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with path.open("rb") as file:
                data = flowio.FlowData(file)
            return Parsed(_separate(data.text, delimiter), np.asarray(data.events))
        except Exception as error:
            # Parsers of damaged bytes raise anything, EOFError to struct.error.
            flowio_says = error
        try:
            other = fcsparser.api.FCSParser(str(path), encoding=encoding)
            values = other.dataframe.to_numpy().ravel()
        except Exception as error:
            raise InputError(
                f"FCS file {path} cannot be read (flowio: {_brief(flowio_says)}; fcsparser: {_brief(error)}); "
                "copy or export it again as FCS 3.1"
            ) from error
    keywords = {key.lower().lstrip("$"): str(value) for key, value in other.annotation.items()}
    keywords = _separate(keywords, delimiter)
    _trust_offsets(path, header, keywords)
    return Parsed(keywords, values)


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


def _trust_offsets(path: Path, header: Header, keywords: dict[str, str]) -> None:
    """fcsparser reads ``$TOT`` events from the header's offset without asking where they end; ask here."""
    if keywords.get("nextdata", "0").strip() not in ("", "0"):
        raise InputError(f"FCS file {path} holds more than one data set ($NEXTDATA); split it into one file each")
    n_channels = _count(path, keywords, "par")
    n_bytes = (
        _count(path, keywords, "tot") * sum(_count(path, keywords, f"p{n}b") for n in range(1, n_channels + 1)) // 8
    )
    start = _count(path, keywords, "begindata") if "begindata" in keywords else header.data_start
    stop = _count(path, keywords, "enddata") if "enddata" in keywords else header.data_stop
    ends = {header.data_start + n_bytes - 1, header.data_start + n_bytes}  # inclusive, or exclusive by mistake
    if start != header.data_start or not ends & {stop, header.data_stop}:
        raise InputError(
            f"FCS file {path} contradicts itself about its data: header bytes {header.data_start} to "
            f"{header.data_stop}, keywords {start} to {stop}, $TOT asks for {n_bytes} bytes; export the file again"
        )


def _encoding(text: bytes) -> str:
    """UTF-8 as FCS 3.1 asks, or Latin-1 where the bytes are not; fcsparser would drop what it cannot decode."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _count(path: Path, keywords: dict[str, str], name: str) -> int:
    value = keywords.get(name, "").strip()
    if not value.isdigit():
        raise InputError(f"FCS file {path} has no usable ${name.upper()} ({value!r}); export it again as FCS 3.1")
    return int(value)


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


def _linear(path: Path, x: np.ndarray, keywords: dict[str, str]) -> np.ndarray:
    """Undo logarithmic amplification (integers only) and gain: ``(n, M)`` as stored to float32."""
    integers = keywords["datatype"].strip().upper() == "I"
    x = x.astype(np.float64)
    for n in range(1, x.shape[1] + 1):
        try:
            decades, offset = (float(part) for part in (keywords.get(f"p{n}e") or "0,0").split(","))
            gain = float(keywords.get(f"p{n}g") or 1)
            if integers and decades > 0:
                # FCS 3.1 reads the invalid offset 0 as 1.
                x[:, n - 1] = (offset or 1) * 10 ** (decades * x[:, n - 1] / float(keywords[f"p{n}r"]))
        except (KeyError, ValueError) as error:
            raise InputError(
                f"FCS file {path}: the amplification of channel {n} ($P{n}E, $P{n}G, $P{n}R) is missing or no number "
                f"({_brief(error)}); export the file again"
            ) from error
        x[:, n - 1] /= gain or 1
    with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, and is refused as such
        return x.astype(np.float32)


def _finite(path: Path, x: np.ndarray, var: pd.DataFrame) -> None:
    bad = ~np.isfinite(x)
    if not bad.any():
        return
    channel, marker = var.iloc[bad.any(axis=0).argmax()]
    raise InputError(
        f"FCS file {path}: channel {channel!r} ({marker}) is not finite in {bad[:, bad.any(axis=0)][:, 0].sum()} of "
        f"{len(x)} cells ({bad.any(axis=0).sum()} channels affected); remove these cells and export again"
    )


def _brief(error: Exception) -> str:
    return re.sub(r"\s+", " ", f"{type(error).__name__} {error}")[:120]
