"""The figures of a data set."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from magan import keys, tracking
from magan.figures import WRITTEN, Drawing, Results, save
from magan.stages.atomic_files import atomic_write, read_metrics, unquoted
from magan.stages.provenance import digest, sources_of
from magan.tasks.batch_correction.explorer import explorer
from magan.tasks.panel_merging.figures import MergedPanels
from magan.tasks.panel_merging.verdicts import ASKED
from magan.tasks.registry import MERGING, TASKS


def draw(
    task: str,
    dataset: str,
    arms: Mapping[str, str],
    baselines: Sequence[str],
    headline: str,
    tables: tuple[str, str],
    folders: tuple[str, str],
    written: str = "",
) -> None:
    """Rule `draw`: draw the figures of a data set, each as SVG and PNG.

    Parameters
    ----------
    arms
        Arm -> model, in the study's order but for the deployed arm, which comes first: its cells are shown.
    baselines
        In the study's order.
    headline
        The deployed method, whose cells are shown; "" where a task compares baselines alone: the first of them.
    tables
        Files of the scores and of their summary.
    folders
        The folder that holds truth.h5ad and a folder of each method, and the folder of the figures.
    written
        The file of cells as they are written, which are then the ones to be shown; "" where no method is deployed. Its
        numbers for the interactive figures of the report are written to explorer.json.
    """
    folder, output = folders
    results = load(task, dataset, arms, baselines, headline, tables, folder, written)
    _save(TASKS[task].figures, results, mark(results.truth, tables[0]), output)
    if written and np.isfinite(results.headline.X).all():
        with atomic_write(f"{output}/explorer.json") as part:
            part.write_text(json.dumps(explorer(results.truth, results.headline), separators=(",", ":")))


def load(
    task: str,
    dataset: str,
    arms: Mapping[str, str],
    baselines: Sequence[str],
    headline: str,
    tables: tuple[str, str],
    folder: str,
    written: str,
) -> Results:
    """Read what the figures of a data set are drawn from; arguments as of `draw`."""
    entry, methods = TASKS[task], [*arms, *baselines]
    metrics, summary = (rows_of(read_metrics(path), task, dataset, methods) for path in tables)
    truth = anndata.read_h5ad(f"{folder}/truth.h5ad")
    shown = entry.shown(arms, baselines, summary) if entry.shown else [headline or methods[0]]
    shown = dict.fromkeys([*shown, *(arms if keys.BIAXIAL in truth.uns else ())])
    mapped = {name: anndata.read_h5ad(f"{folder}/{name}/mapped.h5ad") for name in shown}
    if written:
        mapped[WRITTEN] = anndata.read_h5ad(written)
    return Results(
        dataset=dataset,
        truth=truth,
        mapped=mapped,
        metrics=metrics,
        summary=summary,
        curves={arm: tracking.read_events(f"{folder}/{arm}/events.jsonl").curves for arm in arms},
        arms=arms,
        inputs=entry.inputs(truth) if entry.inputs else {},
    )


def mark(truth: anndata.AnnData, metrics: str) -> str:
    """Return the digest of what a data set's figures are drawn from: its sources and the file of its scores."""
    return digest(sources_of(truth) | {"metrics": hashlib.sha256(Path(metrics).read_bytes()).hexdigest()})


def draw_merged(table: str, merged: str, audits: Mapping[str, tuple[str, str]], output: str) -> None:
    """Rule `draw_merged`: the figures of merged panels, each as SVG and PNG.

    ``audits`` is name -> files of the truth and of the maps of the merging arm.
    """
    results = MergedPanels(
        verdicts=unquoted(pd.read_csv(table, sep="\t")),
        merged=anndata.read_h5ad(merged),
        audits={name: (anndata.read_h5ad(truth), anndata.read_h5ad(maps)) for name, (truth, maps) in audits.items()},
        asked={word: least[0] for word, least in ASKED.items()},
    )
    _save(MERGING.figures, results, digest({"verdicts": Path(table).read_text()}), output)


def _save(figures: Mapping[str, Drawing], results: Any, mark: str, output: str) -> None:
    """Write every figure that the results have as SVG and PNG into a folder."""
    Path(output).mkdir(parents=True, exist_ok=True)
    for name, drawing in figures.items():
        if not drawing.when(results):
            continue
        figure = drawing.figure(results, mark)
        for suffix in ("svg", "png"):
            with atomic_write(f"{output}/{name}.{suffix}") as part:
                save(figure, part)


def rows_of(table: pd.DataFrame, task: str, dataset: str, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of a data set in the order of ``methods``, the floor last."""
    rows = table[(table[keys.TASK] == task) & (table[keys.DATASET] == dataset)]
    names = rows[keys.METHOD].where(rows[keys.ARM] == keys.BASELINE, rows[keys.ARM])
    place = {name: i for i, name in enumerate(methods)}
    return rows.iloc[names.map(place).fillna(len(place)).to_numpy().argsort(kind="stable")]
