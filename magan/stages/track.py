"""Runs of a study in the tracking store."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from magan import keys, tracking
from magan.config import Arm
from magan.errors import InputError
from magan.stages.atomic_files import read_metrics, write_table
from magan.stages.method import LOOKS
from magan.stages.provenance import provenance, study_sources
from magan.study import Study
from magan.tasks.registry import TASKS


def collect(study: Mapping[str, Any], root: str, metrics: str, summary: str, page: str, output: str) -> None:
    """Rule `collect`: every event log and score into the tracking store; a second time changes nothing."""
    checked = Study.model_validate(study)
    sources = study_sources(checked, root)
    runs, notes = [], {}
    for task, dataset, settings in checked.tasks():
        data = {name: sources[name]["files"] for name in settings.data()}
        notes[f"{task}/{dataset}"] = _note(checked, task, settings.deployed)
        place = Path(root, task, dataset)
        for name, arm in settings.arms.items():
            deployed = name == settings.deployed
            model = _model(f"{checked.name}-{dataset}", place, name) if task == "batch" and deployed else None
            looks = place / name / LOOKS
            runs.append(
                tracking.Run(
                    *(task, dataset, name, arm.model, name, place / name / "events.jsonl"),
                    _chosen(arm, checked.training_of(settings, arm).model_dump(mode="json")),
                    data,
                    model,
                    {LOOKS: looks} if looks.is_dir() else {},
                    deployed,
                )
            )
        for name in settings.baselines:
            events = place / name / "events.jsonl"
            deployed = name == settings.deployed
            model = _model(f"{checked.name}-{dataset}", place, name) if task == "batch" and deployed else None
            runs.append(
                tracking.Run(task, dataset, name, name, keys.BASELINE, events, {}, data, model, deployed=deployed)
            )
    done = tracking.collect(
        checked.tracking.uri,
        study=study,
        runs=runs,
        metrics=read_metrics(metrics),
        summary=read_metrics(summary),
        commit=provenance()["commit"],
        artifacts={"report": Path(page), "figures": Path(root, "figures")},
        notes=notes,
    )
    write_table(done, output)


def _note(study: Study, task: str, deployed: str) -> str:
    """Describe the experiment of a task: its question, the method that is deployed, and what its runs are."""
    question = TASKS[task].question
    title, better = keys.SCORES[question.score]
    heads = f"`{deployed}` is deployed: it heads the report. " if deployed else ""
    return (
        f"**{study.title}. {question.title}**\n\n{question.question}\n\n"
        f"{heads}Compare runs by the metric `{task}/{question.score}`, {title}; {keys.BEST[better]}. "
        "A run is an arm or a baseline; the runs inside an arm are its seeds and their consensus. "
        "Compare means over seeds with baselines and with each other, and a consensus with a consensus: "
        "`tags.kind = 'consensus'`.\n\n"
        "Scores of each marker and population are in the artifact `scores.csv`, intervals in `summary.csv`, and the "
        "report in `report/index.html`."
    )


def _chosen(arm: Arm, training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an arm with dotted names."""
    return {**tracking.flat(arm.model_dump(mode="json", exclude={"training"})), **tracking.flat({"training": training})}


def _model(name: str, place: Path, arm: str) -> tracking.Model | None:
    """The judged model for the registry, with five cells of a batch; None, with a word, where it corrects nothing."""
    path, query = place / "model.safetensors", min((place / "query").glob("*.h5ad"))
    if not path.stat().st_size:
        print(f"{name} is not registered: every seed of {arm} failed")
        return None
    from magan.correction import correction  # torch is imported where a model is to be registered

    try:
        corrector = correction(path, query.stem)
    except InputError as error:
        print(f"{name} is not registered: {error}")
        return None
    cells = anndata.read_h5ad(query)[:5, list(corrector.markers)]
    return tracking.Model(name, path, pd.DataFrame(np.asarray(cells.X), columns=cells.var_names), query.stem)
