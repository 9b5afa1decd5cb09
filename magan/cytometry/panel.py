"""What a staining measured: the channels of a table, their marker names and kinds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.channel_roles import roles
from magan.cytometry.marker_names import (
    AS_MEASURED,
    CORRECTED,
    KIND_OF_CLASS,
    KINDS,
    TECHNICAL,
    file_names,
    kind_of,
    metal,
    plain,
    role,
)
from magan.cytometry.text_table import rows
from magan.errors import InputError, nearest


@dataclass(frozen=True)
class Panel:
    """What a staining measured: aligned tuples of channel (``$PnN``), marker and kind."""

    channels: tuple[str, ...]
    markers: tuple[str, ...]
    kinds: tuple[str, ...]

    def __post_init__(self):
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise InputError(
                f"panel: unknown kind {unknown[0]!r}{nearest(unknown[0], KINDS)}; use one of {list(KINDS)}"
            )
        for what, names in ((keys.CHANNEL, self.channels), (keys.MARKER, self.markers)):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise InputError(f"panel: {what} {name!r} is listed {times} times; list each {what} once")


# Columns of a panel table as CATALYST calls them, and its classes.
CATALYST = {"fcs_colname": keys.CHANNEL, "antigen": keys.MARKER, "marker_class": "kind"}


def read_panel(path: Path | str) -> Panel:
    """Read a panel table (CSV, TSV or .xlsx) with the columns channel, marker and kind.

    The columns may also be CATALYST's: fcs_colname, antigen and marker_class (type, state or none). Without a kind,
    a marker's is that of its names, see `magan.cytometry.marker_names.role`.

    Raises
    ------
    InputError
        The file or a column is missing, a field is empty, a kind is none of lineage,
        functional and technical, or a channel or marker is listed twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"panel {path} does not exist; check the path")
    lines = rows(path, "panel")
    if not lines:
        raise InputError(f"panel {path} is no table (it is empty); write columns channel, marker, kind")
    names = [CATALYST.get(name.lower(), name.lower()) for name in lines[0][1]]
    for column in (keys.CHANNEL, keys.MARKER):
        if column not in names:
            raise InputError(f"panel {path} has no column {column!r}{nearest(column, names)}; its columns are {names}")
    if hint := "kind" not in names and nearest("kind", names):
        raise InputError(f"panel {path} has no column 'kind'{hint}; its columns are {names}")
    if len(lines) == 1:
        raise InputError(f"panel {path} lists no channel; add one row per channel")
    table = []
    for number, fields in lines[1:]:
        if len(fields) > len(names) and any(fields[len(names) :]):
            raise InputError(f"panel {path}, line {number} has {len(fields)} fields but the header {len(names)}")
        row = dict(zip(names, [*fields, *[""] * len(names)]))
        for column in (keys.CHANNEL, keys.MARKER, *(["kind"] if "kind" in names else [])):
            if not row[column]:
                raise InputError(f"panel {path}: line {number} has no {column}; fill it in")
        kind = row.get("kind", "").lower() or kind_of(row[keys.MARKER], role(row[keys.CHANNEL], row[keys.MARKER])[0])
        table.append((row[keys.CHANNEL], row[keys.MARKER], KIND_OF_CLASS.get(kind, kind)))
    try:
        return Panel(*map(tuple, zip(*table)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def annotate(
    adata: AnnData, panel: Panel | None = None, *, name: str = "data", names: Sequence[tuple[str, str]] | None = None
) -> AnnData:
    """Name the markers of a freshly read table and say what kind each is.

    With a panel, its channels are selected, in its order, and renamed; a channel is found
    by its ``$PnN``, in any case and spelling, or else by its ``$PnS``. Without a panel, the names are those
    of the file less an isotope (``150Nd_CD45RA`` is CD45RA) and an alias after a CD name
    (``CD123_IL-3R`` is CD123), and the kinds follow `magan.cytometry.channel_roles.roles`.

    Parameters
    ----------
    adata
        Cells by channels, var with columns channel and marker.
    panel
        What to select.
    name
        Of the file, for messages.
    names
        Channel and marker of every column, where files have been compared; the panel is not used then.

    Returns
    -------
    AnnData
        var is indexed by marker, with columns channel, marker, marker_type, to_correct, role and reason.

    Raises
    ------
    InputError
        The panel names a channel that the file has not, or two channels have one marker.
    """
    if panel is None:
        file = (list(adata.var[keys.CHANNEL]), list(adata.var[keys.MARKER]))
        channels, markers = zip(*(file_names(*file) if names is None else names))
        found = roles(*file, markers)
        kinds = [kind_of(marker, role) for marker, (role, _) in zip(markers, found)]
    else:
        adata = adata[:, [_column(adata, channel, name) for channel in panel.channels]]
        channels, markers, kinds = adata.var[keys.CHANNEL], panel.markers, panel.kinds
        found = [(AS_MEASURED, "technical in the panel") if kind == TECHNICAL else (CORRECTED, "") for kind in kinds]
    marker, times = Counter(markers).most_common(1)[0]
    if times > 1:
        twins = [c for c, m in zip(channels, markers) if m == marker]
        raise InputError(
            f"{name}: marker {marker!r} is measured by {times} channels, {twins}; give a panel that lists one of them"
        )
    adata = adata.copy()
    adata.var = pd.DataFrame(
        {
            keys.CHANNEL: list(channels),
            keys.MARKER: list(markers),
            keys.MARKER_TYPE: list(kinds),
            keys.TO_CORRECT: [role == CORRECTED for role, _ in found],
            keys.ROLE: [role for role, _ in found],
            keys.REASON: [reason for _, reason in found],
        },
        index=list(markers),
    )
    return adata


def _column(adata: AnnData, channel: str, name: str) -> int:
    """The column whose channel, or else whose marker, is called so."""
    for same in (str, str.casefold, plain, metal):
        for key in (keys.CHANNEL, keys.MARKER):
            found = [i for i, x in enumerate(adata.var[key]) if same(x) == same(channel)]
            if len(found) == 1:
                return found[0]
    known = [*adata.var[keys.CHANNEL], *adata.var[keys.MARKER]]
    raise InputError(
        f"{name} has no channel {channel!r}{nearest(channel, known)}; "
        f"correct the panel, the file has {list(adata.var[keys.CHANNEL])}"
    )


def columns(file: pd.DataFrame, annotated: pd.DataFrame) -> list[int]:
    """Where in a file the markers stand that `annotate` made of it.

    Parameters
    ----------
    file, annotated
        var with columns channel and marker, before and after.

    Raises
    ------
    InputError
        The file has no such channel.
    """
    pairs = list(zip(file[keys.CHANNEL], file[keys.MARKER]))
    split = file_names(file[keys.CHANNEL], file[keys.MARKER])
    places = []
    for channel, marker in zip(annotated[keys.CHANNEL], annotated[keys.MARKER]):
        found = [i for i, names in enumerate(split) if names == (channel, marker)]
        found += [i for i, (name, _) in enumerate(pairs) if name == channel]
        if not found:
            raise InputError(f"there is no channel {channel!r}{nearest(channel, file[keys.CHANNEL])}; check the panel")
        places.append(found[0])
    return places
