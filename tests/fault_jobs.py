"""A training small enough to be interrupted many times."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from anndata import AnnData

from magan import keys
from magan.stages import train as stage
from magan.stages.job import job_of

RESULTS = ("model.safetensors", "mapped.h5ad")
OPTIONS = {"generator_hidden": [32], "discriminator_hidden": [32]}


def data(folder: Path) -> Path:
    """One fold of a batch task."""
    for seed, file in enumerate(("train/b/x1", "train/b/x2", "query/b")):
        values = np.random.default_rng(seed).normal(size=(30, 3)).astype(np.float32)
        cells = AnnData(values, layers={keys.PREPROCESSED: values}, uns={keys.CYTOF: {"cofactor": 5.0}})
        cells.var_names = ["CD3", "CD4", "CD8"]
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        cells.write_h5ad(folder / f"{file}.h5ad")
    return folder


def train(source: Path, results: Path, steps: int = 40) -> None:
    """Train two seeds on `data` and write the results to a folder."""
    results.mkdir(exist_ok=True)
    arm = {"model": "magan", "options": OPTIONS}
    files = {part: str(source / part) for part in ("train", "query")}
    files |= {"model": str(results / RESULTS[0]), "mapped": str(results / RESULTS[1])}
    files |= {part: str(results / part) for part in ("events", "log")}
    params = {"arm": arm, "training": {"steps": steps, "batch_size": 8}, "seeds": [3, 5], "device": "cpu"}
    stage.train(job_of({"task": "batch", "dataset": "mine", "arm": "plain"}, params, files))


def contents(results: Path) -> dict[str, bytes]:
    """The bytes of all results, and of the events that do not depend on time."""
    events = [line for line in (results / "events").read_text().splitlines() if '"kind": "end"' not in line]
    return {name: (results / name).read_bytes() for name in RESULTS} | {"events": "\n".join(events).encode()}


class NoTmpfsError(Exception):
    """This machine does not let the process mount a file system."""


@contextmanager
def tmpfs(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of ``size`` bytes on a folder."""
    folder.mkdir(exist_ok=True)
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    except FileNotFoundError:
        raise NoTmpfsError from None
    if mounted.returncode:
        raise NoTmpfsError
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
