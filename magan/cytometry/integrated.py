"""Corrected cells of more files than fit into memory: an .h5ad file for each, written and read a part at a time."""

from collections.abc import Iterable
from pathlib import Path

import anndata
import h5py
import numpy as np
from anndata import AnnData
from anndata.experimental import AnnCollection

from magan.errors import InputError


def write_parts(cells: AnnData, values: Iterable[np.ndarray], path: Path) -> None:
    """Write cells whose values come in parts.

    Parameters
    ----------
    cells
        obs, var and uns of all ``n`` cells, without ``X``.
    values
        Successive rows of ``X``, ``(k, M)`` float32; ``n`` rows in all.
    path
        What to write.
    """
    cells.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        x = file.create_dataset("X", cells.shape, np.float32)
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        first = 0
        for part in values:
            x[first : first + len(part)] = part
            first += len(part)


def open_integrated(folder: Path | str) -> AnnCollection:
    """The corrected cells of a large study, which stay on disk until they are asked for.

    Parameters
    ----------
    folder
        ``integrated`` among the corrected files of a batch correction, with an .h5ad file for each file of cells.

    Returns
    -------
    anndata.experimental.AnnCollection
        All cells ``(n, M)``. ``obs`` is in memory, about 165 bytes a cell. ``X``, the corrected values in arcsinh
        units, is read of the rows that are selected: ``open_integrated(folder)[rows].X``.

    Raises
    ------
    InputError
        The folder holds no .h5ad file.
    """
    paths = sorted(Path(folder).glob("*.h5ad"))
    if not paths:
        raise InputError(f"folder {folder} holds no .h5ad file; give the folder integrated of the corrected files")
    return AnnCollection([anndata.read_h5ad(path, backed="r") for path in paths], join_obs="inner")
