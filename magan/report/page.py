"""The page: sentences, tables and pictures put into the template."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from magan.report.answers import answers
from magan.report.tables import tables
from magan.report.words import TASKS

HEAVY = 400_000  # bytes of an svg above which a png beside it is taken
PROVENANCE = {"commit": "", "sources": [], "versions": {}, "seeds": {}}


def render(
    study: Mapping[str, object],
    summary: pd.DataFrame,
    metrics: pd.DataFrame,
    figures: Sequence[Mapping[str, object]],
    provenance: Mapping[str, object],
) -> str:
    """The report of a study as one HTML page that needs nothing beside it.

    Parameters
    ----------
    study
        ``name``, ``title`` and, if wanted, ``description``; ``headline`` names, by task, the arm whose result is told
        first (by default the arm named as its method, of MAGAN if it is there).
    summary, metrics
        The tidy tables.
    figures
        ``title``, ``caption``, ``path`` (svg or png), ``task`` and ``dataset`` (empty: all) of each.
    provenance
        What is known of ``commit``, ``config`` (mapping), ``sources`` (each ``name``, ``files``, ``licence``,
        ``citation``), ``versions``, ``seeds`` (arm to list) and ``failures`` (each ``task``, ``dataset``, ``name``,
        ``message``, ``log``).
    """
    summary = summary.assign(best_baseline=summary["best_baseline"].astype(object).fillna(""))
    failures = {(f["task"], f["dataset"], f["name"]): f for f in provenance.get("failures", ())}
    images = [dict(figure) | {"src": _embedded(Path(figure["path"]))} for figure in figures]
    sections = []
    for task in [task for task in TASKS if task in set(metrics["task"])]:
        headline = (study.get("headline") or {}).get(task, "")
        of = [f for f in images if f["task"] == task]
        datasets = [
            {
                "name": dataset,
                "answers": answers(task, dataset, summary, metrics, headline),
                "tables": tables(task, dataset, summary, failures),
                "figures": [figure for figure in of if figure.get("dataset") == dataset],
            }
            for dataset in dict.fromkeys(metrics.loc[metrics["task"] == task, "dataset"])
        ]
        shared = [figure for figure in of if not figure.get("dataset")]
        sections.append({"key": task, "datasets": datasets, "figures": shared, **TASKS[task]._asdict()})
    config = yaml.safe_dump(_plain(provenance.get("config", {})), sort_keys=False, allow_unicode=True)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((Path(__file__).parents[1] / "templates" / "report.html").read_text())
    rest = {name: provenance.get(name) or default for name, default in PROVENANCE.items()}
    return template.render(study={"description": "", **study}, sections=sections, config=config, **rest)


def _embedded(path: Path) -> str:
    """A picture as a data URI: as an image its identifiers cannot meet those of another on the page."""
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
