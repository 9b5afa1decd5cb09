"""Compensation of fluorescence: the matrix that a file holds, whether it is applied, and how to say so.

The spillover matrix S says how much of the light of each dye (row) each detector (column) sees: measured values are
``x = y S``, compensated ones ``y = x S^-1``. FlowUtils does the arithmetic.

When the user says nothing, the matrix of the file is applied, since the standard keeps it there for values that are
not compensated yet. Files without a matrix, as those of mass cytometers, stay as they are, and so do those with
``$DFCmTOn``, by which FCS 2.0 says what the instrument has subtracted already.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from flowutils.compensate import compensate as solve

from magan.cytometry.fcs_channels import TIMES, Channel
from magan.cytometry.marker_names import COMPENSATED, split_name
from magan.errors import InputError, nearest

KEYWORDS = ("spillover", "spill", "comp")  # in order of preference; all in lower case without $
SCATTER = re.compile(r"(fsc|ssc|fs |ss |fs$|ss$)", re.IGNORECASE)
FILE, NONE = "file", "none"


@dataclass(frozen=True)
class Spillover:
    """A matrix and the columns of the file that it is about."""

    places: tuple[int, ...]
    matrix: np.ndarray  # (K, K); row: dye, column: detector


@dataclass(frozen=True)
class Compensation:
    """What a file holds to compensate its values, and what is done with it.

    ``keyword`` names where the matrix was found ("" for none), ``n_channels`` its size and ``largest`` its largest
    value off the diagonal, in absolute terms: 0 for an identity. ``compensated`` lists channels whose names say that
    their values are compensated already, ``problem`` says why a matrix cannot be used. ``asked`` is what the user
    said, None for nothing, and ``applied`` the matrix by which the values are compensated. A table of text
    (``is_table``) has no matrix.
    """

    keyword: str = ""
    n_channels: int = 0
    largest: float = 0.0
    compensated: tuple[str, ...] = ()
    problem: str = ""
    asked: str | None = None
    applied: Spillover | None = None
    is_table: bool = False

    @property
    def state(self) -> str:
        """Of the values as they are read: "compensated", "not compensated", or "" where no compensation is named."""
        if self.applied is not None or self.compensated:
            return "compensated"
        return "not compensated" if self.keyword else ""

    @property
    def sentence(self) -> str:
        """What a user is to know, or be asked; "" where there is nothing to say."""
        held = f"holds a spillover matrix ({self.keyword}, {self.n_channels} channels, largest off-diagonal "
        held += f"{self.largest:.3g})"
        if self.problem:
            return f"{held if self.n_channels else 'holds a spillover matrix'} that is not applied: {self.problem}"
        if self.compensated:
            return f"is compensated already, as {len(self.compensated)} channels say ({self.compensated[0]})"
        if self.applied is not None and self.asked is None:
            return f"{held}, which is applied; say compensation: none if its values are compensated already"
        if self.applied is not None:
            return f"is compensated by {'its ' + self.keyword if self.asked == FILE else self.asked}"
        return f"{held}, which is not applied, as compensation is none" if self.largest else ""


def choose(path: Path, keywords: Mapping[str, str], channels: Sequence[Channel], asked: str | None) -> Compensation:
    """What is to be done with the values of a file.

    Parameters
    ----------
    path, keywords, channels
        Of the file.
    asked
        "file" applies the file's matrix, if it has one; "none" applies none; a path names a table of the matrix, see
        `read_matrix`. None applies the file's matrix, if it can be, to channels that are not compensated already.

    Raises
    ------
    InputError
        The matrix that is asked for cannot be read, cannot be inverted, or names a channel that the file has not; or
        the file's is asked for although its channels are compensated already.
    """
    names = [channel.name for channel in channels]
    done = _compensated(names)
    if asked not in (None, FILE, NONE):
        spillover = located(by_channel(read_matrix(Path(asked)), channels), names, f"{asked} for {path}")
        return Compensation(asked, len(spillover.places), _largest(spillover), (), "", asked, spillover)
    keyword = next((key for key in KEYWORDS if keywords.get(key, "").strip() not in ("", "0")), "")
    if not keyword:
        return Compensation(compensated=done, asked=asked)
    shown = f"${keyword.upper()}"
    try:
        table = by_channel(parse_keyword(keywords[keyword], names), channels)
        spillover = located(table, names, f"{shown} of {path}")
    except InputError as error:
        if asked == FILE:
            raise
        return Compensation(shown, 0, 0.0, done, "" if asked == NONE else str(error), asked)
    largest = _largest(spillover)
    if done and asked == FILE and largest:
        raise InputError(
            f"{path}: channel {done[0]!r} says that its values are compensated already; say compensation: none"
        )
    doubt = _doubt(keyword, spillover.matrix) if asked is None and largest and not done else ""
    used = bool(largest) and asked != NONE and not done and not doubt
    return Compensation(shown, len(spillover.places), largest, done, doubt, asked, spillover if used else None)


def mixed(states: Mapping[str, Compensation], batches: Mapping[str, str]) -> list[str]:
    """A sentence where some files of a data set are compensated and others are not.

    Parameters
    ----------
    states
        File -> what `choose` found of it.
    batches
        File -> batch.
    """
    done = [file for file, found in states.items() if found.state == "compensated"]
    rest = [file for file in states if file not in done]
    if all(states[file].is_table for file in done):  # a file without a matrix may hold either kind of values
        rest = [file for file in rest if states[file].state]
    if not done or not rest:
        return []
    shared = {batches.get(file) for file in done} & {batches.get(file) for file in rest}
    where = "in one batch" if shared else "together"
    counted = [f"{len(files)} file{'s are' if len(files) > 1 else ' is'}" for files in (done, rest)]
    return [
        f"{counted[0]} compensated (first: {done[0]}) and {counted[1]} not (first: {rest[0]}) {where}; "
        "give compensation as file, none or the path of a matrix so that all are alike"
    ]


def of_table(columns: Sequence[str]) -> Compensation:
    """What the names of the columns of a table of text say."""
    return Compensation(compensated=_compensated(columns), is_table=True)


def compensate(values: np.ndarray, spillover: Spillover | None) -> np.ndarray:
    """``y = x S^-1`` in the channels of the matrix, ``(n, M)`` float32; other channels as they are."""
    if spillover is None or not len(values):
        return values
    places = list(spillover.places)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as such
        values[:, places] = solve(values[:, places].astype(np.float64), spillover.matrix)
    return values


def read_matrix(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Channels and matrix of a table (CSV, or TSV by suffix): a row of channels, then a row of numbers for each.

    A first column of channel names is allowed. Row i is the dye of channel i, column j the detector of channel j.

    Raises
    ------
    InputError
        There is no such file, or it holds no square table of numbers.
    """
    if not path.is_file():
        raise InputError(f"compensation is '{path}', which is no file; write file, none, or the path of a matrix")
    try:
        table = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", encoding="utf-8-sig")
        if str(table.columns[0]).startswith("Unnamed") or not pd.api.types.is_numeric_dtype(table.iloc[:, 0]):
            table = table.iloc[:, 1:]
        matrix = table.to_numpy(np.float64)
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"compensation {path} is no table of numbers ({error}); write channels, then rows") from None
    if len(table) != table.shape[1] or not len(table):
        raise InputError(f"compensation {path} has {len(table)} rows for {table.shape[1]} channels; make it square")
    return tuple(str(name).strip() for name in table.columns), matrix


def parse_keyword(text: str, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Channels and matrix of ``n, channel 1, ..., channel n, row 1, ..., row n``.

    Without channels, as FCS 3.0 writes ``$COMP``, the matrix is about all channels, or about those that are neither
    scatter nor clock.

    Raises
    ------
    InputError
        The text is no such list.
    """
    parts = [part.strip() for part in text.replace("\n", " ").split(",")]
    try:
        n = int(parts[0])
        named = len(parts) == 1 + n + n * n
        if not 0 < n <= len(names) or not (named or len(parts) == 1 + n * n):
            raise ValueError(f"{len(parts) - 1} fields for {n} channels")
        matrix = np.array([float(part) for part in parts[-n * n :]]).reshape(n, n)
    except ValueError as error:
        raise InputError(
            f"the spillover matrix cannot be read ({error}); give compensation as none or a path"
        ) from None
    if named:
        return tuple(parts[1 : n + 1]), matrix
    dyes = [name for name in names if not SCATTER.match(name) and name.lower() not in TIMES]
    for some in (names, dyes):
        if len(some) == n:
            return tuple(some), matrix
    raise InputError(f"the spillover matrix has {n} channels without names; give compensation as none or a path")


def by_channel(
    table: tuple[tuple[str, ...], np.ndarray], channels: Sequence[Channel]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The matrix with its channels called as the file calls them.

    A name that is no channel of the file may be that of a compensated channel (``Comp-PE-A``, ``PE-A :: CD4``), or the
    label of exactly one channel.
    """
    names, labels = ([get(channel).casefold() for channel in channels] for get in (lambda c: c.name, lambda c: c.label))
    found = []
    for name in table[0]:
        bare = COMPENSATED.sub("", split_name(name, name)[0], count=1)
        if name.casefold() not in names and bare.casefold() in names:
            name = bare
        elif name.casefold() not in names and labels.count(name.casefold()) == 1:
            name = channels[labels.index(name.casefold())].name
        found.append(name)
    return tuple(found), table[1]


def located(table: tuple[tuple[str, ...], np.ndarray], names: Sequence[str], what: str) -> Spillover:
    """The matrix with its channels found among those of a file.

    Raises
    ------
    InputError
        A channel is missing or there twice, or the matrix has no inverse.
    """
    channels, matrix = table
    folded = [name.casefold() for name in names]
    for channel in channels:
        if folded.count(channel.casefold()) != 1:
            raise InputError(
                f"{what} is about channel {channel!r}{nearest(channel, names)}, which the file has not; "
                "give compensation as none or the path of a matrix"
            )
        if channels.count(channel) > 1:
            raise InputError(f"{what} lists channel {channel!r} {channels.count(channel)} times; list each once")
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e6:
        raise InputError(f"{what} has no usable inverse; give compensation as none or the path of a matrix")
    return Spillover(tuple(folded.index(channel.casefold()) for channel in channels), matrix)


def identity_keyword(spillover: Spillover, names: Sequence[str]) -> str:
    """``$SPILLOVER`` of values that are compensated: the same channels, and a matrix that changes nothing."""
    n = len(spillover.places)
    numbers = np.eye(n, dtype=int).ravel().astype(str)
    return ",".join([str(n), *(names[i] for i in spillover.places), *numbers])


def _compensated(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if COMPENSATED.match(name))


def _largest(spillover: Spillover) -> float:
    return float(np.abs(spillover.matrix - np.eye(len(spillover.matrix))).max())


def _doubt(keyword: str, matrix: np.ndarray) -> str:
    """Why a matrix is not applied unless the user asks for it."""
    if keyword == "comp":
        return "$COMP may hold a matrix or its inverse; say compensation: file if it is the spillover matrix"
    if np.abs(np.diag(matrix) - 1).max() > 0.01:
        return "its diagonal is not 1; say compensation: file to apply it as it is"
    return ""
