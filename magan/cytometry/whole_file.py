"""Every cell of a file of which a data set has a random sample, a part at a time: on its scales, with its flags."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from magan import keys
from magan.cytometry.acquisition import Acquisition, acquisition_in_parts, clock
from magan.cytometry.arcsinh import transformed
from magan.cytometry.cell_file import CellFile, Part, open_cells
from magan.cytometry.fcs_read import as_slice, fcs_options
from magan.cytometry.panel import columns


def whole_file(row: Mapping[str, object]) -> CellFile:
    """The file of a row of a sample sheet.

    Raises
    ------
    InputError
        As `magan.cytometry.cell_file.open_cells`.
    """
    return open_cells(str(row["path"]), str(row.get(keys.CELL_TYPE) or ""), fcs_options(row))


def on_scale(
    file: CellFile, var: pd.DataFrame, scales: Sequence[float | str]
) -> Iterator[tuple[Part, np.ndarray, np.ndarray]]:
    """Every part of a file with its measured and its transformed values ``(n, M)``.

    Parameters
    ----------
    file
        The file.
    var
        Of M markers, with columns channel and marker.
    scales
        Of each marker, as in `magan.cytometry.arcsinh.transformed`. Where all are "none", or there is none, the
        transformed values are those that the file brings, or else the measured ones.
    """
    places = as_slice(columns(file.var, var))
    is_transformed = all(scale == "none" for scale in scales)
    for part in file.parts():
        x = part.x[:, places]
        brought = x if part.units is None else part.units[:, places]
        yield part, x, brought if is_transformed else transformed(x, scales)


def flags(row: Mapping[str, object], var: pd.DataFrame, scales: Sequence[float | str], n: int) -> Acquisition:
    """What is unlike the rest of the acquisition of a file with ``n`` events, see `acquisition`.

    Parameters
    ----------
    row
        Of the sample sheet.
    var, scales
        Of the markers of the file, as in `on_scale`; those that are not corrected take no part.
    n
        Number of all its events.
    """
    file = whole_file(row)
    place = clock(list(file.var[keys.CHANNEL]), list(file.var[keys.MARKER]))
    if place is None:
        return Acquisition(np.zeros(n, np.uint8), ())
    used = var[keys.TO_CORRECT].to_numpy(bool)
    some = [scale for scale, it in zip(scales, used) if it]
    parts = ((units, part.x[:, place]) for part, _, units in on_scale(file, var[used], some))
    return acquisition_in_parts(parts, n, list(var.index[used]))
