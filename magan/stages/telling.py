"""What a reader sees: figures, the report, and the runs in the tracking store."""

import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from magan import classifier, config, keys, tracking
from magan.correction import correction
from magan.errors import InputError
from magan.figures import FIGURES, OF_PANELS, OF_TASK, save
from magan.report import render
from magan.stages.atomic_files import atomic_write, code, read_gate, read_metrics, write_table
from magan.stages.job import LOOKS, flat
from magan.stages.lectures import lectures
from magan.stages.training_cost import costs
from magan.tasks.batch_correction.batch_effects import before
from magan.tasks.panel_merging.verdicts import ASKED

LIBRARIES = ("magan", "torch", "numpy", "anndata", "scanpy", "scikit-learn", "mlflow", "snakemake")


def draw(
    task: str,
    dataset: str,
    arms: Mapping[str, str],
    methods: Sequence[str],
    folder: str,
    metrics: str,
    summary: str,
    output: str,
) -> None:
    """Rule `draw`: the figures of one dataset, each as SVG and PNG.

    ``arms`` is arm -> model in the study's order, of which the first is the one
    whose cells are shown, ``methods`` the arms and then the baselines; ``folder``
    holds truth.h5ad and a folder of each method.
    """
    table, means = (_of(read_metrics(path), task, dataset, methods) for path in (metrics, summary))
    truth = anndata.read_h5ad(f"{folder}/truth.h5ad")
    mapped = {name: anndata.read_h5ad(f"{folder}/{name}/mapped.h5ad") for name in _shown(task, arms, methods, means)}
    first = next(iter(mapped.values()))
    curves = {arm: tracking.read_events(f"{folder}/{arm}/events.jsonl").curves for arm in arms}
    mark = digest(_sources(truth) | {"metrics": hashlib.sha256(Path(metrics).read_bytes()).hexdigest()})
    arguments: dict[str, tuple[tuple, dict]] = {
        "heldout_markers": ((table, means), {}),
        "heldout_scatter": ((truth, mapped), {}),
        "batch_scores": ((means,), {"dataset": dataset}),
        "batch_densities": ((truth, first), {}),
        "umap": ((truth, first), {}),
        "digit_outcomes": ((table,), {}),
        "digit_grid": ((truth, first, table), {}),
        "translation_grid": ((truth, mapped, table), {}),
        "translation_scores": ((table, means), {"dataset": dataset}),
        "translation_retrieval": ((means,), {"dataset": dataset}),
        "generation_grid": ((truth, mapped, table), {}),
        "generation_scores": ((table, means), {"dataset": dataset}),
        "generation_modes": ((table,), {"dataset": dataset}),
        "matching_scores": ((table, means), {"dataset": dataset}),
        "matching_cells": ((truth, first), {}),
        "loss_curves": ((curves,), {"methods": dict(arms)}),
    }
    if task == "batch":
        about = {"dataset": dataset, "reference": str(truth.uns[keys.REFERENCE])}
        arguments["batch_effects"] = (tuple(before(truth)), about)
    Path(output).mkdir(parents=True, exist_ok=True)
    for name in OF_TASK[task]:
        positional, named = arguments[name]
        figure = FIGURES[name].draw(*positional, **named, digest=mark)
        for suffix in ("svg", "png"):
            with atomic_write(f"{output}/{name}.{suffix}") as part:
                save(figure, part)


def report(study: Mapping[str, Any], root: str, metrics: str, summary: str, output: str) -> None:
    """Rule `report`: one self-contained page, every number from the tables."""
    checked = config.Study.model_validate(study)
    told = {(task, dataset): settings for task, dataset, settings in checked.tasks() if settings.arms}
    with atomic_write(output) as part:
        part.write_text(
            render(
                {
                    "name": checked.name,
                    "title": checked.title,
                    "description": checked.summary,
                    "headline": {place: next(iter(settings.arms)) for place, settings in told.items()},
                    "controls": {place: _controls(settings) for place, settings in told.items()},
                    "verdicts": {place: _judged(root, place[1]) for place in told if place[0] == "batch"},
                    "lectures": lectures(checked, root),
                    "panels": [_merged(name, settings, root) for name, settings in checked.panels.items()],
                    "left_out": {place: _left_out(settings, root) for place, settings in told.items()},
                    "trainings": {place: costs(checked, root, *place) for place in told},
                },
                _ordered(read_metrics(summary), checked),
                _ordered(read_metrics(metrics), checked),
                _pictures(checked, root),
                {
                    **provenance(),
                    "config": study,
                    "sources": list(_all_sources(checked, root).values()),
                    "seeds": {"/".join(place): list(checked.seeds_of(settings)) for place, settings in told.items()},
                    "judges": _judges(checked, root),
                    "failures": _failures(checked, root),
                },
            )
        )


def collect(study: Mapping[str, Any], root: str, metrics: str, summary: str, page: str, output: str) -> None:
    """Rule `collect`: every event log and score into the tracking store; a second time changes nothing."""
    checked = config.Study.model_validate(study)
    sources = _all_sources(checked, root)
    runs = []
    for task, dataset, settings in checked.tasks():
        digests = {f"{name}/{file}": sha for name, s in sources.items() for file, sha in s["files"].items()
                   if name in config.data_of(settings)}  # fmt: skip
        place = f"{root}/{task}/{dataset}"
        for name, arm in settings.arms.items():
            chosen = {
                **flat(arm.model_dump(mode="json", exclude={"training"})),
                **flat({"training": checked.training_of(settings, arm).model_dump(mode="json")}),
            }
            events = Path(place, name, "events.jsonl")
            first = task == "batch" and name == next(iter(settings.arms))
            model = _model(f"{checked.name}-{dataset}", Path(place), name) if first else None
            looks = Path(place, name, LOOKS)
            files = {LOOKS: looks} if looks.is_dir() else {}
            runs.append(tracking.Run(task, dataset, name, arm.model, name, events, chosen, digests, model, files))
        for name in settings.baselines:
            events = Path(place, name, "events.jsonl")
            runs.append(tracking.Run(task, dataset, name, name, keys.BASELINE, events, {}, digests))
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


def _model(name: str, place: Path, arm: str) -> tracking.Model | None:
    """An arm's model for the registry, and five cells of its first batch; None, with a word, if it corrects nothing."""
    path, query = place / arm / "model.safetensors", min((place / "query").glob("*.h5ad"))
    if not path.stat().st_size:
        print(f"{name} is not registered: every seed of {arm} failed")
        return None
    try:
        one = correction(path, query.stem)
    except InputError as error:
        print(f"{name} is not registered: {error}")
        return None
    cells = anndata.read_h5ad(query)[:5, list(one.markers)]
    return tracking.Model(name, path, pd.DataFrame(np.asarray(cells.X), columns=cells.var_names), query.stem)


def digest(values: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=list).encode()).hexdigest()[:12]


def provenance() -> dict[str, Any]:
    """Commit (if any), digest of the package's own code, and versions of what it stands on."""
    commit = _git("rev-parse", "--short", "HEAD")
    # A page or a result in the tree is no change of what made it.
    changed = commit and _git("status", "--porcelain", "--", "magan", "workflow", "config", "Snakefile")
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    commit = f"{commit} with changes" if changed else commit
    return {"commit": commit or "not a git checkout", "code": code(), "versions": versions}


def _git(*arguments: str) -> str:
    root = Path(__file__).parents[2]
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True).stdout.strip()


def _of(table: pd.DataFrame, task: str, dataset: str, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of one dataset in the order of ``methods``, the floor last; figures and report keep it."""
    rows = table[(table[keys.TASK] == task) & (table[keys.DATASET] == dataset)]
    names = rows[keys.METHOD].where(rows[keys.ARM] == keys.BASELINE, rows[keys.ARM])
    place = {name: i for i, name in enumerate(methods)}
    return rows.iloc[names.map(place).fillna(len(place)).to_numpy().argsort(kind="stable")]


def _ordered(table: pd.DataFrame, study: config.Study) -> pd.DataFrame:
    """Tasks, datasets and methods in the order in which the study lists them."""
    parts = [
        _of(table, task, dataset, [*settings.arms, *settings.baselines]) for task, dataset, settings in study.tasks()
    ]
    return pd.concat(parts, ignore_index=True) if parts else table


def _controls(settings: config.Task) -> dict[str, str]:
    """The arms that are the first one but for its correspondence: with none ("alone"), and with it shuffled."""
    (_, first), *rest = settings.arms.items()
    found: dict[str, str] = {}
    for name, arm in rest:
        kept = arm.correspondence
        shuffled = kept.name == first.correspondence.name and kept.options.get("shuffled", False)
        kind = "alone" if kept.name == "none" else "shuffled" if shuffled else ""
        if kind and _network(arm) == _network(first):
            found.setdefault(kind, name)
    return {} if first.correspondence.name == "none" else found


def _network(arm: config.Arm) -> tuple:
    """Everything of an arm but its correspondence and the weight of it."""
    options = {name: value for name, value in arm.options.items() if name != "correspondence_weight"}
    return arm.model, options, arm.techniques, arm.scale, arm.training


def _shown(task: str, arms: Mapping[str, str], methods: Sequence[str], means: pd.DataFrame) -> list[str]:
    """The arm whose cells are drawn, and beside a held-out marker the best baseline; of images that were made all."""
    if task in ("translation", "generation"):
        return list(arms)
    best = means.loc[(means["metric"] == "pearson") & (means["feature"] == keys.ALL), "best_baseline"]
    beside_it = [name for name in best.unique() if name in methods][:1] if task == "heldout" else []
    return [next(iter(arms)), *beside_it]


def _pictures(study: config.Study, root: str) -> list[dict[str, str]]:
    places = [("panels", name, OF_PANELS) for name in study.panels]
    places += [(task, dataset, OF_TASK[task]) for task, dataset, _ in study.tasks()]
    return [
        {
            "title": FIGURES[name].title,
            "caption": FIGURES[name].caption,
            "path": f"{root}/figures/{task}/{dataset}/{name}.{FIGURES[name].suffix}",
            "task": task,
            "dataset": dataset,
        }
        for task, dataset, names in places
        for name in names
    ]


def _judged(root: str, dataset: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """What rule `judge` found of a batch alignment."""
    folder = Path(root, "batch", dataset)
    return json.loads((folder / "verdict.json").read_text()), read_gate(folder / "gate.tsv")


def _merged(name: str, panels: config.Panels, root: str) -> dict[str, Any]:
    """What rule `merge` found of panels."""
    verdicts = pd.read_csv(Path(root, "panels", name, "verdicts.tsv"), sep="\t", keep_default_na=False, na_values=[""])
    return {"name": name, "arm": next(iter(panels.arms)), "verdicts": verdicts, "asked": ASKED}


def _judges(study: config.Study, root: str) -> dict[str, str]:
    """Data set of images -> SHA-256 of the weights of the classifier that judged them, where there is one."""
    paths = {
        f"{task}/{dataset}": Path(root, task, dataset, "classifier.safetensors")
        for task, dataset, _ in study.tasks()
        if task in config.OF_IMAGES
    }
    return {
        name: classifier.digest(classifier.load(path))
        for name, path in paths.items()
        if path.exists() and path.stat().st_size
    }


def _left_out(settings: config.Task, root: str) -> list[tuple[str, str, str]]:
    """Kind, name and reason of all that was not used of the user's files."""
    found = [
        anndata.read_h5ad(f"{root}/cells/{name}.h5ad", backed="r").uns.get(keys.LEFT_OUT)
        for name in config.data_of(settings)
    ]
    return [tuple(row) for table in found if table is not None for row in table.itertuples(index=False)]


def _sources(adata: anndata.AnnData) -> dict[str, Any]:
    """Of a data set: name, file -> sha256, licence and citation."""
    source = adata.uns.get(keys.SOURCE, {})
    return {k: dict(v) if isinstance(v, Mapping) else str(v) for k, v in source.items()}


def _all_sources(study: config.Study, root: str) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(name for _, _, settings in study.tasks() for name in config.data_of(settings))
    names |= dict.fromkeys(settings.images for settings in study.lectures.values() if settings.images)
    return {name: _sources(anndata.read_h5ad(f"{root}/cells/{name}.h5ad", backed="r")) for name in names}


def _failures(study: config.Study, root: str) -> list[dict[str, str]]:
    failed = []
    for task, dataset, settings in study.tasks():
        for name in (*settings.arms, *settings.baselines):
            events = tracking.read_events(f"{root}/{task}/{dataset}/{name}/events.jsonl")
            if events.error:
                failed.append({"task": task, "dataset": dataset, "name": name, **events.error})
    return failed
