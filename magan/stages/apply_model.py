"""A trained model on files that arrive later: each is written again, corrected."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.correction import CELLS, Correction, mapped_units, of_model
from magan.cytometry import write_corrected
from magan.cytometry.arcsinh import transformed
from magan.cytometry.fcs_read import OPEN, Events, FcsOptions, as_slice, open_fcs, survey
from magan.cytometry.fcs_write import Change, rewrite
from magan.cytometry.panel import Panel, annotate, columns
from magan.cytometry.read_cells import read
from magan.domains.domain import from_anndata
from magan.errors import InputError
from magan.stages.atomic_files import atomic_write


def destinations(files: Sequence[Path], folder: Path) -> list[Path]:
    """``folder/<name>`` of every file.

    Raises
    ------
    InputError
        One of them is a file that is given, or two are the same.
    """
    places = [folder / file.name for file in files]
    for file, place in zip(files, places):
        if place.exists() and any(other.exists() and place.samefile(other) for other in files):
            raise InputError(f"{place} is one of the files to correct; choose another output folder")
        if places.count(place) > 1:
            raise InputError(f"{places.count(place)} files are called {file.name}; correct them into folders apart")
    return places


def correct(
    one: Correction,
    file: Path,
    place: Path,
    panel: Panel | None = None,
    fcs: FcsOptions = OPEN,
    stay_compensated: bool = False,
) -> int:
    """Write a file again, corrected, and return its number of events.

    An FCS file is never in memory as a whole: it is read twice and written once, a few thousand events at a time.
    It goes back to the state it came in, compensated or not, unless it is to ``stay_compensated``.

    Raises
    ------
    InputError
        The file cannot be read, lacks a marker of the model, is raw where the model knows transformed values or the
        other way round, or would have a value that is not finite.
    """
    provenance = {**one.provenance, "MAGAN_SOURCE": file.name}
    if file.name.lower().endswith(".fcs"):
        events = open_fcs(file, fcs)
        provenance["MAGAN_COMPENSATION"] = events.compensation.keyword if events.spillover else ""
        change, places = _change_of(one, events, panel)
        with atomic_write(place) as part:
            rewrite(events, part, places, change, provenance=provenance, rows=CELLS, stay_compensated=stay_compensated)
        return events.n
    cells = of_model(one, read(file, panel=panel), file)
    units = from_anndata(cells, str(file)).values.numpy()
    mapped = np.concatenate([mapped_units(one, units[start : start + CELLS]) for start in range(0, len(units), CELLS)])
    out = cells[:, list(one.both)].copy()
    out.X = write_corrected.raw_corrected(np.asarray(out.X), mapped, one.after)
    out.layers[keys.INTEGRATED] = mapped
    with atomic_write(place) as part:
        write_corrected.write(file, out, part, provenance=provenance)
    return out.n_obs


def _change_of(one: Correction, events: Events, panel: Panel | None) -> tuple[Change, list[int]]:
    """What becomes of some events of a file, and in which of its columns."""
    file = events.path
    known = annotate(AnnData(events.read(0, 1), var=events.var), panel, name=str(file)).var
    whole = survey(events, used=columns(events.var, known[known.index.isin(one.markers)]))
    # What can be said of the file's scale and channels, its evenly spaced events say.
    some = AnnData(whole.some, obs=pd.DataFrame(index=pd.RangeIndex(len(whole.some)).astype(str)), var=events.var)
    cells = of_model(one, annotate(some, panel, name=str(file)), file)
    own = as_slice(columns(events.var, cells.var))
    places = columns(events.var, cells.var.loc[list(one.both)])
    both, before, after, lowest = as_slice(places), one.before, one.after, whole.lowest[places]

    def change(first: int, x: np.ndarray) -> np.ndarray:
        mapped = mapped_units(one, transformed(x[:, own], before))
        return write_corrected.raw_corrected(x[:, both], mapped, after, lowest)

    return change, places
