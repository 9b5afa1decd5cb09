"""Make the markers of a panel the same in all its files, and name the files and markers that are left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.marker_names import TECHNICAL
from magan.cytometry.read_cells import Drawn
from magan.errors import InputError, nearest

LACKING = 0.25  # largest share of a panel's markers that a batch may lack
Rows = Sequence[Mapping[str, object]]  # of a sample sheet: path, and a value per obs column


@dataclass
class Files:
    """Files of cells whose markers have the same names.

    ``cells`` is path -> AnnData, with the same markers in all files of a panel; ``sizes`` path -> cells and channels of
    every readable file, ``channels`` path -> var of its channels as in the file, and ``names`` the table of
    `harmonise_names.harmonise` of them; ``given`` are the paths of files whose markers a panel, or the file itself,
    names and sorts; ``clocks`` path -> time of each event ``(n,)``, where a file that is held whole has a clock;
    ``drawn`` path -> what is known of a file of which ``cells`` has a random sample; ``left_out`` has a row (kind,
    name, reason) for each file and each marker that is not in ``cells``.
    """

    rows: Rows
    cells: dict[str, AnnData] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    channels: dict[str, pd.DataFrame] = field(default_factory=dict)
    names: pd.DataFrame = field(default_factory=pd.DataFrame)
    given: tuple[str, ...] = ()
    clocks: dict[str, np.ndarray] = field(default_factory=dict)
    drawn: dict[str, Drawn] = field(default_factory=dict)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)

    def fault(self, path: str, error: Exception | str, leave_out: bool) -> None:
        """Leave a file out and record its name and fault, or raise the fault."""
        if not leave_out:
            raise error if isinstance(error, InputError) else InputError(error)
        self.cells.pop(path, None)
        self.left_out.append(("file", path, str(error)))

    def panel_of(self, path: str) -> str:
        """The panel of a file, "" where the sheet names none."""
        return next(str(row.get(keys.PANEL, "")) for row in self.rows if str(row["path"]) == path)

    def batch_of(self, path: str) -> str:
        """The batch of a file, "1" where the sheet names none."""
        return next(str(row.get(keys.BATCH, "1")) for row in self.rows if str(row["path"]) == path)


def agree(found: Files, leave_out: bool) -> None:
    """Make the markers the same in every file of a panel.

    A file that lacks a marker of more than half of its panel's files is left out. If no file of a batch has the
    marker, and the batch lacks at most a quarter of the markers, the marker is left out instead. Further markers that
    only some files have are left out too. Without ``leave_out``, any difference from the
    panel's first file is an error.
    """
    members: dict[str, list[str]] = {}
    for path in found.cells:
        members.setdefault(found.panel_of(path), []).append(path)
    for panel, paths in members.items():
        if not leave_out:
            for path in paths[1:]:
                what = f"markers of {paths[0]} and {path} differ"
                same(what, found.cells[paths[0]].var_names, found.cells[path].var_names)
        most = _most([_biology(found.cells[path]) for path in paths])
        absent = _absent(found, paths, most)
        wanted = [marker for marker in most if marker not in absent]
        for path in paths:
            lacking = [marker for marker in wanted if marker not in found.cells[path].var_names]
            if lacking:
                found.fault(path, _lacks(found, path, lacking, len(wanted), panel), leave_out)
        usable = [path for path in paths if path in found.cells]
        if not usable:
            continue
        common = [
            m for m in found.cells[usable[0]].var_names if all(m in found.cells[path].var_names for path in usable)
        ]
        _set_aside(found, usable, common, absent, panel)
        for path in usable:
            found.cells[path] = found.cells[path][:, common].copy()


def _biology(cells: AnnData) -> list[str]:
    return list(cells.var_names[(cells.var[keys.MARKER_TYPE] != TECHNICAL).to_numpy()])


def _most(lists: Sequence[Sequence[str]]) -> list[str]:
    """The markers that more than half of the lists hold."""
    times = Counter(marker for names in lists for marker in names)
    return [marker for marker, n in times.items() if n > len(lists) / 2]


def _absent(found: Files, paths: Sequence[str], most: Sequence[str]) -> dict[str, str]:
    """Marker -> batch, for the few markers that no file of a batch has."""
    absent: dict[str, str] = {}
    batches: dict[str, list[str]] = {}
    for path in paths:
        batches.setdefault(str(found.cells[path].obs[keys.BATCH].iloc[0]), []).append(path)
    for batch, batch_paths in batches.items():
        lacking = [m for m in most if not any(m in found.cells[path].var_names for path in batch_paths)]
        if len(lacking) <= LACKING * len(most):
            absent |= dict.fromkeys(lacking, batch)
    return absent


def _lacks(found: Files, path: str, lacking: Sequence[str], n: int, panel: str) -> str:
    cells = found.cells[path]
    first = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
    rest = found.names[(found.names[keys.PANEL] == panel) & (found.names[PATH] != path)]
    channel = rest.loc[rest[keys.MARKER] == lacking[0], keys.CHANNEL].mode().iloc[0]
    label = cells.var[keys.MARKER][(cells.var[keys.CHANNEL] == channel).to_numpy()]
    unmatched = cells.var_names.difference(list(rest[keys.MARKER]))
    hint = nearest(lacking[0], unmatched) + "; leave it out, or give it a panel of its own"
    if len(label):
        hint = f"; its channel {channel} is called {label.iloc[0]!r}, give an alias if the two are one"
    of = f"files of panel {panel!r}" if panel else "files"
    return f"{path} lacks {len(lacking)} of the {n} markers that most {of} have: {first}{hint}"


def _set_aside(
    found: Files, paths: Sequence[str], common: Sequence[str], absent: Mapping[str, str], panel: str
) -> None:
    """Record the markers that only some of the remaining files have."""
    times = Counter(marker for path in paths for marker in _biology(found.cells[path]))
    for marker in set(common):
        del times[marker]  # a Counter accepts an absent key
    for marker, n in times.items():
        lacks = f", no file of batch {absent[marker]!r} has it" if marker in absent else ""
        of = f" of panel {panel!r}" if panel else ""
        found.left_out.append(("marker", marker, f"{n} of {len(paths)} files{of} measure {marker}{lacks}"))


def enough(found: Files) -> None:
    """Raise an InputError if no cells are left, or a single batch where there were more."""
    first = next((reason for kind, _, reason in found.left_out if kind == "file"), "")
    if not found.cells:
        raise InputError(f"none of {len(found.rows)} files can be used; the first: {first}")
    markers = {marker for cells in found.cells.values() for marker in _biology(cells)}
    if not markers:
        raise InputError(f"{len(found.cells)} files have no marker in common; name their channels with a panel")
    var = pd.concat([cells.var for cells in found.cells.values()])
    if not var[keys.TO_CORRECT].any():
        biology = var[var[keys.MARKER_TYPE] != TECHNICAL]
        raise InputError(
            f"no marker is left to correct: {biology.index[0]} is {biology[keys.REASON].iloc[0]}; give other files"
        )
    before = {str(row.get(keys.BATCH, "1")) for row in found.rows}
    after = {str(row.get(keys.BATCH, "1")) for row in found.rows if str(row["path"]) in found.cells}
    if len(before) > 1 and len(after) == 1:
        raise InputError(f"only batch {after.pop()!r} of {len(before)} is left without the bad files: {first}")


def same(what: str, first: pd.Index, second: pd.Index) -> None:
    """Raise an InputError unless two lists hold the same names."""
    for missing, where in ((first.difference(second), "second"), (second.difference(first), "first")):
        if len(missing):
            raise InputError(f"{what}: {list(missing)} missing from the {where}; give every file the same, or a panel")
