"""What is to be known of a user's files before anything runs."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.config import OwnData, Training
from magan.cytometry.arcsinh import RAW_BELOW
from magan.cytometry.channel_table import channel_table, doubts
from magan.cytometry.check_markers import check
from magan.cytometry.choose_scales import scale_hint
from magan.cytometry.combine_files import gather, stack, transform
from magan.cytometry.compensation import mixed
from magan.cytometry.consistent_markers import Files, Rows
from magan.cytometry.fcs_read import FcsOptions, compensations
from magan.cytometry.harmonise_names import proposals, unused
from magan.cytometry.load import reading, rows_of
from magan.cytometry.marker_names import TECHNICAL
from magan.errors import InputError
from magan.metrics.batch_distance import emd, labelled, split_half
from magan.metrics.group_effects import confounded
from magan.stages.validate_study import validate_study
from magan.study import Study, load

SAMPLED = 5000  # cells of a batch that are compared with those of others
FEW_PER_BATCH, FEW_PER_FILE = 1000, 100  # cells: less is told
UNLIKE = 0.15  # difference between shares of zeros or negatives that a network sees at once
PAIRS = 200  # of batches: with more, each is compared with fewer cells
BYTES = 16  # of a value: measured and transformed, once in its file and once among all cells
ROW_BYTES = 1000  # of a cell's name and labels
STEP_SECONDS = 0.02  # of training: one seed, one step, on one core


@dataclass(frozen=True)
class Findings:
    """What `preflight` found.

    ``files`` has a row per file (path, sample, batch, panel, cells, channels, scale, problem), ``batches`` per batch
    (batch, files, cells, controls), ``below`` per batch and marker (batch, marker, zeros, negatives: shares),
    ``effects`` per pair of batches and marker (batch, other, marker, emd, floor: between halves of one batch), both of
    a subsample. ``names`` is the table of `harmonise_names.harmonise`, ``channels`` that of
    `channel_table.channel_table`, ``markers`` (marker, reason) those that are not in all files. ``faults`` end the run
    or leave a file out, ``warnings`` do not. ``seconds`` and ``megabytes`` are an estimate of the run on one core.
    """

    files: pd.DataFrame
    batches: pd.DataFrame
    names: pd.DataFrame
    channels: pd.DataFrame
    markers: pd.DataFrame
    below: pd.DataFrame
    effects: pd.DataFrame
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    megabytes: float


def preflight(
    rows: Rows,
    *,
    aliases: Mapping[str, Any] | None = None,
    cofactor: float | Mapping[str, float | None] | None = 5.0,
    counts: tuple[str, ...] = (),
    steps: int = 0,
    **reading: Any,
) -> Findings:
    """Read the files as the run would, and tell what it would meet.

    Parameters
    ----------
    rows
        Of a sample sheet, as `read_sheet` gives them.
    aliases, cofactor, counts, reading
        As in `registry.load_files`.
    steps
        Of training each batch, all seeds and arms together, for the estimate.

    Raises
    ------
    InputError
        The rows themselves are wrong, see `gather`. What is wrong with files is told in ``faults``.
    """
    start = time.monotonic()
    files = gather(rows, aliases=aliases, counts=counts, leave_out=True, **reading)
    scales = {path: _scale(cells, files.panel_of(path) in counts) for path, cells in files.cells.items()}
    faults, adata = [], None
    try:
        transform(files, cofactor, counts, leave_out=True)
        adata = stack(files)
        check(adata, "the data")
    except InputError as error:
        faults.append(f"The run would stop: {error}")
    taken = time.monotonic() - start
    bad = [f"{reason}" for kind, _, reason in files.left_out if kind == "file"]
    samples = pd.DataFrame([{keys.PANEL: "", **row} for row in rows]).astype({keys.BATCH: str})
    batches = _batches(samples, files)
    spillovers = compensations(rows)
    compensated = _alike({path: found.sentence for path, found in spillovers.items()})
    scaled = _alike({path: scale_hint(cells) for path, cells in files.cells.items()})
    n_markers = 0 if adata is None else int(adata.var[keys.TO_CORRECT].sum())
    n_cells = sum(n for n, _ in files.sizes.values())
    sampled = _sampled(adata)
    channels = channel_table(files)
    below, effects = _below(sampled), _effects(sampled)
    return Findings(
        files=_files(samples, files, scales),
        batches=batches,
        names=files.names,
        channels=channels,
        markers=pd.DataFrame(
            [(n, r) for kind, n, r in files.left_out if kind == "marker"], columns=["marker", "reason"]
        ),
        below=below,
        effects=effects,
        faults=(
            *faults,
            *mixed(spillovers, dict(zip(samples["path"].astype(str), samples[keys.BATCH]))),
            *(f"Left out: {reason}" for reason in bad),
        ),
        warnings=(
            *compensated,
            *scaled,
            *unused(files.names, aliases),
            *proposals(files.names),
            *doubts(channels),
            *_design(samples, batches),
            *_small(batches, files),
            *_unlike(below),
        ),
        seconds={"reading": 2 * taken, "training": max(len(batches) - 1, 0) * steps * STEP_SECONDS},
        megabytes=n_cells * (BYTES * n_markers + ROW_BYTES) / 1e6,
    )


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
        own = {"sheet": str(sheet), "panel": panel and str(panel), "cofactor": _number(cofactor)}
        own |= {"transform": transform, "compensation": compensation, "trust": trust}
        one = OwnData(**own, aliases=str(aliases) if aliases else {})
        rows, steps = rows_of(one), Training().steps * len(Study(name="check", title="").seeds)
        return {str(sheet): preflight(rows, **reading(one, rows), steps=steps)}
    if panel or aliases or transform or compensation or trust:
        raise InputError(
            f"{sheet} is a study, which names its own panel, aliases, transform, compensation and trust; "
            "leave these options out"
        )
    study = load(sheet)
    validate_study(study.model_dump(mode="json", exclude_unset=True))
    if not study.own_data:
        raise InputError(f"{sheet} has no own_data; give a sample sheet, or a study of your own files")
    found = {}
    for name, own in study.own_data.items():
        rows = rows_of(own)
        found[f"{sheet}, {name}"] = preflight(rows, **reading(own, rows), steps=_steps(study, name))
    return found


def _number(cofactor: str) -> float | None:
    if cofactor.lower() in ("none", "null"):
        return None
    try:
        number = float(cofactor)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InputError(f"cofactor is {cofactor!r}; give a positive number, or none")
    return number


def _steps(study: Study, data: str) -> int:
    """Of all arms and seeds that train on a data set."""
    return sum(
        study.training_of(settings, arm).steps * len(study.seeds_of(settings))
        for _, _, settings in study.tasks()
        if settings.data() == data
        for arm in settings.arms.values()
    )


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
    kept = samples[samples["path"].astype(str).isin(files.cells)]
    cells = kept["path"].astype(str).map({path: part.n_obs for path, part in files.cells.items()}).astype(int)
    controls = kept[keys.IS_CONTROL].astype(bool) if keys.IS_CONTROL in kept else pd.Series(False, kept.index)
    table = pd.DataFrame({keys.BATCH: kept[keys.BATCH], "files": 1, "cells": cells, "controls": controls.astype(int)})
    return table.groupby(keys.BATCH, sort=False).sum().reset_index()


def _sampled(adata: AnnData | None) -> dict[str, AnnData]:
    """Batch -> some of its cells, with the markers to be corrected."""
    if adata is None:
        return {}
    of = adata.obs[keys.BATCH].astype(str).to_numpy()
    names = list(dict.fromkeys(of))
    n = SAMPLED if len(names) * (len(names) - 1) / 2 <= PAIRS else SAMPLED // 10
    random = np.random.default_rng(0)
    chosen = {name: random.permutation(np.flatnonzero(of == name))[:n] for name in names}
    markers = adata.var[keys.TO_CORRECT].to_numpy(dtype=bool)
    return {name: adata[rows, markers].copy() for name, rows in chosen.items()}


def _below(sampled: Mapping[str, AnnData]) -> pd.DataFrame:
    """Shares of zeros and of negatives among what was measured."""
    parts = []
    for batch, cells in sampled.items():
        x = np.asarray(cells.X)
        known = np.maximum(np.isfinite(x).sum(axis=0), 1)
        shares = {"zeros": (x == 0).sum(axis=0) / known, "negatives": (x < 0).sum(axis=0) / known}
        seen = np.isfinite(x).any(axis=0)
        parts.append(pd.DataFrame({keys.BATCH: batch, "marker": cells.var_names, **shares})[seen])
    columns = [keys.BATCH, "marker", "zeros", "negatives"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _effects(sampled: Mapping[str, AnnData]) -> pd.DataFrame:
    """EMD of every marker between every two batches, in arcsinh units, beside what halves of one batch give."""
    values = {batch: np.asarray(cells.layers[keys.PREPROCESSED]) for batch, cells in sampled.items()}
    halves = {batch: [x[rows] for rows in split_half(x)] for batch, x in values.items()}
    floors = {batch: emd(one[None], other)[0] for batch, (one, other) in halves.items()}
    parts = []
    for one, other in itertools.combinations(values, 2):
        # Halves are half as many cells: the floor of whole samples is that much lower.
        floor = np.maximum(floors[one], floors[other]) / np.sqrt(2)
        distance = emd(values[one][None], values[other])[0]
        both = np.isfinite(distance)
        table = {keys.BATCH: one, "other": other, "marker": sampled[one].var_names, "emd": distance, "floor": floor}
        parts.append(pd.DataFrame(table)[both])
    columns = [keys.BATCH, "other", "marker", "emd", "floor"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _design(samples: pd.DataFrame, batches: pd.DataFrame) -> list[str]:
    """What the layout of samples over batches allows to be told."""
    told = []
    if len(batches) == 1:
        told.append(f"There is one batch, {batches[keys.BATCH].iloc[0]}: nothing to align it with.")
    is_control = (
        samples[keys.IS_CONTROL].astype(bool) if keys.IS_CONTROL in samples else pd.Series(False, samples.index)
    )
    people = samples[~is_control]
    if keys.GROUP in people and (sentence := confounded(people[keys.BATCH], people[keys.GROUP])):
        told.append(sentence)
    if keys.DONOR in people and len(batches) > 1:
        donors = people[labelled(people[keys.DONOR].to_numpy())].groupby(keys.DONOR)[keys.BATCH].nunique()
        if len(donors) and donors.max() == 1:
            told.append("No donor is in two batches: differences between donors cannot be told from a batch effect.")
    without = list(batches.loc[batches["controls"] == 0, keys.BATCH])
    if 0 < len(without) < len(batches):
        told.append(f"No control is in batch {', '.join(without)}: give one in every batch, or train on all samples.")
    return told


def _alike(sentences: Mapping[str, str]) -> list[str]:
    """Each sentence about files once, with the first of them."""
    said: dict[str, list[str]] = {}
    for path, sentence in sentences.items():
        said.setdefault(sentence, []).append(path)
    more = {s: f" (and {len(paths) - 1} more files)" if len(paths) > 1 else "" for s, paths in said.items()}
    return [f"{paths[0]}{more[sentence]} {sentence}." for sentence, paths in said.items() if sentence]


def _small(batches: pd.DataFrame, files: Files) -> list[str]:
    few = [f"{row.batch} ({row.cells})" for row in batches.itertuples() if row.cells < FEW_PER_BATCH]
    told = [f"Batches with fewer than {FEW_PER_BATCH:,} cells are hard to align: {', '.join(few)}."] if few else []
    sizes = {str(row.get(keys.SAMPLE, row["path"])): files.cells[str(row["path"])].n_obs for row in files.rows
             if str(row["path"]) in files.cells}  # fmt: skip
    tiny = [f"{sample} ({n})" for sample, n in sizes.items() if n < FEW_PER_FILE]
    return told + ([f"Samples with fewer than {FEW_PER_FILE} cells: {', '.join(tiny)}."] if tiny else [])


def _unlike(below: pd.DataFrame) -> list[str]:
    told = []
    for what in ("zeros", "negatives"):
        shares = below.pivot(index="marker", columns=keys.BATCH, values=what)
        spread = (shares.max(axis=1) - shares.min(axis=1)).sort_values(ascending=False)
        unlike = list(spread.index[spread > UNLIKE])
        if unlike:
            worst = shares.loc[unlike[0]]
            told.append(
                f"Batches differ in their share of {what} for {len(unlike)} markers ({', '.join(unlike[:5])}"
                f"{', ...' if len(unlike) > 5 else ''}): {unlike[0]} has {worst.max():.0%} in {worst.idxmax()} and "
                f"{worst.min():.0%} in {worst.idxmin()}."
            )
    return told
