"""Role of every channel of every file, with its reason: a table for `magan check`, the report and the files."""

import pandas as pd

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.marker_names import AS_MEASURED, CORRECTED, DOUBTFUL, ROLES

COLUMNS = (PATH, keys.BATCH, keys.CHANNEL, keys.MARKER, keys.ROLE, keys.REASON)
LISTED = 8  # most channels that a line names; it counts the rest
NOT_LISTED = "not listed under markers of the study"
ASK = "if it is a marker, list it in a panel or under markers of the study, and it is corrected"


def channel_table(found: Files) -> pd.DataFrame:
    """A row for every channel of every readable file, with the columns COLUMNS.

    ``channel`` has the name in the file; ``role`` is a member of `magan.cytometry.marker_names.ROLES`, and ``reason``
    says why a channel is not corrected.
    """
    rows: list[tuple[str, ...]] = []
    for path, file in found.channels.items():
        names = found.names[found.names[PATH] == path]
        markers = dict(zip(names[keys.CHANNEL], names[keys.MARKER]))
        for channel, label in zip(file[keys.CHANNEL].astype(str), file[keys.MARKER].astype(str)):
            marker = markers.get(channel, label)
            rows.append((path, found.batch_of(path), channel, marker, *_role(found, path, channel, marker, markers)))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)


def _role(found: Files, path: str, channel: str, marker: str, markers: dict[str, str]) -> tuple[str, str]:
    if path not in found.cells:
        return AS_MEASURED, "the file is left out"
    if channel not in markers:
        return AS_MEASURED, "not in the panel"
    var = found.cells[path].var
    if marker not in var.index:
        return AS_MEASURED, "not in all files"
    return str(var.at[marker, keys.ROLE]), str(var.at[marker, keys.REASON])


def restricted(table: pd.DataFrame, markers: list[str]) -> pd.DataFrame:
    """The table of a run that corrects only ``markers``; the user has named them, so none is doubtful."""
    table = table.copy()
    in_list = table[keys.MARKER].isin(markers) & ~table[keys.REASON].isin(["the file is left out", "not in all files"])
    table.loc[in_list, [keys.ROLE, keys.REASON]] = CORRECTED, ""
    table.loc[~in_list & (table[keys.ROLE] == CORRECTED), [keys.ROLE, keys.REASON]] = AS_MEASURED, NOT_LISTED
    return table


def doubts(table: pd.DataFrame) -> list[str]:
    """A sentence for each reason of doubt, with the remedy."""
    doubtful = table[table[keys.ROLE] == DOUBTFUL].groupby(keys.REASON, sort=False)[keys.MARKER].unique()
    return [f"{', '.join(names)} stays as measured ({reason}); {ASK}." for reason, names in doubtful.items()]


def lines(table: pd.DataFrame) -> list[str]:
    """The table as text: a line per role and reason, with its channels."""
    listing = []
    n_files = table[PATH].nunique()
    names = table[keys.MARKER].where(
        table[keys.MARKER] == table[keys.CHANNEL], table[keys.MARKER] + " (" + table[keys.CHANNEL] + ")"
    )
    for what in ROLES:
        rows = table[table[keys.ROLE] == what]
        for reason, same in rows.groupby(keys.REASON, sort=False):
            column = keys.MARKER if what == CORRECTED else "name"
            files = same.assign(name=names[same.index]).groupby(column, sort=False)[PATH].nunique()
            listed = [str(name) if n == n_files else f"{name} in {n} of {n_files} files" for name, n in files.items()]
            if what != CORRECTED and len(listed) > LISTED:
                listed = [*listed[:LISTED], f"and {len(listed) - LISTED} more"]
            listing.append(f"{what}{f', {reason}' if reason else ''}: {', '.join(listed)}")
    return listing
