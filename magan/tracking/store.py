"""Fill MLflow from logs and tables; filling it twice changes nothing."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from magan.tracking.entries import Entry, Run, entries
from magan.tracking.models import register

KEY, DIGEST, PARENT = "magan.key", "magan.digest", "mlflow.parentRunId"
COLLECTED = ("key", "run_id", "kind", "status", "action")


def collect(
    uri: str,
    *,
    study: Mapping[str, object],
    runs: Sequence[Run],
    metrics: pd.DataFrame,
    summary: pd.DataFrame,
    commit: str,
    artifacts: Mapping[str, Path],
) -> pd.DataFrame:
    """Bring the store to what a study holds now.

    There is one experiment per task and data set, ``<study>/<task>/<dataset>``, with one run per arm and baseline
    and, nested under an arm, one per seed. Scores are ``<task>/<metric>``, then ``/<marker>`` or
    ``/population/<population>``; an arm has their mean over seeds, and ``/sd``, ``/low``, ``/high``, ``/consensus``,
    ``/best_baseline`` and ``/p_value`` of those over all markers and cells.

    A run is found by its tag ``magan.key``. It is kept when its ``magan.digest`` is that of what would be logged,
    else deleted and logged again; a seed the arm no longer has is deleted. A run that a crash left unfinished has
    no digest, so it is replaced. A run's model becomes a version of a registered model, once.

    Parameters
    ----------
    uri
        Of the store, e.g. ``sqlite:///results/mlflow.db``; the artifacts of a SQLite store go into ``artifacts``
        beside the file.
    study
        ``name`` and whatever else describes it; logged whole as config.json.
    runs
        The arms and baselines to bring in.
    metrics, summary
        The tidy tables of the study.
    commit
        Of the code that made the results.
    artifacts
        Folder in the store to file or folder; logged with every arm, not with baselines.

    Returns
    -------
    DataFrame
        Columns key, run_id, kind (parent, child, model), status (FINISHED, FAILED, READY) and action (logged, kept,
        replaced, removed), one row per run of the store and registered model.
    """
    # A study's collector has no business calling home.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    with _quiet():
        folder = _folder(uri)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        known: dict[str, dict[str, list]] = {}
        rows = []
        for run in runs:
            wanted = entries(study, run, metrics, summary, commit, artifacts)
            experiment = _experiment(client, wanted[0].experiment, folder)
            if experiment not in known:
                known[experiment] = _known(client, experiment)
            brought = list(_bring(client, experiment, wanted, known[experiment]))
            rows += brought
            if run.model is not None:
                address, action = register(client, experiment, brought[0][1], run.model)
                rows.append((address, brought[0][1], "model", "READY", action))
    return pd.DataFrame(rows, columns=list(COLLECTED))


def _bring(client, experiment: str, wanted: Sequence[Entry], known: Mapping[str, list]) -> Iterator[tuple]:
    """Bring one arm and its seeds to what is wanted; yields rows of ``COLLECTED``."""
    parent = ""
    for entry in wanted:
        kind, status = ("child" if entry.parent else "parent"), ("FAILED" if entry.failed else "FINISHED")
        digest, found = entry.digest, known.get(entry.key, [])
        kept = next((run for run in found if run.data.tags.get(DIGEST) == digest), None)
        for run in found:
            if run is not kept:
                client.delete_run(run.info.run_id)
        if kept is None:
            run_id = _log(client, experiment, entry, parent, status, digest)
        else:
            run_id = kept.info.run_id
            if entry.parent and kept.data.tags.get(PARENT) != parent:
                client.set_tag(run_id, PARENT, parent)
        parent = parent or run_id
        yield entry.key, run_id, kind, status, "kept" if kept else "replaced" if found else "logged"
    keys = {entry.key for entry in wanted}
    for key, found in known.items():
        if key.startswith(wanted[0].key + "/") and key not in keys:
            for run in found:
                client.delete_run(run.info.run_id)
                yield key, run.info.run_id, "child", run.info.status, "removed"


def _log(client, experiment: str, entry: Entry, parent: str, status: str, digest: str) -> str:
    from mlflow.entities import Metric, Param, RunTag

    end = int(time.time() * 1000)
    start = end - int(entry.seconds * 1000)  # so that the store shows how long it trained, not how long it was logged
    tags = entry.tags | {KEY: entry.key} | ({PARENT: parent} if parent else {})
    run_id = client.create_run(experiment, start_time=start, tags=tags, run_name=entry.name).info.run_id
    params = [Param(name, value) for name, value in entry.params.items()]
    metrics = [Metric(name, value, end, step) for name, value, step in entry.metrics]
    for i in range(0, len(params), 100):  # the most that one call takes
        client.log_batch(run_id, params=params[i : i + 100])
    *full, last = [metrics[i : i + 900] for i in range(0, len(metrics), 900)] or [[]]
    for chunk in full:
        client.log_batch(run_id, metrics=chunk)
    for name, path in entry.files.items():
        _log_file(client, run_id, name, Path(path))
    if entry.config:
        client.log_dict(run_id, _jsonable(entry.config), "config.json")
    client.set_terminated(run_id, status, end)
    # A call stores its tags after its metrics: only a whole run has a digest.
    client.log_batch(run_id, metrics=last, tags=[RunTag(DIGEST, digest)])
    return run_id


def _log_file(client, run_id: str, name: str, path: Path) -> None:
    if path.is_dir():
        client.log_artifacts(run_id, str(path), name)
    else:
        folder = str(Path(name).parent) if Path(name).name == path.name else name
        client.log_artifact(run_id, str(path), None if folder == "." else folder)


def _experiment(client, name: str, folder: Path | None) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (folder / "artifacts").as_uri() if folder else None
        # The kind opens the UI on runs and their comparison rather than on traces of language models.
        return client.create_experiment(
            name, artifact_location=location, tags={"mlflow.experimentKind": "custom_model_development"}
        )
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def _known(client, experiment: str) -> dict[str, list]:
    """Runs of an experiment by their key."""
    found: dict[str, list] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            if KEY in run.data.tags:
                found.setdefault(run.data.tags[KEY], []).append(run)
        token = page.token
        if not token:
            return found


def _folder(uri: str) -> Path | None:
    """Folder of a SQLite store, made if it is missing; None for any other."""
    if not uri.startswith("sqlite:///"):
        return None
    folder = Path(uri.removeprefix("sqlite:///")).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _jsonable(value):
    if isinstance(value, Mapping):
        return {str(name): _jsonable(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(x) for x in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


@contextmanager
def _quiet():
    """Keep MLflow and its migrations from filling the log of the one job that collects."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
