"""Snakemake as a person calls it."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

from snakemake import cli

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests/workflow/smoke.yaml"


def command(folder: Path, *arguments: str, study: Path = SMOKE) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    snakemake += ["--directory", str(folder)]
    return [*snakemake, "--cores", "2", *arguments, "--configfile", str(study)]


def run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    return subprocess.run(command(folder, *arguments, study=study), capture_output=True, text=True, timeout=600)


def dry_run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    return in_process(folder, *arguments, "--dry-run", study=study)


def in_process(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    """Snakemake without a process for it, where no job is run: most of its time is to import the package."""
    _, _, _, *called = command(folder, *arguments, study=study)
    told, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors), contextlib.chdir(folder):
        try:
            code = cli.main(called)
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(called, int(code or 0), told.getvalue(), errors.getvalue())
