"""Snakemake as a person calls it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "tests/workflow/smoke.yaml"


def command(folder: Path, *arguments: str, study: Path = SMOKE) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return [*snakemake, "--cores", "2", *arguments, "--configfile", str(study)]


def run(folder: Path, *arguments: str, study: Path = SMOKE) -> subprocess.CompletedProcess:
    return subprocess.run(command(folder, *arguments, study=study), capture_output=True, text=True, timeout=600)
