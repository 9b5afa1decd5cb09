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


def collect(study: Mapping[str, Any], root: str, metrics: str, summary: str, page: str, output: str) -> None:
    """Rule `collect`: every event log and score into the tracking store; a second time changes nothing."""
    checked = Study.model_validate(study)
    sources = study_sources(checked, root)
    runs = []
    for task, dataset, settings in checked.tasks():
        files = {name: sources[name]["files"] for name in settings.data()}
        digests = {f"{name}/{file}": sha for name, part in files.items() for file, sha in part.items()}
        place = Path(root, task, dataset)
        for name, arm in settings.arms.items():
            registered = task == "batch" and name == settings.deployed
            model = _model(f"{checked.name}-{dataset}", place, name) if registered else None
            looks = place / name / LOOKS
            runs.append(
                tracking.Run(
                    *(task, dataset, name, arm.model, name, place / name / "events.jsonl"),
                    _chosen(arm, checked.training_of(settings, arm).model_dump(mode="json")),
                    digests,
                    model,
                    {LOOKS: looks} if looks.is_dir() else {},
                )
            )
        for name in settings.baselines:
            events = place / name / "events.jsonl"
            registered = task == "batch" and name == settings.deployed
            model = _model(f"{checked.name}-{dataset}", place, name) if registered else None
            runs.append(tracking.Run(task, dataset, name, name, keys.BASELINE, events, {}, digests, model))
    done = tracking.collect(
        checked.tracking.uri,
        study=study,
        runs=runs,
        metrics=read_metrics(metrics),
        summary=read_metrics(summary),
        commit=provenance()["commit"],
        artifacts={"report": Path(page), "figures": Path(root, "figures")},
    )
    write_table(done, output)


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
