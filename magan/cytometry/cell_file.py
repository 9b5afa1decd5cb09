"""A file of cells that stays on disk: its channels, its number of cells, and its cells a few thousand at a time."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from magan import keys
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import OPEN, Events, FcsOptions, open_fcs
from magan.cytometry.read_cells import label_columns, suffix_of
from magan.cytometry.read_h5ad import named_channels, real
from magan.cytometry.read_text import text_parts
from magan.cytometry.text_table import is_gzip
from magan.errors import InputError

ROWS = 65_536  # cells in memory at a time: 10 MB of 40 channels
BLOCK = 1 << 20  # bytes of a text file that are counted at a time


class Part(NamedTuple):
    """Some successive cells of a file.

    ``first`` is the place of the first cell in the file, ``x`` the values as measured ``(n, M)`` float32, ``obs`` what
    the file says of each cell, and ``units`` the transformed values ``(n, M)`` of an h5ad file that holds them.
    """

    first: int
    x: np.ndarray
    obs: pd.DataFrame
    units: np.ndarray | None = None


@dataclass(frozen=True)
class CellFile:
    """An open file: ``var`` has the columns channel and marker of its M channels, ``parts`` gives its cells in order.

    ``names`` are the names of the cells in an h5ad file, None for others.
    """

    path: Path
    var: pd.DataFrame
    parts: Callable[[], Iterator[Part]]
    names: pd.Index | None = None


def open_cells(path: Path | str, cell_type: str = "", fcs: FcsOptions = OPEN, rows: int = ROWS) -> CellFile:
    """Open an FCS, h5ad or text file of cells.

    Parameters
    ----------
    path, cell_type, fcs
        As in `magan.cytometry.read_cells.opened`; the column of labels of a text file is in ``obs`` of the parts.
    rows
        Cells of a part.

    Raises
    ------
    InputError
        As `opened`; what is wrong with a cell is raised when its part is read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"file {path} does not exist; check the path")
    suffix = suffix_of(path)
    if is_fcs(path):
        events = open_fcs(path, fcs)
        return CellFile(path, events.var, partial(_events, events, rows))
    if suffix == ".h5ad":
        return _open_h5ad(path, rows)
    labels = label_columns(cell_type)
    first = next(text_parts(path, labels, 1), None)
    if first is None:
        raise InputError(f"file {path} holds no cell; give at least one")
    return CellFile(path, first.var, partial(_text, path, labels, rows))


def n_cells(path: Path | str, fcs: FcsOptions = OPEN) -> int:
    """The number of cells in a file; of a text file the number of lines below the first, blank ones too.

    Raises
    ------
    InputError
        The file cannot be opened.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if is_fcs(path):
        return open_fcs(path, fcs).n
    try:
        if suffix == ".h5ad":
            with h5py.File(path) as file:
                return len(read_elem(file["obs"]))
        with (gzip.open if is_gzip(path) else open)(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(partial(file.read, BLOCK), b"")) - 1
    except (OSError, EOFError, KeyError, TypeError) as error:
        raise InputError(f"file {path} cannot be opened ({error}); write it again") from error


def _events(events: Events, rows: int) -> Iterator[Part]:
    for i, x in enumerate(events.blocks(rows)):
        yield Part(i * rows, x, pd.DataFrame(index=pd.RangeIndex(i * rows, i * rows + len(x))))


def _text(path: Path, labels: Sequence[str], rows: int) -> Iterator[Part]:
    first = 0
    for cells in text_parts(path, labels, rows):
        yield Part(first, np.asarray(cells.X), cells.obs)
        first += cells.n_obs


def _open_h5ad(path: Path, rows: int) -> CellFile:
    try:
        with h5py.File(path) as file:
            obs, var = (read_elem(file[name]) for name in ("obs", "var"))
            has_units = f"layers/{keys.PREPROCESSED}" in file
            is_empty = "X" not in file or not len(obs) or not len(var)
    except Exception as error:  # h5py and anndata raise OSError, KeyError and their own
        raise InputError(
            f"file {path} cannot be read as h5ad ({type(error).__name__} {' '.join(str(error).split())}); "
            "write it again"
        ) from error
    if is_empty:
        raise InputError(f"file {path} holds {len(obs)} cells by {len(var)} markers and no more; write it again")
    obs.index = obs.index.astype(str)
    if not obs.index.is_unique:
        name = obs.index[obs.index.duplicated()][0]
        raise InputError(f"file {path}: cell {name!r} is listed twice; make the names unique")
    named = named_channels(path, AnnData(var=var))
    return CellFile(path, named, partial(_h5ad, path, obs, has_units, rows), obs.index)


def _h5ad(path: Path, obs: pd.DataFrame, has_units: bool, rows: int) -> Iterator[Part]:
    with h5py.File(path) as file:
        layer = f"layers/{keys.PREPROCESSED}"
        arrays = {name: _backed(file[name]) for name in (["X", layer] if has_units else ["X"])}
        for first in range(0, len(obs), rows):
            stop = min(first + rows, len(obs))
            x, *units = (real(path, array[first:stop], name) for name, array in arrays.items())
            yield Part(first, x, obs.iloc[first:stop], *units)


def _backed(element: Any) -> Any:
    """A matrix that is read where it is sliced, sparse or not."""
    return element if isinstance(element, h5py.Dataset) else sparse_dataset(element)
