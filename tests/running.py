"""Snakemake as a person calls it."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from forked_job import FORKS, execute
from snakemake import cli
from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests/workflow/smoke.yaml"


def command(folder: Path, *arguments: str, study: Path = SMOKE) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    snakemake += ["--directory", str(folder)]
    return [*snakemake, "--cores", "2", *arguments, "--configfile", str(study)]


def run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    return subprocess.run(command(folder, *arguments, study=study), capture_output=True, text=True, timeout=600)


def quick_run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    """As `run`, in a third of the time: the same scripts in processes that need not import what they use."""
    with mock.patch.object(PythonScript, "execute_script", _forked):
        return in_process(folder, *arguments, study=study)


def _forked(script: PythonScript, fname: str, edit: bool = False) -> None:
    """Run a script of the workflow in a forked process; what it prints goes to stderr, as with `run`."""
    job = FORKS.Process(target=execute, args=(fname, os.getcwd()))
    job.start()
    with contextlib.nullcontext() if script.bench_record is None else benchmarked(job.pid, script.bench_record):
        job.join()
    sys.stderr.write(Path(f"{fname}.printed").read_text())
    if job.exitcode:
        raise subprocess.CalledProcessError(job.exitcode, [sys.executable, fname])


def dry_run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    return in_process(folder, *arguments, "--dry-run", study=study)


def in_process(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    """Snakemake without a process for it: most of its time is to import the package."""
    _, _, _, *called = command(folder, *arguments, study=study)
    told, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors), contextlib.chdir(folder):
        try:
            code = cli.main(called)
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(called, int(code or 0), told.getvalue(), errors.getvalue())
