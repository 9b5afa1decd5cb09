"""A random sample of the cells of large files, from which maps are trained and scored."""

import contextlib
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.config import OwnData
from magan.cytometry.cell_file import n_cells, open_cells
from magan.cytometry.consistent_markers import Rows
from magan.cytometry.fcs_read import OPEN, FcsOptions, fcs_options
from magan.cytometry.read_cells import Drawn, with_cell_type
from magan.errors import InputError

IN_MEMORY = 500_000  # cells of a data set that are held at most, where the study does not say
COLUMNS = ("path", "cells", "drawn")


def limited(rows: Rows, user_data: OwnData) -> list[dict[str, object]]:
    """The rows of a sheet, with the number of cells to be drawn from each file that has more.

    With ``cells_per_file: auto`` it is the largest number with which at most `IN_MEMORY` cells are held, so a data set
    of no more cells is used as a whole. Counts of RNA are held whole.

    Raises
    ------
    InputError
        A number is given for counts of RNA.
    """
    asked, plain = user_data.cells_per_file, [dict(row) for row in rows]
    if user_data.counts and isinstance(asked, int):
        raise InputError(f"cells_per_file is {asked}, but counts of RNA are read whole; leave it out")
    if asked == "all" or user_data.counts:
        return plain
    sizes = {}
    for row in rows:
        with contextlib.suppress(InputError):  # which reading the file says
            sizes[str(row["path"])] = n_cells(str(row["path"]), fcs_options(row))
    most = asked if isinstance(asked, int) else per_file(list(sizes.values()))
    return [row | ({keys.CELLS_PER_FILE: most} if sizes.get(str(row["path"]), 0) > most else {}) for row in plain]


def per_file(sizes: Sequence[int], total: int = IN_MEMORY) -> int:
    """The largest number of cells of a file with which files of these sizes give at most ``total``; at least 1."""
    left, most = total, 1
    for i, size in enumerate(sorted(sizes)):
        most = max(left // (len(sizes) - i), 1)
        if size > most:
            return most
        left -= size
    return max([most, *sizes])


def draw(path: str, most: int, cell_type: str = "", fcs: FcsOptions = OPEN) -> tuple[AnnData, Drawn]:
    """At most ``most`` cells of a file at random, each set of them as likely as any other, in the order of the file.

    The draw depends on the file's name alone, so it is the same on every machine and in every order of files. The file
    is read once, and never held as a whole.

    Parameters
    ----------
    path
        The file.
    most
        The largest number of cells.
    cell_type, fcs
        As in `magan.cytometry.read_cells.opened`.

    Returns
    -------
    AnnData
        As `magan.cytometry.read_cells.opened` gives it, of the drawn cells.
    Drawn
        What is known of the whole file.

    Raises
    ------
    InputError
        As `magan.cytometry.read_cells.opened`.
    """
    file = open_cells(path, cell_type, fcs)
    random = np.random.default_rng(zlib.crc32(file.path.name.encode()))
    n, n_bad = 0, np.zeros(len(file.var), int)
    ranks = np.empty(0)
    held: list[tuple[np.ndarray, ...]] = []
    obs: list[pd.DataFrame] = []
    for part in file.parts():
        rank = random.random(len(part.x))
        n, n_bad = n + len(part.x), n_bad + (~np.isfinite(part.x)).sum(axis=0)
        ranks = np.concatenate([ranks, rank])
        places = np.arange(part.first, part.first + len(part.x))
        held.append((rank, places, part.x, *([] if part.units is None else [part.units])))
        obs.append(part.obs)
        if len(ranks) > most:  # the cells of the lowest ranks stay
            ranks = np.partition(ranks, most - 1)[:most]
            stays = [columns[0] <= ranks.max() for columns in held]
            held = [tuple(column[it] for column in columns) for columns, it in zip(held, stays)]
            obs = [part[it] for part, it in zip(obs, stays)]
    _, rows, x, *units = (np.concatenate(column) for column in zip(*held))
    layers = {keys.PREPROCESSED: units[0]} if units else {}
    table = pd.concat(obs)
    table.index = table.index.astype(str)
    cells = AnnData(x, obs=table, var=file.var.copy(), layers=layers)
    channels = file.var[keys.CHANNEL].astype(str)
    found = Drawn(rows, n, dict(zip(channels, map(int, n_bad))))
    return with_cell_type(cells, file.path, cell_type, rows, n), found


def table(rows: Sequence[tuple[str, int, int]]) -> pd.DataFrame:
    """Path, cells and drawn cells of files, of which some are drawn from."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sentence(drawn: pd.DataFrame | None) -> str:
    """How many cells of how many take part in training and scores; "" where all do."""
    if drawn is None:
        return ""
    used, n = int(drawn["drawn"].sum()), int(drawn["cells"].sum())
    return (
        f"Maps are trained and scored on {used:,} of {n:,} cells: a random sample of at most "
        f"{int(drawn['drawn'].max()):,} of each file."
    )
