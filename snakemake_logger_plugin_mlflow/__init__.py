"""Jobs of a Snakemake workflow as runs in MLflow, while they run. Snakemake finds this package by its name.

``snakemake --logger mlflow`` uses it, and so do ``magan run --log-jobs`` and ``magan correct --log-jobs``. Every
Snakemake process imports this file, so it imports MLflow only when a job starts.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import LogRecord
from typing import TYPE_CHECKING, Any, Optional, cast

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

if TYPE_CHECKING:
    from magan.tracking.jobs import Job, JobRuns

__all__ = ["LogHandler", "LogHandlerSettings"]


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the command line, ``--logger-mlflow-uri`` and ``--logger-mlflow-experiment``."""

    uri: Optional[str] = field(  # noqa: UP045, Snakemake reads the type of an option in this form
        default="sqlite:///results/mlflow.db",
        metadata={"help": "Address of the MLflow store; a relative path begins at --directory", "env_var": True},
    )
    experiment: Optional[str] = field(  # noqa: UP045
        default="jobs", metadata={"help": "MLflow experiment of the jobs", "env_var": True}
    )


class LogHandler(LogHandlerBase):
    """Hands the jobs of one execution to `magan.tracking.jobs.JobRuns`.

    Snakemake calls it in a thread of its own, so that no job waits for the store. A store that cannot be used is
    reported once, and the workflow goes on.
    """

    @property
    def writes_to_stream(self) -> bool:
        """False: the terminal stays as it is."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """False: what is written is a database."""
        return False

    @property
    def has_filter(self) -> bool:
        """True: --quiet must not hide jobs from the store."""
        return True

    @property
    def has_formatter(self) -> bool:
        """True: nothing is formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """False: jobs are enough."""
        return False

    def __post_init__(self) -> None:
        self._runs: JobRuns | None = None
        self._is_off = self.common_settings.dryrun

    def emit(self, record: LogRecord) -> None:
        """Note what Snakemake says of a job, and write it to the store."""
        hear = _HEARD.get(getattr(record, "event", ""))
        if self._is_off or hear is None:
            return
        try:
            hear(self, record)
            if self._runs is not None:
                self._runs.write()
        except Exception as error:  # the workflow matters more than its record
            self._give_up(error)

    def close(self) -> None:
        """End the execution in the store: what still runs was interrupted."""
        if self._runs is not None and not self._is_off:
            try:
                self._runs.close(time.time())
            except Exception as error:
                self._give_up(error)
        super().close()

    def _give_up(self, error: Exception) -> None:
        self._is_off = True
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"jobs are not logged to MLflow: {reason}", file=sys.stderr)

    def _start(self, record) -> None:
        from magan.tracking.jobs import JobRuns

        if self._runs is None:
            settings = cast(LogHandlerSettings, self.settings)
            self._runs = JobRuns(str(settings.uri), str(settings.experiment), record.created)
        self._runs.start(_job(record))

    def _finish(self, record) -> None:
        if self._runs is not None:
            self._runs.end(record.job_id, "FINISHED", record.created)

    def _fail(self, record) -> None:
        if self._runs is not None:
            self._runs.end(record.jobid, "FAILED", record.created)

    def _progress(self, record) -> None:
        if self._runs is not None:
            self._runs.progress(record.done, record.total)


_HEARD: dict[str, Callable[[LogHandler, Any], None]] = {
    LogEvent.JOB_INFO: LogHandler._start,  # said when a job begins; JOB_STARTED, said before, has numbers alone
    LogEvent.JOB_FINISHED: LogHandler._finish,
    LogEvent.JOB_ERROR: LogHandler._fail,
    LogEvent.PROGRESS: LogHandler._progress,
}


def _job(record) -> "Job":
    from magan.tracking.jobs import Job

    resources = {name: record.resources.get(name) for name in ("mem_mb", "runtime")} if record.resources else {}
    return Job(
        record.jobid,
        record.rule_name,
        dict(record.wildcards or {}),
        {"threads": record.threads, **{name: x for name, x in resources.items() if isinstance(x, int)}},
        [str(path) for path in record.log or ()],
        record.benchmark or "",
        record.created,
    )
