"""Fill MLflow from logs and tables; filling it twice changes nothing, and two processes fill it in turn."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import pandas as pd

from magan.tracking.entries import NOTE, Entry, Run, entries
from magan.tracking.lock import file_of, make_store, only_collector, retried
from magan.tracking.models import register

KEY, DIGEST, PARENT = "magan.key", "magan.digest", "mlflow.parentRunId"
AT_ONCE = 4  # runs that are logged into a server together; a SQLite store takes one writer
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
    notes: Mapping[str, str],
) -> pd.DataFrame:
    """Bring the store to what a study holds now.

    There is one experiment per task and data set, ``<study>/<task>/<dataset>``, with one run per arm and baseline
    and, nested under an arm, one per seed and one for their consensus. Scores over all markers and cells are the
    metrics ``<task>/<metric>``: of an arm their mean over seeds. Scores of each marker and population are in the
    artifact ``scores.csv`` of an arm or baseline; intervals and comparisons are in ``summary.csv``. Each data set is an
    input of the run, with its digest. The deployed method is the latest run, so that charts of the first ten runs
    show it.

    A run is found by its tag ``magan.key``. It stays when its ``magan.digest`` is that of what would be logged,
    else it is deleted and logged again; a seed that the arm no longer has is deleted. A run that a crash left
    unfinished still has the status RUNNING, so it is replaced. A run's model becomes a version of a registered model,
    once. Artifacts that were deleted from the store are logged again.

    One process at a time fills a store; a second waits, and says so every 30 s. A lost connection to a server is made
    again a few times; what was logged before stays.

    Parameters
    ----------
    uri
        Of the store, e.g. ``sqlite:///results/mlflow.db``. Artifacts go into ``artifacts`` beside the file of a
        SQLite store, into ``results/artifacts`` for a database server, and where an MLflow server puts them.
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
    notes
        ``<task>/<dataset>`` to the description of its experiment, in Markdown.

    Returns
    -------
    DataFrame
        Columns key, run_id, kind (parent, child, model), status (FINISHED, FAILED, READY) and action (logged, kept,
        restored, replaced, removed), one row per run of the store and registered model.

    Raises
    ------
    InputError
        The store is read-only, damaged, a folder, out of reach, or locked for half an hour.
    """
    set_environment()

    def fill() -> list[tuple]:
        with only_collector(uri):
            make_store(uri, create_tables)
            return list(_collect(uri, study, runs, (metrics, summary), commit, artifacts, notes))

    with quiet():
        rows = retried(uri, fill)
    return pd.DataFrame(rows, columns=list(COLLECTED))


def set_environment() -> None:
    """Have MLflow, which reads this when it is imported, send nothing away and draw no bars."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A server that does not answer is tried again by `retried`, which says so; MLflow alone waits four silent minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def create_tables(uri: str) -> None:
    """Make the tables of a store."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)


def _collect(uri, study, runs, tables, commit, artifacts, notes) -> Iterator[tuple]:
    """Bring every run to what is wanted; yields rows of ``COLLECTED``."""
    from mlflow import MlflowClient

    folder = folder_of_artifacts(uri)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    known: dict[str, dict[str, list]] = {}
    for run in sorted(runs, key=lambda run: run.deployed):
        wanted = entries(study, run, tables[0], tables[1], commit, artifacts)
        experiment = experiment_of(client, wanted[0].experiment, folder, notes[f"{run.task}/{run.dataset}"])
        if experiment not in known:
            known[experiment] = _known(client, experiment)
        brought = list(_bring(client, experiment, wanted, known[experiment], 1 if file_of(uri) else AT_ONCE))
        yield from brought
        if run.model is not None:
            address, action = register(client, experiment, brought[0][1], run.model)
            yield address, brought[0][1], "model", "READY", action


def _bring(
    client, experiment: str, wanted: Sequence[Entry], known: Mapping[str, list], at_once: int
) -> Iterator[tuple]:
    """Bring one arm and its seeds, ``at_once`` of these together, to what is wanted; yields rows of ``COLLECTED``."""
    parent, *children = wanted
    first = _bring_entry(client, experiment, parent, "", known.get(parent.key, []))
    yield first
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda e: _bring_entry(client, experiment, e, first[1], known.get(e.key, [])), children)
    keys = {entry.key for entry in wanted}
    for key, found in known.items():
        if key.startswith(parent.key + "/") and key not in keys:
            for run in found:
                client.delete_run(run.info.run_id)
                yield key, run.info.run_id, "child", run.info.status, "removed"


def _bring_entry(client, experiment: str, entry: Entry, parent: str, found: Sequence) -> tuple:
    """Bring one run to what is wanted, given the runs of its key; a row of ``COLLECTED``."""
    kind, status, digest = "child" if parent else "parent", "FAILED" if entry.failed else "FINISHED", entry.digest
    stays = next((run for run in found if (run.data.tags.get(DIGEST), run.info.status) == (digest, status)), None)
    for run in found:
        if run is not stays:
            client.delete_run(run.info.run_id)
    if stays is None:
        run_id = _log(client, experiment, entry, parent, status, digest)
        return entry.key, run_id, kind, status, "replaced" if found else "logged"
    run_id = stays.info.run_id
    restored = _restore(client, run_id, entry)
    if parent and stays.data.tags.get(PARENT) != parent:
        client.set_tag(run_id, PARENT, parent)
    return entry.key, run_id, kind, status, "restored" if restored else "kept"


def _log(client, experiment: str, entry: Entry, parent: str, status: str, digest: str) -> str:
    from mlflow.entities import Metric, Param

    # The store shows how long a run trained, not how long it was logged. Runs are listed by their start: the last that
    # is logged, the deployed method, comes first.
    start = int(time.time() * 1000)
    end = start + int(entry.seconds * 1000)
    tags = entry.tags | {KEY: entry.key, DIGEST: digest} | ({PARENT: parent} if parent else {})
    run_id = client.create_run(experiment, start_time=start, tags=tags, run_name=entry.name).info.run_id
    params = [Param(name, value) for name, value in entry.params.items()]
    metrics = [Metric(name, value, end, step) for name, value, step in entry.metrics]
    # The most that one call takes: 100 settings, and 1,000 of settings and metrics together.
    for i in range(max(ceil(len(params) / 100), ceil(len(metrics) / 900))):
        some = {"params": params[100 * i : 100 * i + 100], "metrics": metrics[900 * i : 900 * i + 900]}
        client.log_batch(run_id, **some)
    _log_data(client, run_id, entry.data)
    for name, path in entry.files.items():
        _log_file(client, run_id, name, Path(path))
    for name, text in _texts(entry).items():
        client.log_text(run_id, text, name)
    client.set_terminated(run_id, status, end)  # last: only a whole run has ended
    return run_id


def _restore(client, run_id: str, entry: Entry) -> bool:
    """Log again what was deleted, or cut, of a run's artifacts; True where there was anything."""
    texts = _texts(entry)
    if not entry.files and not texts:
        return False
    found = dict(_artifacts(client, run_id))
    lacking = {name for name, path in entry.files.items() if not _is_whole(name, Path(path), found)}
    for name in sorted(lacking):
        _log_file(client, run_id, name, Path(entry.files[name]))
    lost = [name for name in texts if name not in found]
    for name in lost:
        client.log_text(run_id, texts[name], name)
    return bool(lacking or lost)


def _texts(entry: Entry) -> dict[str, str]:
    """What is logged of an entry as text: its tables, and its settings where it has any."""
    config = {"config.json": json.dumps(_jsonable(entry.config), indent=2)} if entry.config else {}
    return {**entry.tables, **config}


def _log_data(client, run_id: str, data: Mapping[str, str]) -> None:
    """Log the data sets that a run read as its inputs."""
    from mlflow.entities import Dataset, DatasetInput

    sets = [Dataset(name, digest, "files", json.dumps({"data": name})) for name, digest in data.items()]
    if sets:
        client.log_inputs(run_id, [DatasetInput(dataset) for dataset in sets])


def _is_whole(name: str, path: Path, found: Mapping[str, int]) -> bool:
    if path.is_dir():
        wanted = {f"{name}/{file.relative_to(path).as_posix()}": file for file in path.rglob("*") if file.is_file()}
    else:
        folder = _folder_of(name, path)
        wanted = {f"{folder}/{path.name}" if folder else path.name: path}
    return all(found.get(place) == file.stat().st_size for place, file in wanted.items())


def _artifacts(client, run_id: str, folder: str | None = None) -> Iterator[tuple[str, int]]:
    """Every artifact of a run and its size in bytes."""
    for info in client.list_artifacts(run_id, folder):
        if info.is_dir:
            yield from _artifacts(client, run_id, info.path)
        else:
            yield info.path, info.file_size


def _log_file(client, run_id: str, name: str, path: Path) -> None:
    if path.is_dir():
        client.log_artifacts(run_id, str(path), name)
    else:
        client.log_artifact(run_id, str(path), _folder_of(name, path))


def _folder_of(name: str, path: Path) -> str | None:
    """The folder in the store of a file called ``name`` there; None for the outermost."""
    folder = str(Path(name).parent) if Path(name).name == path.name else name
    return None if folder == "." else folder


def experiment_of(client, name: str, folder: Path | None, note: str) -> str:
    """Return the id of an experiment with a description; it is made, or restored, where that is needed."""
    # The kind opens the UI on runs and their comparison rather than on traces of language models.
    tags = {"mlflow.experimentKind": "custom_model_development", NOTE: note}
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (folder / "artifacts").as_uri() if folder else None
        return client.create_experiment(name, artifact_location=location, tags=tags)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    for tag, text in tags.items():
        if experiment.tags.get(tag) != text:
            client.set_experiment_tag(experiment.experiment_id, tag, text)
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


def folder_of_artifacts(uri: str) -> Path | None:
    """The folder in which ``artifacts`` lies; None where an MLflow server chooses."""
    path = file_of(uri)
    if path is not None:
        return path.parent
    return None if uri.startswith("http") else Path("results").resolve()


def _jsonable(value):
    if isinstance(value, Mapping):
        return {str(name): _jsonable(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(x) for x in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


@contextmanager
def quiet():
    """Keep MLflow and its migrations from filling the log of a job."""
    import mlflow  # noqa: F401, sets its levels when it is imported

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
