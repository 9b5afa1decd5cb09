"""What the tracking store should hold, worked out from logs and tables before the store is opened."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magan import keys
from magan.tracking.events import Events, read_events
from magan.tracking.models import Model

POINTS = 30  # of a curve; more points make the store slow and show nothing more
NOTE = "mlflow.note.content"
COMMITS = ("commit", "mlflow.source.git.commit")  # tags that name the code
VARYING = ("model", "correspondence")  # settings that separate the seeds of one arm from those of a second arm


@dataclass(frozen=True)
class Run:
    """One arm or baseline of a study, as its folder holds it.

    ``name`` is the folder's, ``events`` the log in it (None where there is none), ``params`` the flat settings,
    ``data`` the sha256 of each file that it read, by name of the data set, ``model`` what it trained, if that is to be
    registered, ``files`` what belongs to this run only: folder in the store to file or folder. ``deployed`` says
    whether it is the method that heads the report.
    """

    task: str
    dataset: str
    name: str
    method: str
    arm: str
    events: Path | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    model: Model | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    deployed: bool = False


@dataclass(frozen=True)
class Entry:
    """One run of the store: everything that is logged, and nothing of the store itself."""

    key: str
    parent: str  # key of the parent, empty for a parent
    experiment: str
    name: str
    failed: bool
    tags: dict[str, str]
    params: dict[str, str]
    metrics: tuple[tuple[str, float, int], ...]  # name, value, step
    tables: dict[str, str] = field(default_factory=dict)  # name in the store to CSV
    data: dict[str, str] = field(default_factory=dict)  # data set to digest
    files: dict[str, Path] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Sha256 of all that is logged but the commit; two entries with the same digest are the same run.

        Results that a later commit collects again are still those of the commit that they were logged with.
        """
        files = {name: _contents(path) for name, path in self.files.items()}
        logged = [
            self.name,
            self.failed,
            {name: text for name, text in self.tags.items() if name not in COMMITS},
            self.params,
            self.metrics,
            self.tables,
            self.data,
            files,
            self.config,
        ]
        return hashlib.sha256(json.dumps(logged, sort_keys=True, default=str).encode()).hexdigest()


def entries(
    study: Mapping[str, object],
    run: Run,
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    commit: str,
    artifacts: Mapping[str, Path],
) -> list[Entry]:
    """The parent of a run, then a child for each seed and for their consensus; a baseline has no children."""
    events = read_events(run.events) if run.events and Path(run.events).exists() else Events()
    metrics, summary = _of(metrics, run), _of(summary, run)
    tables = {"scores.csv": _csv(metrics), "summary.csv": _csv(summary)}
    consensus = metrics[metrics["seed"] == keys.CONSENSUS]
    metrics = metrics.assign(seed=pd.to_numeric(metrics["seed"], errors="coerce"))
    failed = metrics[(metrics["metric"] == keys.FAILED) & (metrics["value"] > 0)]
    fallen = {int(s) for s in failed["seed"].dropna()} | {
        s for s, status in events.status.items() if status == "failed"
    }
    seeds = sorted({int(s) for s in metrics["seed"].dropna()} | set(events.status) | set(events.curves["seed"]))
    wholly = bool(events.error) or (bool(seeds) and fallen >= set(seeds)) or bool(failed["seed"].isna().any())
    fallen |= set(seeds) if wholly else set()
    parent = _parent(study, run, events, summary, commit, artifacts, wholly)
    parent = replace(parent, tables=tables, metrics=(*parent.metrics, *_counts(seeds, fallen, summary)))
    scores, curves = dict(tuple(metrics.groupby("seed"))), dict(tuple(events.curves.groupby("seed")))
    children = [_child(parent, run, events, seed, scores.get(seed), curves.get(seed), seed in fallen) for seed in seeds]
    if seeds and not consensus.empty:
        children.append(_child(parent, run, Events(), keys.CONSENSUS, consensus, None, wholly))
    return [parent, *children]


def _parent(study, run, events, summary, commit, artifacts, failed) -> Entry:
    tags = {"method": run.method, "arm": run.arm, "task": run.task, "dataset": run.dataset}
    tags |= {"study": str(study["name"]), "mlflow.source.name": str(study["name"])} | dict.fromkeys(COMMITS, commit)
    tags |= {"kind": "baseline" if run.arm == keys.BASELINE else "arm", "deployed": str(run.deployed).lower()}
    tags |= {NOTE: "Deployed: this method heads the report and writes the files."} if run.deployed else {}
    tags |= {"error": events.error["message"]} if events.error else {}
    experiment = f"{study['name']}/{run.task}/{run.dataset}"
    return Entry(
        key=f"{experiment}/{run.name}",
        parent="",
        experiment=experiment,
        name=run.name,
        failed=failed,
        tags=tags,
        params=_texts(_flat(run.params)),
        metrics=tuple(_scores(run.task, summary, "mean")) + tuple(_costs(events)) + tuple(_signs(events)),
        data={name: _joined(files) for name, files in run.data.items()},
        # A page of several megabytes with every baseline would only fill the disk.
        files={} if run.arm == keys.BASELINE else {**artifacts, **run.files},
        config={"study": dict(study), "run": dict(run.params)},
        seconds=float(events.end.get("seconds", 0.0)),
    )


def _child(parent, run, events, seed, scores, curves, failed) -> Entry:
    status = "failed" if failed else events.status.get(seed, "ok")
    varying = {name: value for name, value in _flat(run.params).items() if name.split(".")[0] in VARYING}
    tags = {"method": run.method, "arm": run.arm, "task": run.task, "dataset": run.dataset, "status": status}
    tags |= {"kind": keys.CONSENSUS if seed == keys.CONSENSUS else "seed"}
    tags |= {"detail": events.detail[seed]} if events.detail.get(seed) else {}
    ill = events.health[events.health["seed"] == seed]
    signs = [f"{row.sign} from step {row.step}{'' if row.lasted else ', not to the end'}" for row in ill.itertuples()]
    tags |= {"health": "; ".join(signs)} if signs else {}
    logged = list(_scores(run.task, scores, "value")) if scores is not None else []
    logged += list(_thinned(curves)) if curves is not None else []
    return Entry(
        key=f"{parent.key}/{seed}",
        parent=parent.key,
        experiment=parent.experiment,
        name=f"{run.name}, {seed if seed == keys.CONSENSUS else f'seed {seed}'}",
        failed=failed,
        tags=tags,
        params=_texts({"seed": seed, "method": run.method, "arm": run.arm, **varying}),
        metrics=tuple(logged),
        seconds=parent.seconds,
    )


def _scores(task: str, scores: pd.DataFrame, column: str) -> Iterator[tuple[str, float, int]]:
    """Scores over all markers and cells; those of a marker or a population are in the tables."""
    whole = (scores["group"] == keys.ALL) & (scores["feature"] == keys.ALL) & (scores["metric"] != keys.FAILED)
    for row in scores[whole].to_dict("records"):
        yield from _finite(f"{task}/{row['metric']}", row[column])


def _counts(seeds: Sequence[int], fallen: set[int], summary: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    """Number of seeds, and of those that failed: of the summary where it has them."""
    counts = {"n_seeds": len(seeds), "n_failed": len(fallen)}
    whole = summary[(summary["group"] == keys.ALL) & (summary["feature"] == keys.ALL)]
    for name, count in counts.items():
        yield from _finite(name, whole[name].iloc[-1] if len(whole) else count)


def _costs(events: Events) -> Iterator[tuple[str, float, int]]:
    for name in ("seconds", "steps", "replicates", "per_sample"):
        if name in events.end:
            yield from _finite(f"cost/{name}", events.end[name])


def _signs(events: Events) -> Iterator[tuple[str, float, int]]:
    """Of each thing that went wrong, the number of seeds in which it did."""
    for sign, rows in events.health.groupby("sign", sort=True):
        yield f"health/{_allowed(str(sign))}", float(rows["seed"].nunique()), 0


def _thinned(curves: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    """At most ``POINTS`` points of each curve, evenly spread, first and last among them."""
    for term, curve in curves.groupby("term", sort=True):
        steps, values = curve["step"].to_numpy(), curve["value"].to_numpy(float)
        for i in np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int)):
            yield from _finite(_allowed(str(term)), values[i], int(steps[i]))


def _finite(name: str, value, step: int = 0) -> Iterator[tuple[str, float, int]]:
    # The store would turn an infinity into the largest double, which reads like a result.
    if isinstance(value, (int, float, np.number)) and math.isfinite(value):
        yield name, float(value), step


def _allowed(name: str) -> str:
    """``name`` with every sign that MLflow forbids as an underscore."""
    return re.sub(r"[^\w/. :\-]", "_", name)[:200]


def _texts(params: Mapping[str, object], longest: int = 5_000) -> dict[str, str]:
    """Params as the store takes them; the whole of a cut value stands in config.json."""
    texts = {_allowed(name): str(value) for name, value in params.items()}
    return {name: t if len(t) <= longest else t[:longest] + " ... (whole in config.json)" for name, t in texts.items()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        is_nested = isinstance(value, Mapping) and value
        flat |= _flat(value, f"{prefix}{name}.") if is_nested else {f"{prefix}{name}": value}
    return flat


def _of(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    columns: Sequence[str] = ("task", "dataset", "method", "arm")
    return table[np.logical_and.reduce([table[column] == getattr(run, column) for column in columns])]


def _csv(table: pd.DataFrame) -> str:
    """A table as MLflow shows it; the columns that are the same in all rows are tags of the run."""
    return table.drop(columns=["task", "dataset", "method", "arm"]).to_csv(index=False)


def _joined(files: Mapping[str, str]) -> str:
    """Digest of the files of a data set, as short as MLflow wants it."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()[:32]


def _contents(path: Path) -> str:
    files = sorted(f for f in Path(path).rglob("*") if f.is_file()) if Path(path).is_dir() else [Path(path)]
    return hashlib.sha256(
        b"".join(f.name.encode() + hashlib.sha256(f.read_bytes()).digest() for f in files)
    ).hexdigest()
