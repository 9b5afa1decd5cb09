"""Facts of a study that its report states: files, links, cautions, and what each method is."""

import ast
import json
import os
import re
from collections.abc import Hashable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anndata
import pandas as pd

from magan import keys
from magan.baselines import BASELINES
from magan.batch_maps import MAPS
from magan.config import TaskSettings
from magan.metrics.donor_effects import EFFECTS
from magan.models import ALIGNING, GENERATING
from magan.preflight.cautions import layout
from magan.stages.atomic_files import unquoted
from magan.study import Study, all_cells
from magan.tasks.batch_correction.neighbouring_batches import sentence
from magan.tasks.batch_correction.settings import BatchAlignment
from magan.tasks.registry import TASKS
from magan.titles import title

TABLES = {"summary.tsv": "means and intervals", "metrics.tsv": "every score"}
WORDS = ("population", keys.MARKER, "measure", "group_1", "group_2", "status")
CHOSEN = (
    "It compares maps of increasing flexibility by cross-fitting on the training cells, batch by batch, and takes the "
    "most cautious map whose criterion is within 3 % of the best."
)


def explorer(root: str, place: tuple[str, str]) -> dict[str, Any]:
    """The numbers of the interactive figures that rule `draw` worked out; empty where a method failed."""
    path = Path(root, "figures", *place, "explorer.json")
    return json.loads(path.read_text()) if path.exists() else {}


def cautions(root: str, settings: BatchAlignment) -> list[str]:
    """What `magan check` says of the layout of samples, and of the order of batches that a map is learned from."""
    obs = anndata.read_h5ad(f"{root}/cells/{settings.cells}.h5ad", backed="r").obs
    controls = obs[keys.IS_CONTROL].astype(bool) if keys.IS_CONTROL in obs else pd.Series(False, obs.index)
    order = [sentence(list(obs[keys.BATCH].astype(str).unique()), settings.neighbours)] if settings.neighbours else []
    return [*layout(obs[~controls]), *order]


def groups(root: str, dataset: str) -> pd.DataFrame:
    """The differences between groups of donors that rule `judge` wrote."""
    words: dict[Hashable, Any] = dict.fromkeys(WORDS, str)
    blank = {column: [""] for column in EFFECTS if column not in words}
    path = Path(root, "batch", dataset, "groups.tsv")
    return unquoted(pd.read_csv(path, sep="\t", dtype=words, keep_default_na=False, na_values=blank))


def files(root: str, dataset: str, settings: BatchAlignment) -> list[dict[str, str]]:
    """The number of files and events by what rule `correct` did with them."""
    if not settings.correct:
        return []
    table = pd.read_csv(Path(root, "batch", dataset, "corrected", "files.tsv"), sep="\t", keep_default_na=False)
    return [
        {"status": str(status), "n": str(len(rows)), "events": f"{int(rows['events'].sum()):,}"}
        for status, rows in table.groupby("status", sort=False)
    ]


def links(root: str, dataset: str, settings: BatchAlignment, page: str) -> Iterator[dict[str, str]]:
    """Links from the page to what was written."""
    folder = Path(root, "batch", dataset)
    if settings.correct:
        yield _link(folder / "corrected" / "files", page, "corrected files", "a copy of each file")
        yield _link(folder / "corrected" / "files.tsv", page, "files.tsv", "what was done with each file")
        cells = all_cells(folder / "corrected")
        yield _link(cells, page, cells.name, "all cells, measured and corrected" if cells.suffix else "all cells")
    yield _link(folder / "gate.tsv", page, "gate.tsv", "every marker and population")
    yield _link(folder / "groups.tsv", page, "groups.tsv", "differences between groups, before and after")
    yield _link(folder / "model.safetensors", page, "model", "for later files, by magan map")


def study_links(study: Study, root: str, page: str) -> list[dict[str, str]]:
    found = [_link(Path(root, name), page, words, "") for name, words in TABLES.items()]
    store = study.tracking.uri.removeprefix("sqlite:///")
    return found + ([_link(Path(store), page, "tracking store", "")] if store != study.tracking.uri else [])


def _link(path: Path, page: str, text: str, more: str) -> dict[str, str]:
    return {"href": Path(os.path.relpath(path, Path(page).parent)).as_posix(), "text": text, "more": more}


def glossary(settings: TaskSettings) -> Iterator[dict[str, str]]:
    """Every method of a data set by its name in the study, and what it is."""
    for name, arm in settings.arms.items():
        changed = (
            f"; correspondence: {arm.correspondence.name.replace('_', ' ')}" if hasattr(arm, "correspondence") else ""
        )
        yield {"title": title(name), "name": name, "what": f"{_documented(arm.model)}{changed}"}
    for name in settings.baselines:
        what = MAPS[name].sentence if name in MAPS else _documented(name)
        yield {"title": title(name), "name": name, "what": what}


def _documented(name: str) -> str:
    """The first line of the module of a method, which names its paper where there is one; imports nothing."""
    for registry in (ALIGNING, GENERATING, BASELINES):
        if name in registry:
            module = find_spec(registry.source(name).partition(":")[0])
            text = ast.get_docstring(ast.parse(Path(str(module and module.origin)).read_text())) or ""
            return text.split("\n")[0].rstrip(".")
    return ""


def _cited(name: str) -> str:
    """What to cite for a method: its first line where that names a year, else ""."""
    text = _documented(name)
    return text if any(part[:2] in ("19", "20") and part[:4].isdigit() for part in re.split(r"\W+", text)) else ""


def written_up(study: Study, root: str, place: tuple[str, str], sources: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a data set that the text for a paper is made of."""
    (task, dataset), settings = place, study.find(*place)
    arm = settings.arms.get(settings.deployed)
    name = arm.model if arm else settings.deployed
    cited = [sources[data]["citation"] for data in settings.data() if sources.get(data, {}).get("citation")]
    about = {
        "task": TASKS[task].question.title,
        "dataset": dataset,
        "cited": "; ".join(dict.fromkeys(cited)),
        "method": (title(settings.deployed), _cited(name)) if settings.deployed else ("", ""),
        "baselines": [(title(other), _cited(other)) for other in settings.baselines if other != settings.deployed],
        "seeds": len(study.seeds_of(settings)) if arm else 0,
        "steps": study.training_of(settings, arm).steps if arm else 0,
    }
    if not isinstance(settings, BatchAlignment) or not settings.deployed:
        return about
    truth = anndata.read_h5ad(Path(root, *place, "truth.h5ad"), backed="r")
    batches = truth.obs[keys.BATCH].astype(str)
    reference = str(truth.uns[keys.REFERENCE])
    return about | {
        "reference": reference,
        "batches": sorted(set(batches) - {reference}),
        "n_cells": truth.n_obs,
        "fallback": settings.correct.fallback if settings.correct else "none",
        "explained": MAPS[name].sentence if name in MAPS else CHOSEN if name == "auto" else "",
    }
