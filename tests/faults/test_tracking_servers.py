"""Collects into PostgreSQL and into an MLflow server: at once, again, and over a lost connection."""

import contextlib
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_servers import NoServerError, Postgres, mlflow_server, postgres
from tracking_results import Results

from magan.errors import InputError
from magan.tracking import lock, store

FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(postgres())
        except NoServerError as error:
            pytest.skip(str(error))
        yield running


@pytest.fixture
def results(tmp_path, request, monkeypatch) -> Results:
    monkeypatch.chdir(tmp_path)
    return Results(tmp_path / "made", request.node.originalname)


def keys_of(uri: str, study: str) -> Counter:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(f"{study}/heldout/toy")
    return Counter(run.data.tags["magan.key"] for run in client.search_runs([experiment.experiment_id]))


def collect_there(results: Results, uri: str) -> None:
    results.collect(uri)


def test_collects_at_once_into_a_new_database_log_every_run_once(server, results):
    # A name for each process: their connections are made after the fork.
    jobs = [
        FORK.Process(target=collect_there, args=(results, f"{server.uri}?application_name=job{i}")) for i in range(2)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0]
    found = keys_of(server.uri, results.study["name"])
    assert len(found) == 6 and set(found.values()) == {1}


def test_a_collect_into_a_database_is_kept_and_its_artifacts_lie_under_results(server, results, tmp_path):
    assert set(results.collect(server.uri)["action"]) == {"logged"}
    assert set(results.collect(server.uri)["action"]) == {"kept"}
    (figure,) = (tmp_path / "results" / "artifacts").rglob("a.svg")
    assert figure.read_text() == "<svg/>"


def test_a_collect_goes_on_after_its_server_has_stopped_and_come_back(server, results, capsys, monkeypatch):
    log, calls = store._log, []

    def stopping(client, experiment, entry, *rest):
        calls.append(entry.key)
        if len(calls) == 3:
            server.stop()
            threading.Timer(0.5, server.start).start()
        return log(client, experiment, entry, *rest)

    monkeypatch.setattr(store, "_log", stopping)
    monkeypatch.setattr(lock, "PAUSES", (2.0, 2.0, 2.0))
    done = results.collect(server.uri)
    assert "no connection to the tracking store" in capsys.readouterr().out
    found = keys_of(server.uri, results.study["name"])
    assert len(found) == 6 and set(found.values()) == {1}
    assert "kept" in set(done["action"])  # what was logged before the stop
    assert set(results.collect(server.uri)["action"]) == {"kept"}


def test_a_collect_whose_lock_was_lost_looks_again(server, results, monkeypatch):
    import sqlalchemy

    engine, log, calls = sqlalchemy.create_engine(server.uri), store._log, []
    others = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"

    def cut(client, experiment, entry, *rest):
        calls.append(entry.key)
        if len(calls) == 1:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text(others))
        return log(client, experiment, entry, *rest)

    monkeypatch.setattr(store, "_log", cut)
    monkeypatch.setattr(lock, "PAUSES", (0.1,))
    assert set(results.collect(server.uri)["action"]) == {"kept"}  # of the second look
    assert set(keys_of(server.uri, results.study["name"]).values()) == {1}


def test_a_server_that_never_answers_is_a_sentence(results, monkeypatch):
    monkeypatch.setattr(lock, "PAUSES", (0.01, 0.01))
    pytest.importorskip("psycopg2")
    with pytest.raises(InputError, match=r"cannot be used \(.*refused\); start its server"):
        results.collect("postgresql://me:secret@127.0.0.1:9/none")


@pytest.mark.slow
def test_an_mlflow_server_holds_runs_and_artifacts(server, results, tmp_path):
    with mlflow_server(f"{server.uri}?application_name=mlflow", tmp_path / "served") as address:
        jobs = [FORK.Process(target=collect_there, args=(results, address)) for _ in range(2)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(120)
        assert [job.exitcode for job in jobs] == [0, 0]
        found = keys_of(address, results.study["name"])
        assert len(found) == 6 and set(found.values()) == {1}
        assert set(results.collect(address)["action"]) == {"kept"}
    (figure,) = (tmp_path / "served").rglob("a.svg")
    assert figure.read_text() == "<svg/>" and not Path("results").exists()
