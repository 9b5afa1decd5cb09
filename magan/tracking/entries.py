"""What the tracking store should hold, worked out from logs and tables before the store is opened."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from magan import keys
from magan.tracking.events import Events, read_events
from magan.tracking.models import Model

POINTS = 30  # of a curve; more points make the store slow and show nothing more
SPREAD = {"sd": "sd", "low": "low", "high": "high", "consensus": "consensus"}
SPREAD |= {"best_baseline": "best_baseline_value", "p_value": "p_value"}
VARYING = ("model", "correspondence")  # settings that separate the seeds of one arm from those of a second arm


@dataclass(frozen=True)
class Run:
    """One arm or baseline of a study, as its folder holds it.

    ``name`` is the folder's, ``events`` the log in it (None where there is none), ``params`` the flat settings,
    ``digests`` the sha256 of the data it read, by name, ``model`` what it trained, if that is to be registered, and
    ``files`` what belongs to this run only: folder in the store to file or folder.
    """

    task: str
    dataset: str
    name: str
    method: str
    arm: str
    events: Path | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    model: Model | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


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
    files: dict[str, Path] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Sha256 of all that is logged; two entries with the same digest are the same run."""
        files = {name: _contents(path) for name, path in self.files.items()}
        logged = [self.name, self.failed, self.tags, self.params, self.metrics, files, self.config]
        return hashlib.sha256(json.dumps(logged, sort_keys=True, default=str).encode()).hexdigest()


def entries(
    study: Mapping[str, object],
    run: Run,
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    commit: str,
    artifacts: Mapping[str, Path],
) -> list[Entry]:
    """The parent of a run, then one child per seed; a baseline has no children."""
    events = read_events(run.events) if run.events and Path(run.events).exists() else Events()
    metrics, summary = _of(metrics, run), _of(summary, run)
    metrics = metrics.assign(seed=pd.to_numeric(metrics["seed"], errors="coerce"))
    failed = metrics[(metrics["metric"] == keys.FAILED) & (metrics["value"] > 0)]
    fallen = {int(s) for s in failed["seed"].dropna()} | {
        s for s, status in events.status.items() if status == "failed"
    }
    seeds = sorted({int(s) for s in metrics["seed"].dropna()} | set(events.status) | set(events.curves["seed"]))
    wholly = bool(events.error) or (bool(seeds) and fallen >= set(seeds)) or bool(failed["seed"].isna().any())
    fallen |= set(seeds) if wholly else set()
    parent = _parent(study, run, events, summary, commit, artifacts, wholly, (len(seeds), len(fallen)))
    scores, curves = dict(tuple(metrics.groupby("seed"))), dict(tuple(events.curves.groupby("seed")))
    return [parent] + [
        _child(parent, run, events, seed, scores.get(seed), curves.get(seed), seed in fallen) for seed in seeds
    ]


def _parent(study, run, events, summary, commit, artifacts, failed, counts) -> Entry:
    tags = {"method": run.method, "arm": run.arm, "task": run.task, "dataset": run.dataset, "commit": commit}
    tags |= {"study": str(study["name"]), "mlflow.source.git.commit": commit, "mlflow.source.name": str(study["name"])}
    tags |= {f"data.{_allowed(name)}": digest for name, digest in run.digests.items()}
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
        metrics=tuple(_summaries(run.task, summary, counts)) + tuple(_costs(events)) + tuple(_signs(events)),
        # A page of several megabytes with every baseline would only fill the disk.
        files={} if run.arm == keys.BASELINE else {**artifacts, **run.files},
        config={"study": dict(study), "run": dict(run.params)},
        seconds=float(events.end.get("seconds", 0.0)),
    )


def _child(parent, run, events, seed, scores, curves, failed) -> Entry:
    status = "failed" if failed else events.status.get(seed, "ok")
    varying = {name: value for name, value in _flat(run.params).items() if name.split(".")[0] in VARYING}
    tags = {"method": run.method, "arm": run.arm, "task": run.task, "dataset": run.dataset, "status": status}
    tags |= {"detail": events.detail[seed]} if events.detail.get(seed) else {}
    ill = events.health[events.health["seed"] == seed]
    signs = [f"{row.sign} from step {row.step}{'' if row.lasted else ', not to the end'}" for row in ill.itertuples()]
    tags |= {"health": "; ".join(signs)} if signs else {}
    logged = list(_scores(run.task, scores)) if scores is not None else []
    logged += list(_thinned(curves)) if curves is not None else []
    return Entry(
        key=f"{parent.key}/{seed}",
        parent=parent.key,
        experiment=parent.experiment,
        name=f"{run.name}, seed {seed}",
        failed=failed,
        tags=tags,
        params=_texts({"seed": seed, "method": run.method, "arm": run.arm, **varying}),
        metrics=tuple(logged),
        seconds=parent.seconds,
    )


def _summaries(task: str, summary: pd.DataFrame, counts: tuple[int, int]) -> Iterator[tuple[str, float, int]]:
    n_seeds, n_failed = counts
    names = _Names()
    for row in summary[summary["metric"] != keys.FAILED].to_dict("records"):
        name = names.of(task, row)
        yield from _finite(name, row["mean"])
        if row["group"] == row["feature"] == keys.ALL:
            n_seeds, n_failed = row["n_seeds"], row["n_failed"]
            for suffix, column in SPREAD.items():
                yield from _finite(f"{name}/{suffix}", row[column])
    yield from _finite("n_seeds", n_seeds)
    yield from _finite("n_failed", n_failed)


def _scores(task: str, scores: pd.DataFrame) -> Iterator[tuple[str, float, int]]:
    names = _Names()
    for row in scores[scores["metric"] != keys.FAILED].to_dict("records"):
        yield from _finite(names.of(task, row), row["value"])


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


class _Names:
    """Names of scores in the store; two markers that differ only in a forbidden sign get two names."""

    def __init__(self):
        self.taken: dict[str, tuple] = {}

    def of(self, task: str, row: Mapping[Any, Any]) -> str:
        group, feature = str(row["group"]), str(row["feature"])
        parts = [task, str(row["metric"])]
        parts += ["population", _allowed(group, "/")] if group != keys.ALL else []
        parts += [_allowed(feature, "/")] if feature != keys.ALL else []
        name, asked = "/".join(parts), (row["metric"], group, feature)
        if self.taken.setdefault(name, asked) != asked:
            name += "_" + hashlib.sha256("\t".join((group, feature)).encode()).hexdigest()[:6]
        return name


def _allowed(name: str, also: str = "") -> str:
    """``name`` with every sign that MLflow forbids (and those in ``also``) as an underscore."""
    return re.sub(rf"[^\w/. :\-]|[{re.escape(also)}]" if also else r"[^\w/. :\-]", "_", name)[:200]


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


def _contents(path: Path) -> str:
    files = sorted(f for f in Path(path).rglob("*") if f.is_file()) if Path(path).is_dir() else [Path(path)]
    return hashlib.sha256(
        b"".join(f.name.encode() + hashlib.sha256(f.read_bytes()).digest() for f in files)
    ).hexdigest()
