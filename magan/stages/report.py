"""The report of a study."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import pandas as pd

from magan import keys, tracking
from magan.config import Arm, TaskSettings
from magan.cytometry.acquisition import troubles
from magan.cytometry.channel_table import restricted
from magan.cytometry.draw_cells import sentence
from magan.report.methods_text import methods_text
from magan.report.page import render
from magan.stages import facts
from magan.stages.atomic_files import atomic_write, read_gate, read_metrics, unquoted
from magan.stages.draw import rows_of
from magan.stages.gated import GATE_INTENSITIES, GATES
from magan.stages.lectures import lectures
from magan.stages.provenance import provenance, study_sources
from magan.stages.training_cost import costs
from magan.study import PANELS, Study
from magan.tasks.batch_correction.gate_shares import medians, shares
from magan.tasks.batch_correction.settings import BatchAlignment
from magan.tasks.panel_merging.verdicts import ASKED
from magan.tasks.registry import MERGING, TASKS


def report(study: Mapping[str, Any], root: str, metrics: str, summary: str, output: str) -> None:
    """Rule `report`: write a self-contained page with every number from the tables."""
    checked = Study.model_validate(study)
    every = {(task, dataset): settings for task, dataset, settings in checked.tasks()}
    trained = {place: settings for place, settings in every.items() if settings.deployed}
    corrected = {place: settings for place, settings in trained.items() if isinstance(settings, BatchAlignment)}
    made = provenance()
    sources = study_sources(checked, root)
    page = render(
        {
            "name": checked.name,
            "title": checked.title,
            "description": checked.summary,
            "headline": {place: settings.deployed for place, settings in trained.items()},
            "controls": {place: _controls(settings) for place, settings in trained.items()},
            "verdicts": {place: _judged(root, place[1]) for place in corrected},
            "cautions": {place: facts.cautions(root, settings) for place, settings in corrected.items()},
            "groups": {place: facts.groups(root, place[1]) for place in corrected},
            "explorers": {place: facts.explorer(root, place) for place in corrected},
            "files": {place: facts.files(root, place[1], settings) for place, settings in corrected.items()},
            "places": {
                place: list(facts.links(root, place[1], settings, output)) for place, settings in corrected.items()
            },
            "glossary": {place: list(facts.glossary(settings)) for place, settings in every.items()},
            "links": facts.study_links(checked, root, output),
            "methods": methods_text(
                [facts.written_up(checked, root, place, sources) for place in every], made["versions"], made["commit"]
            ),
            "choices": {
                place: found for place in trained if (found := _choice(root, place, trained[place])) is not None
            },
            "channels": {
                place: table for place in trained if (table := _channels(root, place, trained[place])) is not None
            },
            "troubles": {place: _troubles(root, trained[place]) for place in trained if place[0] == "batch"},
            "lab_gates": {place: found for place in trained if (found := _lab_gates(root, place)) is not None},
            "lectures": lectures(checked, root),
            "panels": [_merged(name, settings, root) for name, settings in checked.panels_to_merge().items()],
            "left_out": {place: _left_out(settings, root) for place, settings in trained.items()},
            "drawn": {place: _drawn(settings, root) for place, settings in every.items()},
            "trainings": {place: costs(checked, root, *place) for place in trained},
        },
        _ordered(read_metrics(summary), checked),
        _ordered(read_metrics(metrics), checked),
        _pictures(checked, root),
        {
            **made,
            "config": study,
            "sources": list(sources.values()),
            "seeds": {
                "/".join(place): list(checked.seeds_of(settings)) for place, settings in every.items() if settings.arms
            },
            "judges": _judges(checked, root),
            "failures": _failures(checked, root),
        },
    )
    with atomic_write(output) as part:
        part.write_text(page)


def _ordered(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Tasks, datasets and methods in the order in which the study lists them."""
    parts = [
        rows_of(table, task, dataset, [*settings.arms, *settings.baselines])
        for task, dataset, settings in study.tasks()
    ]
    return pd.concat(parts, ignore_index=True) if parts else table


def _controls(settings: TaskSettings) -> dict[str, str]:
    """The arms that differ from the deployed arm only by their correspondence: without any, and with it shuffled."""
    if settings.deployed not in settings.arms:
        return {}
    deployed = settings.arms[settings.deployed]
    found: dict[str, str] = {}
    for name, arm in settings.arms.items():
        wanted = arm.correspondence
        shuffled = wanted.name == deployed.correspondence.name and wanted.options.get("shuffled", False)
        kind = "alone" if wanted.name == "none" else "shuffled" if shuffled else ""
        if kind and name != settings.deployed and _network(arm) == _network(deployed):
            found.setdefault(kind, name)
    return {} if deployed.correspondence.name == "none" else found


def _network(arm: Arm) -> tuple:
    """All settings of an arm except its correspondence and the weight of its correspondence."""
    options = {name: value for name, value in arm.options.items() if name != "correspondence_weight"}
    return arm.model, options, arm.techniques, arm.scale, arm.training


def _pictures(study: Study, root: str) -> list[dict[str, str]]:
    places = [(PANELS, name, MERGING.figures) for name in study.panels_to_merge()]
    places += [(task, dataset, TASKS[task].figures) for task, dataset, _ in study.tasks()]
    return [
        {
            "name": name,
            "title": drawing.title,
            "caption": drawing.caption,
            "path": f"{root}/figures/{task}/{dataset}/{name}.{drawing.suffix}",
            "task": task,
            "dataset": dataset,
        }
        for task, dataset, figures in places
        for name, drawing in figures.items()
        if Path(f"{root}/figures/{task}/{dataset}/{name}.{drawing.suffix}").is_file()  # see `Drawing.when`
    ]


def _judged(root: str, dataset: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """The verdict and the gate table that rule `judge` wrote for a batch alignment."""
    folder = Path(root, "batch", dataset)
    return json.loads((folder / "verdict.json").read_text()), read_gate(folder / "gate.tsv")


def _choice(root: str, place: tuple[str, str], settings: TaskSettings) -> pd.DataFrame | None:
    """Every candidate of the choice of a map, where the deployed method is a choice."""
    path = Path(root, *place, settings.deployed, "mapped.h5ad")
    found = anndata.read_h5ad(path, backed="r").uns if settings.deployed in settings.baselines else {}
    return found.get(keys.CHOICE)


def _channels(root: str, place: tuple[str, str], settings: TaskSettings) -> pd.DataFrame | None:
    """What a batch correction does with every channel of the user's files."""
    if place[0] != "batch":
        return None
    table = anndata.read_h5ad(f"{root}/cells/{settings.data()[0]}.h5ad", backed="r").uns.get(keys.CHANNELS)
    listed = getattr(settings, "markers", None)
    return table if table is None or listed is None else restricted(table, list(listed))


def _troubles(root: str, settings: TaskSettings) -> list[str]:
    """A sentence for each file that was not acquired evenly."""
    cells = anndata.read_h5ad(f"{root}/cells/{settings.data()[0]}.h5ad", backed="r")
    return troubles(cells.uns[keys.ACQUISITION]) if keys.ACQUISITION in cells.uns else []


def _drawn(settings: TaskSettings, root: str) -> str:
    """Sentences on the cells that take part, of each data set of which these are not all."""
    tables = [
        anndata.read_h5ad(f"{root}/cells/{name}.h5ad", backed="r").uns.get(keys.DRAWN) for name in settings.data()
    ]
    return " ".join(dict.fromkeys(filter(None, map(sentence, tables))))


def _lab_gates(root: str, place: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame, str] | None:
    """Shares and medians of the laboratory's gates, and the reference, where rule `correct` wrote them."""
    folder = Path(root, *place, "corrected")
    if place[0] != "batch" or not (folder / GATES).is_file():
        return None
    counts, intensities = (_read_gates(folder / name) for name in (GATES, GATE_INTENSITIES))
    reference = str(anndata.read_h5ad(Path(root, *place, "truth.h5ad"), backed="r").uns[keys.REFERENCE])
    return shares(counts, reference), medians(intensities), reference


def _read_gates(path: Path) -> pd.DataFrame:
    words: Any = dict.fromkeys(("file", keys.BATCH, "gate", "parent", "drawn_on", keys.MARKER), str)
    numbers = {"before": [""], "after": [""]}
    return unquoted(pd.read_csv(path, sep="\t", dtype=words, keep_default_na=False, na_values=numbers))


def _merged(name: str, panels: TaskSettings, root: str) -> dict[str, Any]:
    """What rule `merge` found of panels."""
    path = Path(root, PANELS, name, "verdicts.tsv")
    verdicts = unquoted(pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""]))
    return {"name": name, "arm": panels.deployed, "verdicts": verdicts, "asked": ASKED}


def _judges(study: Study, root: str) -> dict[str, str]:
    """Data set of images -> SHA-256 of the weights of the classifier that judged them, if any."""
    paths = {
        f"{task}/{dataset}": Path(root, task, dataset, "classifier.safetensors")
        for task, dataset, _ in study.tasks()
        if TASKS[task].data == "images"
    }
    found = {name: path for name, path in paths.items() if path.exists() and path.stat().st_size}
    if not found:
        return {}
    from magan import classifier  # torch is imported where images were judged

    return {name: classifier.digest(classifier.load(path)) for name, path in found.items()}


def _left_out(settings: TaskSettings, root: str) -> list[tuple[str, str, str]]:
    """Kind, name and reason of all that was not used of the user's files."""
    found = [
        anndata.read_h5ad(f"{root}/cells/{name}.h5ad", backed="r").uns.get(keys.LEFT_OUT) for name in settings.data()
    ]
    return [tuple(row) for table in found if table is not None for row in table.itertuples(index=False)]


def _failures(study: Study, root: str) -> list[dict[str, str]]:
    failed = []
    for task, dataset, settings in study.tasks():
        for name in (*settings.arms, *settings.baselines):
            events = tracking.read_events(f"{root}/{task}/{dataset}/{name}/events.jsonl")
            if events.error:
                failed.append({"task": task, "dataset": dataset, "name": name, **events.error})
    return failed
