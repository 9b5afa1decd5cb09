"""Apply a trained model to new files: write a corrected copy of each."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.correction import CELLS, Correction, mapped_units, of_model
from magan.cytometry import write_corrected
from magan.cytometry.arcsinh import preprocessed, transformed
from magan.cytometry.fcs_header import is_fcs
from magan.cytometry.fcs_read import OPEN, Events, FcsOptions, Survey, as_slice, open_fcs, survey
from magan.cytometry.fcs_write import Change, rewrite
from magan.cytometry.panel import Panel, annotate, columns
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.stages.atomic_files import atomic_write


def destinations(files: Sequence[Path], folder: Path) -> list[Path]:
    """``folder/<name>`` of every file.

    Raises
    ------
    InputError
        A destination is an input file, or two destinations are equal.
    """
    places = [folder / file.name for file in files]
    for file, place in zip(files, places):
        if place.exists() and any(source.exists() and place.samefile(source) for source in files):
            raise InputError(f"{place} is one of the files to correct; choose another output folder")
        if places.count(place) > 1:
            raise InputError(f"{places.count(place)} files are called {file.name}; correct them into separate folders")
    return places


def correct(
    corrector: Correction,
    file: Path,
    place: Path,
    panel: Panel | None = None,
    fcs: FcsOptions = OPEN,
    stay_compensated: bool = False,
) -> int:
    """Write a corrected copy of a file and return its number of events.

    An FCS file is never in memory as a whole: it is read twice and written once, a few thousand events at a time.
    The copy is compensated if the file was, or where ``stay_compensated`` asks for it. A map that leaves every cell as
    measured gives the bytes of the file.

    Raises
    ------
    InputError
        The file cannot be read, lacks a marker of the model, is raw where the model was trained on transformed
        values or the reverse, or would get a value that is not finite.
    """
    if corrector.leaves:
        return copy(file, place, panel, fcs)
    provenance = {**corrector.provenance, "MAGAN_SOURCE": file.name}
    if is_fcs(file):
        events = open_fcs(file, fcs)
        provenance["MAGAN_COMPENSATION"] = events.compensation.keyword if events.spillover else ""
        change, places = _change_of(corrector, events, panel)
        with atomic_write(place) as part:
            rewrite(events, part, places, change, provenance=provenance, rows=CELLS, stay_compensated=stay_compensated)
        return events.n
    cells = of_model(corrector, read(file, panel=panel), file)
    units = preprocessed(cells, str(file))
    mapped = np.concatenate(
        [mapped_units(corrector, units[start : start + CELLS]) for start in range(0, len(units), CELLS)]
    )
    out = cells[:, list(corrector.both)].copy()
    out.X = write_corrected.raw_corrected(np.asarray(out.X), mapped, corrector.after)
    out.layers[keys.INTEGRATED] = mapped
    with atomic_write(place) as part:
        write_corrected.write(file, out, part, provenance=provenance)
    return out.n_obs


def copy(file: Path, place: Path, panel: Panel | None = None, fcs: FcsOptions = OPEN) -> int:
    """Copy a file that nothing corrects, and return its number of events.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    if is_fcs(file):
        events = open_fcs(file, fcs)
        _survey(events, panel)
        n_events = events.n
    else:
        n_events = read(file, panel=panel, fcs=fcs).n_obs
    with atomic_write(place) as part:
        shutil.copyfile(file, part)
    return n_events


def _change_of(corrector: Correction, events: Events, panel: Panel | None) -> tuple[Change, list[int]]:
    """The function that corrects a chunk of events, and the columns of the file that it changes."""
    file = events.path
    surveyed = _survey(events, panel, corrector.markers)
    # Evenly spaced events are enough to check the file's scale and channels.
    sample = AnnData(
        surveyed.some, obs=pd.DataFrame(index=pd.RangeIndex(len(surveyed.some)).astype(str)), var=events.var
    )
    cells = of_model(corrector, annotate(sample, panel, name=str(file)), file)
    model_columns = as_slice(columns(events.var, cells.var))
    places = columns(events.var, cells.var.loc[list(corrector.both)])
    both, before, after, lowest = as_slice(places), corrector.before, corrector.after, surveyed.lowest[places]

    def change(first: int, x: np.ndarray) -> np.ndarray:
        mapped = mapped_units(corrector, transformed(x[:, model_columns], before))
        return write_corrected.raw_corrected(x[:, both], mapped, after, lowest)

    return change, places


def _survey(events: Events, panel: Panel | None, markers: Sequence[str] | None = None) -> Survey:
    """The survey of a file in which some markers, by default all to be corrected, must be finite in every event."""
    known = annotate(AnnData(events.read(0, 1), var=events.var), panel, name=str(events.path)).var
    used = known[keys.TO_CORRECT].to_numpy(bool) if markers is None else known.index.isin(markers)
    return survey(events, used=columns(events.var, known[used]))
