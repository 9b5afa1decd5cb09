"""Jobs of a real workflow come to a real store while it runs, whoever else fills the store."""

import os
import subprocess
import sys
import threading
import time

import pytest
from running import ROOT

from magan.commands.workflow import Launch
from magan.errors import InputError
from magan.tracking.jobs import Job, JobRuns
from magan.tracking.lock import only_collector

SNAKEFILE = """
rule all:
    input: "out/a.txt", "broken.txt"
rule make:
    output: "out/{name}.txt"
    log: "logs/{name}.log"
    benchmark: "logs/{name}.benchmark.tsv"
    threads: 2
    resources: mem_mb=100
    shell: "until [ -f {workflow.basedir}/seen ]; do sleep 0.05; done; touch {output}"
rule fail:
    output: "broken.txt"
    shell: "exit 1"
"""


def runs(uri: str, experiment: str) -> dict:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([found.experiment_id])} if found else {}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """The address of the store, its runs while a job waits, and when the workflow has ended."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "Snakefile").write_text(SNAKEFILE)
    uri = f"sqlite:///{folder}/results/mlflow.db"
    launch = Launch(cores=2, jobs=(uri, "tiny/jobs"))
    command = [sys.executable, "-m", "snakemake", "--keep-going", "--quiet", "all", *launch.arguments()]
    environment = {**launch.environment(), "PYTHONPATH": str(ROOT)}
    with (folder / "words").open("w") as words:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=words, stderr=words)
    end, store = time.monotonic() + 60, folder / "results/mlflow.db"
    live = {}
    while time.monotonic() < end and process.poll() is None and "make a" not in live:
        time.sleep(0.2)
        live = runs(uri, "tiny/jobs") if store.is_file() else {}
    (folder / "seen").touch()
    assert process.wait(timeout=60) == 1, (folder / "words").read_text()
    return uri, live, runs(uri, "tiny/jobs"), (folder / "words").read_text()


def test_a_job_is_seen_while_it_runs(logged):
    _, live, _, _ = logged
    assert live["make a"].info.status == "RUNNING" and live["make a"].info.end_time is None
    assert live["make a"].data.params == {"rule": "make", "name": "a", "threads": "2", "mem_mb": "100"}


def test_jobs_end_with_status_time_and_memory_inside_their_execution(logged):
    _, _, ended, words = logged
    assert "not logged" not in words
    made, failed = ended["make a"], ended["fail"]
    assert made.info.status == "FINISHED" and failed.info.status == "FAILED"
    assert made.data.metrics["memory_mb"] > 0 and made.data.metrics["seconds"] > 0
    assert failed.data.metrics.keys() == {"seconds"}
    (execution,) = [run for run in ended.values() if run.data.tags["kind"] == "execution"]
    assert execution.info.status == "FAILED" and execution.data.metrics == {"jobs_done": 1, "jobs_planned": 3}
    assert {run.data.tags["mlflow.parentRunId"] for run in (made, failed)} == {execution.info.run_id}
    assert made.data.tags["log"] == "logs/a.log"


def test_while_the_store_is_filled_jobs_wait_in_memory(logged):
    uri, *_ = logged
    record = JobRuns(uri, "busy/jobs", 100.0)
    record.start(Job(1, "read", {}, {"threads": 1}, [], "", 100.0))
    with Held(uri):
        assert not record.write()
    record.end(1, "FINISHED", 103.0)
    record.start(Job(2, "train", {}, {"threads": 1}, [], "", 103.0))
    assert record.write()
    record.close(110.0)
    found = runs(uri, "busy/jobs")
    assert found["read"].data.metrics == {"seconds": 3.0} and found["read"].info.end_time == 103_000
    assert found["train"].info.status == "KILLED" and found["train"].data.metrics == {"seconds": 7.0}


class Held:
    """The lock of a store, held by a second thread as by a collector."""

    def __init__(self, uri: str):
        self.uri, self.holds, self.over = uri, threading.Event(), threading.Event()

    def _hold(self) -> None:
        with only_collector(self.uri):
            self.holds.set()
            self.over.wait(30)

    def __enter__(self) -> None:
        self.thread = threading.Thread(target=self._hold)
        self.thread.start()
        assert self.holds.wait(30)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def test_a_store_that_cannot_be_used_is_a_sentence(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database at all")
    record = JobRuns(f"sqlite:///{tmp_path}/mlflow.db", "jobs", 0.0)
    with pytest.raises(InputError, match="is no SQLite database"):
        record.write()


def test_an_address_goes_by_the_environment_where_no_other_user_reads_it():
    launch = Launch(cores=1, jobs=("postgresql://me:secret@host/db", "mine/jobs"))
    assert "secret" not in " ".join(launch.arguments()) and launch.arguments()[-2:] == ["--logger", "mlflow"]
    assert launch.environment()["SNAKEMAKE_LOGGER_MLFLOW_URI"] == "postgresql://me:secret@host/db"
    assert "--logger" not in Launch().arguments() and Launch().environment() == dict(os.environ)
