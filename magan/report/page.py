"""Render the page: put sentences, tables and pictures into the template."""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from magan import keys
from magan.report import control_sentences
from magan.report.findings import answer, headline
from magan.report.lectures import experiment
from magan.report.tables import tables
from magan.report.trainings import trainings
from magan.report.vega import scripts
from magan.tasks.batch_correction.report import channels, chosen, gated, judged, kept, rows
from magan.tasks.panel_merging.report import merged
from magan.tasks.registry import TASKS

HEAVY = 400_000  # bytes of an svg above which the png of the same name is used
PROVENANCE = {"commit": "", "code": "", "sources": [], "versions": {}, "seeds": {}, "judges": {}}
# Figure -> the question of a data set under which it stands; all further figures compare methods.
QUESTIONS = {"batch_densities": "cells", "umap": "cells", "batch_effects": "effect", "loss_curves": "training"}


def render(
    study: Mapping[str, object],
    summary: pd.DataFrame,
    metrics: pd.DataFrame,
    figures: Sequence[Mapping[str, object]],
    provenance: Mapping[str, object],
) -> str:
    """The report of a study as a self-contained HTML page.

    Parameters
    ----------
    study
        ``name``, ``title`` and, if wanted, ``description``. By (task, dataset), ``headline`` names the arm whose
        result is reported (default: see `headline`), and ``controls`` its counterparts ("alone": without
        correspondence, "shuffled": with a wrong correspondence), ``verdicts`` the verdict of the safety gate on a
        correction and its reasons (see `judged`), ``channels`` the table of roles (see `channels`), ``lab_gates`` the
        arguments of `gated`, ``groups`` the table of differences between groups (see `kept`), ``troubles`` sentences on
        files that were not acquired evenly,
        ``left_out`` rows of (kind, name, reason), ``drawn`` a sentence on the cells that take part, and ``trainings``
        the arms' settings and costs (see `trainings`); ``cautions`` sentences on the layout of samples, ``explorers``
        the result of `magan.tasks.batch_correction.explorer.explorer`, ``files`` rows of status, n and events,
        ``places`` links (text, href, more), and ``glossary`` rows of title, name and what it is. ``links`` are links of
        the whole study and ``methods`` the ``paragraphs`` and ``references`` of its text for a paper. ``panels`` are
        the arguments of `merged`, for each set of panels that was merged; their figures are of the task "panels".
        ``lectures`` are the arguments of `experiment`, with the ``path`` of the picture in place of its source.
    summary, metrics
        The tidy tables; methods are listed in the order of their rows.
    figures
        ``title``, ``caption``, ``path`` (svg or png), ``task`` and ``dataset`` (empty: all) of each.
    provenance
        As far as known, ``commit``, ``code`` (digest), ``config`` (mapping), ``sources`` (each ``name``, ``files``,
        ``licence``, ``citation``), ``versions``, ``seeds`` (of what: list), ``judges`` (of what: digest of the
        classifier that judged the images) and ``failures`` (each ``task``,
        ``dataset``, ``name``, ``message``, ``log``).
    """
    summary = summary.assign(best_baseline=summary["best_baseline"].astype(object).fillna(""))
    failures = {(f["task"], f["dataset"], f["name"]): f for f in provenance.get("failures", ())}
    images = [
        {"name": Path(figure["path"]).stem, **figure, "src": _embedded(Path(figure["path"]))} for figure in figures
    ]
    sections = []
    for task in [task for task in TASKS if task in set(metrics["task"])]:
        of = [f for f in images if f["task"] == task]
        datasets = [
            {
                "name": dataset,
                **_answers(task, dataset, summary, metrics, study),
                "verdict": _verdict((task, dataset), study),
                "choice": _choice((task, dataset), study),
                "groups": kept(_of(study, "groups", (task, dataset), None)),
                "channels": channels(_of(study, "channels", (task, dataset), None)),
                "troubles": _of(study, "troubles", (task, dataset)),
                "gates": gated(*found) if (found := _of(study, "lab_gates", (task, dataset))) else None,
                "explorer": _explorer((task, dataset), study),
                "tables": tables(task, dataset, summary, failures),
                "trainings": trainings(_of(study, "trainings", (task, dataset))),
                "figures": _by_question([figure for figure in of if figure.get("dataset") == dataset]),
                "left_out": _of(study, "left_out", (task, dataset)),
                "drawn": _of(study, "drawn", (task, dataset), ""),
                "files": _of(study, "files", (task, dataset)),
                "links": _of(study, "places", (task, dataset)),
                "glossary": _of(study, "glossary", (task, dataset)),
            }
            for dataset in dict.fromkeys(metrics.loc[metrics["task"] == task, "dataset"])
        ]
        shared = [figure for figure in of if not figure.get("dataset")]
        sections.append({"key": task, "datasets": datasets, "figures": shared, **TASKS[task].question._asdict()})
    panels = [
        {
            **merged(**arguments),
            "figures": [f for f in images if (f["task"], f.get("dataset")) == ("panels", arguments["name"])],
        }
        for arguments in study.get("panels", ())
    ]
    lectures = [
        experiment(**{k: v for k, v in arguments.items() if k != "path"}, src=_embedded(Path(arguments["path"])))
        for arguments in study.get("lectures", ())
    ]
    config = yaml.safe_dump(_plain(provenance.get("config", {})), sort_keys=False, allow_unicode=True)
    template = _environment().get_template("report.html")
    rest = {name: provenance.get(name) or default for name, default in PROVENANCE.items()}
    rest["seeds"] = {name: _seeds(seeds) for name, seeds in rest["seeds"].items()}
    interactive = any(dataset["explorer"] for section in sections for dataset in section["datasets"])
    return template.render(
        study={"description": "", "links": [], **study},
        methods=study.get("methods"),
        panels=panels,
        lectures=lectures,
        sections=sections,
        config=config,
        vega=scripts() if interactive else "",
        **rest,
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("magan"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _answers(task: str, dataset: str, summary: pd.DataFrame, metrics: pd.DataFrame, study: Mapping) -> dict:
    """The answer of a data set, None where no arm was trained, and the sentences on the remaining arms."""
    rows = summary[(summary["task"] == task) & (summary["dataset"] == dataset)]
    named = (study.get("headline") or {}).get((task, dataset), "")
    baseline = named in set(rows.loc[rows["arm"] == keys.BASELINE, "method"])
    arm = "" if baseline else headline(rows, named)  # the verdict and the choice describe a deployed baseline
    controls = (study.get("controls") or {}).get((task, dataset), {})
    return {
        "answer": answer(task, dataset, summary, metrics, arm, controls) if arm else None,
        "compared": TASKS[task].question.compared and (rows["arm"] == keys.BASELINE).any(),
        "others": control_sentences.sentences(task, dataset, summary, arm, controls),
    }


def _of(study: Mapping, name: str, place: tuple[str, str], default: Any = ()) -> Any:
    """What is known of a data set."""
    return (study.get(name) or {}).get(place, default)


def _by_question(figures: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    found = {"cells": [], "effect": [], "compare": [], "training": []}
    for figure in figures:
        found[QUESTIONS.get(figure["name"], "compare")].append(figure)
    return found


def _verdict(place: tuple[str, str], study: Mapping) -> dict | None:
    verdicts = study.get("verdicts") or {}
    return judged(*verdicts[place], _of(study, "cautions", place)) if place in verdicts else None


def _explorer(place: tuple[str, str], study: Mapping) -> str | None:
    """The numbers of the interactive figures as JSON that can stand in a page."""
    numbers = _of(study, "explorers", place)
    if not numbers:
        return None
    verdict, gate = study["verdicts"][place]
    text = json.dumps({**numbers, "gate": rows(gate, verdict)}, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _choice(place: tuple[str, str], study: Mapping) -> dict | None:
    table = _of(study, "choices", place, None)
    return None if table is None else chosen(table)


def _seeds(seeds: Sequence[int]) -> str:
    """The seeds as text, as a range where they are consecutive."""
    seeds = list(seeds)
    whole = len(seeds) > 3 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _embedded(path: Path) -> str:
    """A picture as a data URI, which isolates its identifiers from those of all other pictures on the page."""
    small = path.with_suffix(".png")
    if path.suffix == ".svg" and path.stat().st_size > HEAVY and small.exists():
        path = small
    kind = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _plain(value):
    if isinstance(value, Mapping):
        return {str(name): _plain(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
