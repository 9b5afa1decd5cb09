"""Decide the role of a channel from its names and its values.

A channel is corrected, stays as measured, or is doubtful: a doubtful channel stays as measured until the user names
it as a marker.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.marker_names import (
    AS_MEASURED,
    CORRECTED,
    DOUBTFUL,
    NO_LABEL,
    file_names,
    lesser_pulses,
    looks_like_channel,
    role,
)

FEW = 64  # most different whole numbers of a doubtful column where most columns hold fractions
LEAST, LEAST_SHARE = 10, 0.01  # fewest cells of a batch, unlike the usual value, that can train a map


class Spread(NamedTuple):
    """How the values of a channel vary among the cells of a batch."""

    n_cells: int
    usual: float  # the median
    n_unlike: int  # cells with a value that is not the median
    whole: bool  # all values are whole numbers
    n_values: int  # number of different values


def roles(
    channels: Sequence[str], labels: Sequence[str], markers: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Role and reason of every channel of a file, from its names; see `magan.cytometry.marker_names.role`.

    Parameters
    ----------
    channels, labels
        Names and labels in the file.
    markers
        Harmonised names of the channels. Default: the names in the file.
    """
    names = file_names(channels, labels)
    markers = [marker for _, marker in names] if markers is None else markers
    # The label of a scatter channel does not show that the file labels its markers.
    labelled = any(c != m and role(c, m)[0] == CORRECTED for c, m in names)
    in_two = any(channel != label for channel, label in zip(channels, labels))
    lesser, found = lesser_pulses(names), []
    for (channel, name), marker in zip(names, markers):
        is_bare = labelled and channel == name == marker and (in_two or looks_like_channel(name))
        what, why = role(channel, marker, unlabelled=is_bare)
        if channel in lesser and (what == CORRECTED or why == NO_LABEL):
            what, why = AS_MEASURED, lesser[channel]
        found.append((what, why))
    return found


def spreads(parts: Sequence[AnnData]) -> dict[str, Spread]:
    """Map each marker to the spread of its measured values over the files of a batch."""
    found = {}
    for marker in dict.fromkeys(name for part in parts for name in part.var_names):
        values = [np.asarray(part.X[:, part.var_names.get_loc(marker)]) for part in parts if marker in part.var_names]
        x = np.concatenate(values)
        usual = float(np.median(x))
        whole = bool((x == np.round(x)).all())
        n_values = len(np.unique(x)) if whole else len(x)
        found[marker] = Spread(len(x), usual, int((x != usual).sum()), whole, n_values)
    return found


def unusable(batches: Mapping[str, Mapping[str, Spread]], asked: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """Map to role and reason each marker that no map can be trained on and each doubtful marker.

    A marker stays as measured in the whole study if, in a batch, almost all cells have the usual value of that batch.
    It is doubtful if it has a single value in each batch, as the number of a sample has, or few whole numbers where
    most markers of the batch have fractions. A marker in ``asked`` is never doubtful.

    Parameters
    ----------
    batches
        Batch -> `spreads`.
    asked
        Markers that the user has named.
    """
    found: dict[str, tuple[str, str]] = {}
    asked = set(asked)
    fractions = {batch: _fractions(each.values()) for batch, each in batches.items()}
    for marker in dict.fromkeys(name for each in batches.values() for name in each):
        of = {batch: each[marker] for batch, each in batches.items() if marker in each}
        still = {batch: spread for batch, spread in of.items() if _still(spread)}
        numbered = all(spread.n_unlike == 0 for spread in of.values()) and len({s.usual for s in of.values()}) > 1
        counted = all(s.whole and s.n_values <= min(FEW, s.n_cells / 2) and fractions[b] for b, s in of.items())
        if numbered and marker not in asked:
            found[marker] = DOUBTFUL, "a single value in each batch, as the number of a sample has"
        elif still:
            found[marker] = AS_MEASURED, _stands_still(still, len(batches))
        elif counted and marker not in asked:
            n_values = max(spread.n_values for spread in of.values())
            found[marker] = DOUBTFUL, f"no more than {n_values} different values, all whole numbers"
    return found


def _fractions(of: Iterable[Spread]) -> bool:
    """Whether most of the markers that vary hold fractions."""
    varying = [not spread.whole for spread in of if spread.n_unlike]
    return sum(varying) > len(varying) / 2


def _still(spread: Spread) -> bool:
    return spread.n_cells > 1 and (spread.n_unlike == 0 or spread.n_unlike < min(LEAST, LEAST_SHARE * spread.n_cells))


def _stands_still(still: Mapping[str, Spread], n_batches: int) -> str:
    batch, spread = max(still.items(), key=lambda item: item[1].n_cells - item[1].n_unlike)
    cells = "every cell" if not spread.n_unlike else f"all but {spread.n_unlike} of {spread.n_cells:,} cells"
    if len(still) == n_batches:
        where = "" if n_batches == 1 else f" of batch {batch}, and as good as constant in the others"
        return f"{spread.usual:g} in {cells}{where}"
    more = f" and of {len(still) - 1} more batches" if len(still) > 1 else ""
    return f"{spread.usual:g} in {cells} of batch {batch}{more}"


def assign(cells: AnnData, marker: str, role: str, reason: str, kind: str | None = None) -> None:
    """Write a marker's role and reason, and its kind if ``kind`` is not None, into var."""
    columns = {keys.ROLE: role, keys.REASON: reason, keys.TO_CORRECT: role == CORRECTED}
    for column, value in (columns | ({keys.MARKER_TYPE: kind} if kind else {})).items():
        cells.var.loc[marker, column] = value
