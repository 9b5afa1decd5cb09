"""What is to be known of a user's files before anything runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.config import OwnData
from magan.cytometry import draw_cells
from magan.cytometry.acquisition import troubles
from magan.cytometry.arcsinh import RAW_BELOW
from magan.cytometry.channel_table import channel_table, doubts, restricted
from magan.cytometry.check_markers import check
from magan.cytometry.choose_scales import scale_hint
from magan.cytometry.combine_files import gather, stack, transform
from magan.cytometry.compensation import mixed
from magan.cytometry.consistent_markers import Files, Rows
from magan.cytometry.fcs_read import FcsOptions
from magan.cytometry.gating import gate
from magan.cytometry.harmonise_names import proposals, unused
from magan.cytometry.load import reading, rows_of
from magan.cytometry.marker_names import TECHNICAL
from magan.cytometry.read_cells import compensations
from magan.errors import InputError
from magan.preflight.cautions import design, small, unlike
from magan.preflight.distributions import Histogram, below, effects, histograms, sampled
from magan.preflight.panels import panels
from magan.preflight.rehearsal import Rehearsal, rehearse, unwritable
from magan.stages.validate_study import validate_study
from magan.study import Study, load, parse
from magan.tasks.batch_correction.control_design import sentences
from magan.tasks.registry import TASKS

BYTES = 16  # of a value: measured and transformed, once in its file and once among all cells
ROW_BYTES = 1000  # of a cell's name and labels
JOB_SECONDS = 5.0  # of a job besides its fit: Python starts, libraries are loaded, cells are scored or drawn
STOPS = "The run would stop: "


@dataclass(frozen=True)
class Findings:
    """What `preflight` found.

    ``files`` has a row per file (path, sample, batch, panel, cells, channels, scale, problem,
    compensation), ``batches`` per batch
    (batch, files, cells, controls), ``below`` per batch and marker (batch, marker, zeros, negatives: shares),
    ``effects`` per pair of batches and marker (batch, other, marker, emd, floor: between halves of one batch), both of
    a subsample. ``names`` is the table of `harmonise_names.harmonise`, ``channels`` that of
    `channel_table.channel_table`, ``markers`` (marker, reason) those that are not in all files, ``histograms`` has the
    distribution in each file of every marker that is corrected. ``faults`` end the run
    or leave a file out, ``warnings`` do not. ``seconds`` and ``megabytes`` are an estimate of the run on one core.
    """

    files: pd.DataFrame
    batches: pd.DataFrame
    names: pd.DataFrame
    channels: pd.DataFrame
    markers: pd.DataFrame
    below: pd.DataFrame
    effects: pd.DataFrame
    histograms: Mapping[str, Histogram]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    megabytes: float
    drawn: str = ""  # how many cells take part in training and scores, where these are not all
    panels: tuple[str, ...] = ()  # what each panel measures, and what each two share


def preflight(rows: Rows, **reading: Any) -> Findings:
    """Read the files as the run would, and say what it would meet; see `examine`."""
    return examine(rows, **reading)[0]


def examine(
    rows: Rows,
    *,
    aliases: Mapping[str, Any] | None = None,
    cofactor: float | Mapping[str, float | None] | None = 5.0,
    counts: Sequence[str] = (),
    gates: Mapping[str, str] | None = None,
    leave_out: bool = True,
    **reading: Any,
) -> tuple[Findings, AnnData | None]:
    """What the run would meet, and the cells that it would read: None if it would stop before.

    Parameters
    ----------
    rows
        Of a sample sheet, as `read_sheet` gives them.
    aliases, cofactor, counts, reading
        As in `registry.load_files`.
    gates
        Population -> gate, as in `magan.cytometry.gating.gate`.
    leave_out
        Whether the run goes on without the files that cannot be used.

    Raises
    ------
    InputError
        The rows themselves are wrong, see `gather`. What is wrong with files is in ``faults``.
    """
    start = time.monotonic()
    files = gather(rows, aliases=aliases, counts=counts, leave_out=True, **reading)
    scales = {path: _scale(cells, files.panel_of(path) in counts) for path, cells in files.cells.items()}
    faults, adata = [], None
    try:
        cytof = transform(files, cofactor, counts, leave_out=True)
        whole = stack(files)
        whole.uns[keys.CYTOF] = cytof
        check(whole, "the data")
        adata = gate(whole, gates) if gates else whole
    except InputError as error:
        faults.append(f"{STOPS}{error}")
    seconds = {"reading": 2 * (time.monotonic() - start), "training": 0.0, "jobs": 0.0}
    start_of = "Left out: " if leave_out else STOPS
    bad = [f"{start_of}{reason}" for kind, _, reason in files.left_out if kind == "file"]
    samples = pd.DataFrame([{keys.PANEL: "", **row} for row in rows]).astype({keys.BATCH: str})
    batches, channels = _batches(samples, files), channel_table(files)
    spillovers = compensations(rows)
    said = {path: found.sentence for path, found in spillovers.items()}
    some = sampled(adata)
    shares = below(some)
    panel_lines, panel_cautions = panels(files)
    found = Findings(
        files=_files(samples, files, scales).assign(
            compensation=[
                spillovers[path].sentence if path in spillovers else "" for path in samples["path"].astype(str)
            ]
        ),
        batches=batches,
        names=files.names,
        channels=channels,
        markers=pd.DataFrame(
            [(n, r) for kind, n, r in files.left_out if kind == "marker"], columns=["marker", "reason"]
        ),
        below=shares,
        effects=effects(some),
        histograms=histograms(files, adata),
        faults=(
            *faults,
            *mixed(spillovers, dict(zip(samples["path"].astype(str), samples[keys.BATCH]))),
            *bad,
        ),
        warnings=(
            *_alike(said),
            *([] if adata is None else troubles(adata.uns[keys.ACQUISITION])),
            *_alike({path: scale_hint(cells) for path, cells in files.cells.items()}),
            *unused(files.names, aliases),
            *proposals(files.names),
            *doubts(channels),
            *design(samples, batches),
            *small(batches, files),
            *unlike(shares),
            *panel_cautions,
        ),
        panels=tuple(panel_lines),
        seconds=seconds,
        megabytes=_megabytes(files, adata),
        drawn=draw_cells.sentence(None if adata is None else adata.uns.get(keys.DRAWN)),
    )
    return found, None if bad and not leave_out else adata


def _megabytes(files: Files, adata: AnnData | None) -> float:
    """Memory of the cells that are held, with the markers that are corrected."""
    n_markers = 0 if adata is None else int(adata.var[keys.TO_CORRECT].sum())
    return sum(cells.n_obs for cells in files.cells.values()) * (BYTES * n_markers + ROW_BYTES) / 1e6


def preflights(
    sheet: Path,
    *,
    panel: Path | None = None,
    cofactor: str = "5",
    transform: str | None = None,
    aliases: Path | None = None,
    compensation: str | None = None,
    trust: str | None = None,
) -> dict[str, Findings]:
    """The preflight of a sample sheet, or of each data set of a study's own (which names its tables itself).

    Raises
    ------
    InputError
        The sheet or the study is wrong, or has no files of its own.
    """
    if sheet.suffix.lower() not in (".yaml", ".yml"):
        FcsOptions(compensation, trust)  # refuses what it does not know
        own = {"sheet": str(sheet), "panel": panel and str(panel), "cofactor": number(cofactor)}
        own |= {"transform": transform, "compensation": compensation, "trust": trust}
        return {str(sheet): _of_sheet(OwnData(**own, aliases=str(aliases) if aliases else {}))}
    if panel or aliases or transform or compensation or trust:
        raise InputError(
            f"{sheet} is a study, which names its own panel, aliases, transform, compensation and trust; "
            "leave these options out"
        )
    return of_study(load(sheet), str(sheet))


def of_study(study: Study, title: str) -> dict[str, Findings]:
    """The preflight of each data set of a study's own files; paths begin at the working directory.

    Raises
    ------
    InputError
        The study is wrong, or has no files of its own.
    """
    validate_study(study.model_dump(mode="json", exclude_unset=True))
    if not study.own_data:
        raise InputError(f"{title} has no own_data; give a sample sheet, or a study of your own files")
    read = {name: _read(own) for name in study.own_data if isinstance(own := study.own(name), OwnData)}
    cells = {name: adata for name, (_, adata) in read.items() if adata is not None}
    rehearsals, folders = rehearse(study, cells), tuple(unwritable(study.name))
    return {
        f"{title}, {name}": _with(_as_asked(found, study, name), rehearsals.get(name, Rehearsal((), 0.0)), folders)
        for name, (found, _) in read.items()
    }


def _read(own: OwnData) -> tuple[Findings, AnnData | None]:
    rows = draw_cells.limited(rows_of(own), own)
    gates = None if isinstance(own.gates, str) else own.gates
    return examine(rows, **reading(own, rows), gates=gates, leave_out=own.sheet is not None)


def _of_sheet(own: OwnData) -> Findings:
    """What a sheet meets when `magan correct` is called with it.

    What would stop the correction is a fault, but for a sheet of several panels, which may be meant for `magan merge`.
    """
    found, adata = _read(own)
    if adata is None:
        return found
    alignment = {"cells": "sheet", "reference": "median", "method": "auto"}
    study = parse({"name": "sheet", "title": "", "batch": {"sheet": alignment}})
    rehearsal = rehearse(study, {"sheet": adata})["sheet"]
    stops = [fault.removeprefix("batch.sheet: ") for fault in rehearsal.faults]
    is_merged = found.files[keys.PANEL].nunique() > 1
    warnings = [f"magan correct would stop: {stop}." for stop in stops] if is_merged else []
    if keys.IS_CONTROL in adata.obs and adata.obs[keys.IS_CONTROL].any():
        warnings += _by_controls(adata)
    seconds = {**found.seconds, **_seconds(rehearsal)}
    faults = found.faults if is_merged else (*found.faults, *(f"{STOPS}{stop}" for stop in stops))
    return replace(found, faults=faults, warnings=(*found.warnings, *warnings), seconds=seconds)


def _by_controls(adata: AnnData) -> list[str]:
    """What a study meets that learns from controls alone."""
    task = TASKS["batch"]
    settings = task.settings.model_validate({"cells": "sheet", "method": "auto", "train": {keys.IS_CONTROL: True}})
    try:
        design = task.split(settings, [adata], 2).truth.uns[keys.DESIGN]
    except InputError as error:
        return [f"Learning from controls (magan correct --controls) would stop: {error}."]
    return [f"If maps learn from controls (magan correct --controls): {line}" for line in sentences(design)]


def _with(found: Findings, rehearsal: Rehearsal, folders: Sequence[str]) -> Findings:
    faults = (*found.faults, *(f"{STOPS}{fault}" for fault in (*rehearsal.faults, *folders)))
    warnings = (*found.warnings, *rehearsal.cautions)
    return replace(found, faults=faults, warnings=warnings, seconds={**found.seconds, **_seconds(rehearsal)})


def _seconds(rehearsal: Rehearsal) -> dict[str, float]:
    return {"training": rehearsal.seconds, "jobs": JOB_SECONDS * rehearsal.jobs}


def _as_asked(found: Findings, study: Study, data: str) -> Findings:
    """With the roles of channels as the study's batch alignments have them, where all of these list markers."""
    listed = [settings.markers for settings in study.section("batch").values() if settings.cells == data]
    if not listed or None in listed:
        return found
    markers = [marker for markers in listed for marker in markers]
    channels = restricted(found.channels, markers)
    warnings = tuple(line for line in found.warnings if line not in doubts(found.channels))
    return replace(found, channels=channels, warnings=(*warnings, *doubts(channels)))


def number(cofactor: str) -> float | None:
    """The cofactor that a word gives, None for none.

    Raises
    ------
    InputError
        It is no positive number.
    """
    if cofactor.lower() in ("none", "null"):
        return None
    try:
        number = float(cofactor)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InputError(f"cofactor is {cofactor!r}; give a positive number, or none")
    return number


def passes(found: Findings) -> bool:
    """Whether the run would use every file and come to its end."""
    return not found.faults


def _scale(cells: AnnData, is_counts: bool) -> str:
    """Raw counts, or transformed already: by the 99.9th percentile of what is no technical channel."""
    biology = np.asarray(cells.X)[:, (cells.var[keys.MARKER_TYPE] != TECHNICAL).to_numpy()]
    if is_counts:
        return "RNA counts"
    return "" if not biology.size else "transformed" if np.percentile(biology, 99.9) < RAW_BELOW else "raw"


def _files(samples: pd.DataFrame, files: Files, scales: Mapping[str, str]) -> pd.DataFrame:
    problems = {name: reason for kind, name, reason in files.left_out if kind == "file"}
    paths = samples["path"].astype(str)
    return pd.DataFrame(
        {
            "path": paths,
            keys.SAMPLE: samples.get(keys.SAMPLE, paths),
            keys.BATCH: samples[keys.BATCH],
            keys.PANEL: samples[keys.PANEL],
            "cells": [files.sizes.get(path, (0, 0))[0] for path in paths],
            "channels": [files.sizes.get(path, (0, 0))[1] for path in paths],
            "scale": [scales.get(path, "") for path in paths],
            "problem": [problems.get(path, "") for path in paths],
        }
    )


def _batches(samples: pd.DataFrame, files: Files) -> pd.DataFrame:
    """Of the files that stay."""
    read = samples[samples["path"].astype(str).isin(files.cells)]
    cells = read["path"].astype(str).map({path: n for path, (n, _) in files.sizes.items()}).astype(int)
    controls = read[keys.IS_CONTROL].astype(bool) if keys.IS_CONTROL in read else pd.Series(False, read.index)
    table = pd.DataFrame({keys.BATCH: read[keys.BATCH], "files": 1, "cells": cells, "controls": controls.astype(int)})
    return table.groupby(keys.BATCH, sort=False).sum().reset_index()


def _alike(sentences: Mapping[str, str]) -> list[str]:
    """Each sentence about files once, with the first of them."""
    said: dict[str, list[str]] = {}
    for path, sentence in sentences.items():
        said.setdefault(sentence, []).append(path)
    more = {s: f" (and {len(paths) - 1} more files)" if len(paths) > 1 else "" for s, paths in said.items()}
    return [f"{paths[0]}{more[sentence]} {sentence}." for sentence, paths in said.items() if sentence]
