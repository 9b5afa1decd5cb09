"""Runs of a tiny study that are killed, or whose disk is too small, rule by rule: parts of `faults.py`.

Runs are forked from a process that has imported the libraries, so that a trial takes seconds. This process is called
like Snakemake, since a job looks for it among its parents.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fault_study
import numpy as np
from fault_jobs import resize, tmpfs

from magan.atomic_write import PART

HERE = Path(__file__).resolve().parent
ROOT = f"results/{fault_study.STUDY['name']}"
TARGETS = {
    "read": "cells/blood.h5ad",
    "prepare": "batch/visits/truth.h5ad",
    "train": "batch/visits/network/mapped.h5ad",
    "baseline": "batch/visits/identity/mapped.h5ad",
    "evaluate": "batch/visits/metrics.tsv",
    "judge": "batch/visits/gate.tsv",
    "correct": "batch/visits/corrected",
    "merge": "panels/mine/merged.h5ad",
    "draw_merged": "figures/panels/mine",
    "classifier": "generation/digits/classifier.safetensors",
    "score": "generation/digits/plain/metrics.tsv",
    "lecture": "lectures/optimal_discriminator/numbers.tsv",
    "summarise": "summary.tsv",
    "draw": "figures/batch/visits",
    "report": "report.html",
    "collect": "tracking.tsv",
}
PATIENCE = 90.0  # seconds for the processes of a killed run to end
PRELOADED = ("magan.stages.draw", "magan.stages.evaluate", "magan.stages.report", "magan.stages.train", "snakemake.cli")
SIGNALS = ("KILL", "TERM", "KILL of all")


class Snakemake:
    """A process that runs Snakemake in forks of itself, one at a time."""

    def __init__(self, folder: Path):
        script = folder / "snakemake"
        script.write_text(f"import sys\nsys.path[:0] = {sys.path!r}\nimport fault_runs\nfault_runs.serve()\n")
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, folder: Path, *arguments: str) -> int:
        """Begin a run in a folder that holds the study; return its process, which leads a session."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for the end of the run; return its exit status, negative for a signal."""
        return int(self._line())

    def run(self, folder: Path, *arguments: str) -> int:
        self.start(folder, *arguments)
        return self.ended()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def serve() -> None:
    """Fork a run for each line of stdin; print its process, then its exit status."""
    import importlib
    import multiprocessing

    import forked_job
    import running

    for name in (*forked_job.LIBRARIES, *PRELOADED):
        importlib.import_module(name)

    def job(script: str, folder: str) -> None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # what the run prints is collected; a job has a log
        code = 1
        try:
            forked_job.execute(script, folder)
            code = 0
        finally:
            # The pool of threads in which the run started this job is not there to be joined.
            os._exit(code)

    running.FORKS, running.execute = multiprocessing.get_context("fork"), job
    for line in sys.stdin:
        folder, *arguments = json.loads(line)
        process = os.fork()
        if not process:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            done = running.quick_run(Path(folder), *arguments, study=Path(folder, "study.yaml"))
            Path(f"{folder}.txt").write_text(done.stderr)
            os._exit(done.returncode)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def whole_study(folder: Path, snakemake: Snakemake) -> Path:
    """The folder of a study that nothing disturbed."""
    whole = folder / "whole"
    if not (whole / "done").exists():
        shutil.rmtree(whole, ignore_errors=True)
        fault_study.write(whole)
        if snakemake.run(whole, "all", f"{ROOT}/{TARGETS['score']}"):
            raise RuntimeError("the undisturbed study failed")
        (whole / "done").touch()
    return whole


def kill(whole: Path, folder: Path, rule: str, draw: np.random.Generator, snakemake: Snakemake) -> tuple[str, str]:
    """Run a rule again, kill it at a random moment, and go on; what happened, and what is wrong afterwards."""
    _copied(whole, folder, rule)
    how, moment = str(draw.choice(SIGNALS)), draw.uniform(-0.15, 1.0)
    main = snakemake.start(folder, "--force", f"{ROOT}/{TARGETS[rule]}")
    if moment < 0:
        time.sleep(draw.uniform(0, 0.5))
    else:
        while session(main) and not _began(folder):
            time.sleep(0.02)
        time.sleep(moment * _seconds(whole, rule))
    when = "after the end" if not session(main) else "in the job" if _began(folder) else "before the job"
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if how.endswith("all") else os.kill)(main, signal.SIGTERM if how == "TERM" else signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while session(main) and time.monotonic() < deadline:
        time.sleep(0.1)
    wrong = ["orphans"] if session(main) else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(main, signal.SIGKILL)
    snakemake.ended()
    if list((folder / ".snakemake" / "locks").glob("*")):
        snakemake.run(folder, "--unlock")
    wrong += _gone_on(whole, folder, rule, snakemake)
    if _temporary(folder):
        # Nobody is left to remove it where every process is killed at once, as by a power cut.
        wrong += [] if how == "KILL of all" else ["a temporary file stays"]
        when += ", a temporary file stays"
    return f"{how} {when}", "; ".join(wrong)


def fill(whole: Path, folder: Path, rule: str, draw: np.random.Generator, snakemake: Snakemake) -> tuple[str, str]:
    """Run a rule again on a file system with too little room, make room, and go on; see `kill`."""
    with tmpfs(folder, 2**28):
        _copied(whole, folder, rule)
        used = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
        made = Path(whole, ROOT, TARGETS[rule])
        size = sum(path.stat().st_size for path in (made.rglob("*") if made.is_dir() else [made]))
        resize(folder, used + int(draw.uniform(0.02, 1.0) * size) + 4096)
        code = snakemake.run(folder, "--force", f"{ROOT}/{TARGETS[rule]}")
        resize(folder, 2**28)
        if list((folder / ".snakemake" / "locks").glob("*")):
            snakemake.run(folder, "--unlock")
        happened = "stopped" if code else "had room"
        wrong = _gone_on(whole, folder, rule, snakemake) + (["a temporary file stays"] if _temporary(folder) else [])
        return happened, "; ".join(wrong)


def session(number: int) -> list[str]:
    """States of the processes of a session that are alive."""
    found = subprocess.run(["ps", "-o", "stat=", "-s", str(number)], capture_output=True, text=True).stdout
    return [state for state in found.split() if not state.startswith("Z")]


def _copied(whole: Path, folder: Path, rule: str) -> None:
    """A copy of the finished study, with times, without logs, and without a store where one is to be filled."""
    shutil.copytree(whole, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("logs", "artifacts"))
    if rule == "collect":
        for path in ((folder / ROOT / TARGETS[rule]), *(folder / "results").glob("mlflow.db*")):
            path.unlink()


def _began(folder: Path) -> bool:
    return any((folder / "logs").rglob("*.log"))


def _seconds(whole: Path, rule: str) -> float:
    """About how long the longest job of a rule takes: twice its CPU seconds."""
    tables = [path for path in (whole / "logs").rglob("*.benchmark.tsv") if rule in path.relative_to(whole).as_posix()]
    rows = [dict(zip(*(line.split("\t") for line in path.read_text().splitlines()))) for path in tables]
    return max(2 * float(row["cpu_time"]) for row in rows)


def _gone_on(whole: Path, folder: Path, rule: str, snakemake: Snakemake) -> list[str]:
    """Run a rule to its end; what is not as in the undisturbed study."""
    if snakemake.run(folder, f"{ROOT}/{TARGETS[rule]}"):
        return ["did not go on"]
    wanted, found = contents(whole), contents(folder)
    wrong = [
        f"other bytes: {name}" for name in sorted(wanted.keys() | found.keys()) if wanted.get(name) != found.get(name)
    ]
    return wrong + (["runs lost or doubled"] if logged(folder) != logged(whole) else [])


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all results, without what holds a time or a random number."""
    files = {path.relative_to(folder).as_posix(): path for path in (folder / ROOT).rglob("*") if path.is_file()}
    return {
        name: b"".join(line for line in path.read_bytes().splitlines(True) if b'"kind": "end"' not in line)
        for name, path in files.items()
        if path.name != "tracking.tsv" and PART not in path.suffixes
    }


def _temporary(folder: Path) -> bool:
    return any(PART in path.suffixes for path in (folder / ROOT).rglob("*"))


def logged(folder: Path) -> Counter:
    """How often each run is in the tracking store."""
    with closing(sqlite3.connect(folder / "results" / "mlflow.db")) as store:
        query = (
            "SELECT t.value FROM tags t JOIN runs r USING (run_uuid) WHERE t.key = 'magan.key' "
            "AND r.lifecycle_stage = 'active' AND r.status IN ('FINISHED', 'FAILED')"
        )
        return Counter(key for (key,) in store.execute(query))


def rules(n: int) -> Iterator[tuple[str, int]]:
    """A rule and a number for each of ``n`` trials, every rule in its turn."""
    names = list(TARGETS)
    for i in range(n):
        yield names[i % len(names)], i // len(names)
