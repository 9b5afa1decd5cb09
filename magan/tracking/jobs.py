"""Jobs of a workflow as runs of the tracking store, written while the workflow runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from magan.tracking.lock import make_store, only_collector, retried, store_if_free
from magan.tracking.store import create_tables, experiment_of, folder_of_artifacts, quiet, set_environment

NOTE = (
    "Jobs of Snakemake. A run is an execution of the workflow; the runs inside it are its jobs, with rule, wildcards, "
    "status and log. `seconds`, `cpu_seconds` and `memory_mb`, the largest, are those of the job's benchmark file; a "
    "job that failed, or whose rule has no benchmark, has the seconds between its start and its end."
)
# column of a benchmark file: metric
MEASURED = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "memory_mb"}
RUNNING, KILLED = "RUNNING", "KILLED"


@dataclass
class Job:
    """A job: its number in the workflow, what it does, and how it ended."""

    number: int
    rule: str
    wildcards: Mapping[str, str]
    resources: Mapping[str, int]  # threads, and mem_mb and runtime where the rule states them
    logs: Sequence[str]
    benchmark: str  # path, or ""
    start: float  # seconds since 1970
    end: float = 0.0
    status: str = RUNNING
    run_id: str = ""

    @property
    def name(self) -> str:
        """The rule and its wildcards' values."""
        return " ".join([self.rule, *map(str, self.wildcards.values())])

    def metrics(self) -> dict[str, float]:
        """Measured time and memory of a job that has ended: seconds, CPU seconds, MB."""
        found = {"seconds": self.end - self.start}
        path = Path(self.benchmark)
        if self.status == "FINISHED" and self.benchmark and path.is_file():
            table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
            numbers = table[[column for column in MEASURED if column in table]].apply(pd.to_numeric, errors="coerce")
            found |= {MEASURED[str(column)]: float(value) for column, value in numbers.max().dropna().items()}
        return found


class JobRuns:
    """One execution of a workflow in the store: a run, and in it a run for each job.

    Nothing is opened before `write`. While another process fills the store, changes wait in memory for the next
    `write`, so that no job and no collector waits for this record.

    Parameters
    ----------
    uri
        Of the store.
    experiment
        Its name.
    start
        Of the execution, in seconds since 1970.
    """

    def __init__(self, uri: str, experiment: str, start: float):
        self.uri, self.experiment, self.began = uri, experiment, start
        self.jobs: dict[int, Job] = {}
        self.changed: dict[int, None] = {}  # numbers of jobs that the store does not know as they are, in order
        self.done = self.total = 0
        self.run_id = self.experiment_id = ""
        self._client = None

    def start(self, job: Job) -> None:
        """Note a job that starts; a job that is tried again begins a new run."""
        self.jobs[job.number] = job
        self.changed[job.number] = None

    def end(self, number: int, status: str, end: float) -> None:
        """Note how a job ended: FINISHED, FAILED or KILLED. Other jobs than those that started are ignored."""
        job = self.jobs.get(number)
        if job is not None and job.status == RUNNING:
            job.status, job.end = status, end
            self.changed[number] = None

    def progress(self, done: int, total: int) -> None:
        """Note how many of the jobs are done."""
        self.done, self.total = done, total

    def write(self) -> bool:
        """Write what has changed; False where another process fills the store.

        Raises
        ------
        InputError
            The store cannot be used.
        """
        set_environment()
        with store_if_free(self.uri) as is_free:
            if is_free:
                self._write()
        return is_free

    def close(self, end: float) -> None:
        """End the execution: jobs that still run were killed. Waits for a process that fills the store.

        Raises
        ------
        InputError
            The store cannot be used.
        """
        for number in self.jobs:
            self.end(number, KILLED, end)
        set_environment()
        retried(self.uri, lambda: self._end(end))

    def _end(self, end: float) -> None:
        with only_collector(self.uri):
            self._write()
            found = {job.status for job in self.jobs.values()}
            status = next((s for s in (KILLED, "FAILED") if s in found), "FINISHED")
            self._open().set_terminated(self.run_id, status, _milliseconds(end))

    def _write(self) -> None:
        with quiet():
            if self._client is None:
                make_store(self.uri, create_tables)
            retried(self.uri, self._write_changes)

    def _write_changes(self) -> None:
        from mlflow.entities import Metric

        client = self._open()
        for number in list(self.changed):
            self._write_job(client, self.jobs[number])
            del self.changed[number]
        if self.total:
            now = _milliseconds(time.time())
            counts = {"jobs_done": self.done, "jobs_planned": self.total}
            client.log_batch(self.run_id, [Metric(name, value, now, self.done) for name, value in counts.items()])

    def _open(self):
        """The client; the first time, the experiment and the run of the execution are made."""
        from mlflow import MlflowClient

        if self._client is None:
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self.experiment_id = experiment_of(client, self.experiment, folder_of_artifacts(self.uri), NOTE)
            name = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.began))
            start = _milliseconds(self.began)
            run = client.create_run(self.experiment_id, start, tags={"kind": "execution"}, run_name=name)
            self.run_id, self._client = run.info.run_id, client
        return self._client

    def _write_job(self, client, job: Job) -> None:
        from mlflow.entities import Metric, Param

        if not job.run_id:
            tags = {"kind": "job", "rule": job.rule, "mlflow.parentRunId": self.run_id}
            tags |= {"log": ", ".join(job.logs)} if job.logs else {}
            run = client.create_run(self.experiment_id, _milliseconds(job.start), tags=tags, run_name=job.name)
            job.run_id = run.info.run_id
            params = {"rule": job.rule, **job.wildcards, **job.resources}
            client.log_batch(job.run_id, params=[Param(name, str(value)) for name, value in params.items()])
        if job.status != RUNNING:
            end = _milliseconds(job.end)
            client.log_batch(job.run_id, [Metric(name, value, end, 0) for name, value in job.metrics().items()])
            client.set_terminated(job.run_id, job.status, end)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
