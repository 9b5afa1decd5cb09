"""How fast, and in how much memory, a trained model corrects files, and a whole study runs.

    python benchmarks/scale.py
    python benchmarks/scale.py study
    python benchmarks/scale.py ratio

Writes FCS files of 40 markers into a temporary folder, one of ten million cells
and twenty of half a million, and corrects them as ``magan map`` does, on one
thread: networks of the published size (200, 100, 50), whose weights do not
matter here and have seen one step of training. Each row of the table is a
process of its own: seconds are wall-clock and, for the rate a core has whoever
else uses the machine, of its processor. Memory is the most the process ever
held, less what it held once everything was imported; 3.2 GB of disk are needed
at a time.

``study`` writes sixty FCS files of 200,000 cells, six batches, and runs ``magan
check`` and ``magan run`` on them with ``method: auto``, one job at a time. It
prints the most memory that a process of them held, as the kernel counts it
(``ru_maxrss``), against 2 GB; the same of each rule, as Snakemake samples it; and
the processor seconds of a cell, against those of a study with a quarter of the
cells in each file. It needs 10 GB of disk, or ``--files`` and ``--cells``.
``ratio`` corrects a file by maps of one marker at a time, and reads and writes it
unchanged by the same code.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.batch_mapper import BatchMapper
from magan.config import Training
from magan.correction import correction
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.fcs_read import open_fcs
from magan.cytometry.fcs_write import rewrite
from magan.stages.apply_model import correct

MARKERS = 40
BLOCK = 100_000  # cells drawn; files repeat them
BATCHES = 6  # of the study
LIMIT = 2000  # MB, of a process of the study
TWICE = 2.0  # times reading and writing a file unchanged


class Used(NamedTuple):
    """Wall-clock and processor seconds, and the most MB that a process held."""

    seconds: float
    busy: float
    megabytes: float


def draw(n_cells: int) -> np.ndarray:
    """Counts with zeros, ``(n, M)``."""
    random = np.random.default_rng(0)
    counts = random.gamma(0.6, 60.0, (n_cells, MARKERS)).astype("<f4")
    return np.where(random.random(counts.shape) < 0.2, np.float32(0), counts)


def write_fcs(path: Path, n_cells: int, cells: np.ndarray | None = None) -> None:
    """A file of any length, block by block; offsets of data this far off stand in the text alone.

    ``cells`` ``(n, M)`` are repeated, by default those of `draw`; columns after the markers are called Time.
    """
    start, block = 8192, draw(BLOCK) if cells is None else cells
    n_columns = block.shape[1]
    words = {"BEGINDATA": start, "ENDDATA": start + 4 * n_columns * n_cells - 1, "BYTEORD": "1,2,3,4"}
    words |= {"DATATYPE": "F", "MODE": "L", "NEXTDATA": 0, "PAR": n_columns, "TOT": n_cells}
    for n in range(1, n_columns + 1):
        names = (f"C{n}", f"CD{n}") if n <= MARKERS else ("Time", "Time")
        words |= {f"P{n}B": 32, f"P{n}E": "0,0", f"P{n}R": 4096, f"P{n}N": names[0], f"P{n}S": names[1]}
    text = "|" + "".join(f"${key}|{value}|" for key, value in words.items())
    data = (start, words["ENDDATA"]) if words["ENDDATA"] < 10**8 else (0, 0)
    header = "FCS3.1    " + "".join(f"{offset:>8}" for offset in (58, 57 + len(text), *data, 0, 0))
    with path.open("wb") as file:
        file.write((header + text).ljust(start).encode())
        for first in range(0, n_cells, len(block)):
            file.write(block[: n_cells - first].tobytes())


def save_model(path: Path, scale: str, n_seeds: int) -> None:
    """A model of the published size that has seen one minibatch."""
    training = Training(steps=1)
    Aligner(training=training, scale=scale, seeds=range(n_seeds), device="cpu").fit(*training_cells()).save(path)


def training_cells() -> list[AnnData]:
    """Cells of two batches, of which the second has other gains."""
    counts = draw(20_000)
    var = pd.DataFrame({keys.MARKER_TYPE: "lineage"}, index=[f"CD{n}" for n in range(1, MARKERS + 1)])
    return [arcsinh(AnnData(part, var=var)) for part in (counts[:10_000], 1.5 * counts[10_000:])]


def memory(name: str) -> float:
    """VmRSS or VmHWM (the most there ever was) of this process, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def measure(task: str, model: Path, files: list[Path], n_cells: int) -> None:
    """Print seconds, processor seconds and MB of one task; what the table's processes do."""
    torch.set_num_threads(1)
    one, before, start, busy = correction(model), memory("VmRSS"), time.perf_counter(), time.process_time()
    if task == "map":
        units = np.arcsinh(draw(BLOCK) / 5)
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(0, n_cells, BLOCK):
            for start_row in range(0, len(units), 16384):
                one.mapper.map_values(units[start_row : start_row + 16384])
    for file in files:
        correct(one, file, file.parent / "corrected" / file.name)
    print(time.perf_counter() - start, time.process_time() - busy, memory("VmHWM") - before)


def row(what: str, task: str, model: Path, sizes: list[int]) -> float:
    """One row of the table: files written, corrected by another process, and deleted; returns cells per second."""
    files = [model.parent / f"{i}.fcs" for i in range(len(sizes))] if task == "correct" else []
    for file, size in zip(files, sizes):
        write_fcs(file, size)
    arguments = [sys.executable, __file__, "--measure", task, str(model), str(sum(sizes)), *map(str, files)]
    told = str(subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout)
    seconds, busy, used = map(float, told.split())
    for file in files:
        assert (file.parent / "corrected" / file.name).stat().st_size > 4 * MARKERS * sizes[0]
        file.unlink()
        (file.parent / "corrected" / file.name).unlink()
    rates = f"{sum(sizes) / seconds:>11,.0f} {sum(sizes) / busy:>13,.0f}"
    print(f"{what:30} {sum(sizes):>11,} {seconds:>7.1f} {busy:>7.1f} {rates} {used:>7.0f}", flush=True)
    return sum(sizes) / busy


def write_study(folder: Path, n_files: int, n_cells: int) -> Path:
    """Files of two populations in six batches with different gains, their sample sheet, and a study of them."""
    random = np.random.default_rng(0)
    cells = draw(BLOCK) * np.where(random.random((BLOCK, 1)) < 0.4, random.choice([0.05, 1, 6], MARKERS), 1)
    clock = np.sort(random.uniform(0, 6e5, BLOCK))[:, None]
    lines = ["sample\tpath\tbatch"]
    for i in range(n_files):
        batch = i * BATCHES // n_files
        gains = np.random.default_rng(batch).uniform(0.7, 1.4, MARKERS)
        write_fcs(folder / f"{i}.fcs", n_cells, np.hstack([np.roll(cells, i, axis=0) * gains, clock]).astype("<f4"))
        lines.append(f"sample {i}\t{i}.fcs\tday {batch}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    alignment = {"cells": "visits", "reference": "median", "correct": {}}
    study = {"name": "scale", "title": "Scale", "own_data": {"visits": {"sheet": str(folder / "samples.tsv")}}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study | {"batch": {"visits": alignment}}))
    return folder / "study.yaml"


def run(words: list[str], folder: Path) -> Used:
    """Run a command of magan in a folder, and return what it and all of its processes used."""
    code = (
        "import resource, subprocess, sys, time; start = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, "magan", *words]
    with (folder / "log.txt").open("a") as log:
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=log, cwd=folder).stdout
    return Used(*map(float, said.split()))


def study(n_files: int, n_cells: int, parent: str | None) -> float:
    """Run a study, print what it used, and return the processor seconds of a million cells."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        path = write_study(folder, n_files, n_cells)
        print(f"{n_files} files of {n_cells:,} cells and {MARKERS} markers", flush=True)
        print(f"{'':24} {'s':>7} {'CPU s':>7} {'MB':>7} {'limit':>6} {'ratio':>6}")
        everything = []
        for words in (["check", str(path)], ["run", str(path), "--cores", "1"]):
            used = run(words, folder)
            everything.append(used.busy)
            times = f"{used.seconds:>7.1f} {used.busy:>7.1f} {used.megabytes:>7.0f}"
            print(f"magan {words[0]:18} {times} {LIMIT:>6} {used.megabytes / LIMIT:>6.2f}", flush=True)
        for table in sorted(folder.rglob("*.benchmark.tsv"), key=lambda path: path.stat().st_mtime):
            row = pd.read_csv(table, sep="\t").iloc[0]
            rule = table.name.removesuffix(".benchmark.tsv")
            rule = f"{table.relative_to(folder / 'logs' / 'scale').parts[0]} {rule}".replace(f"{rule} {rule}", rule)
            print(f"  {rule:22} {row['s']:>7.1f} {row['cpu_time']:>7.1f} {row['max_rss']:>7.0f}")
        written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
        print(f"{written:.1f} GB on disk, of which {n_files * n_cells * 4 * (MARKERS + 1) / 1e9:.1f} are the files")
        return sum(everything) / (n_files * n_cells / 1e6)


def whole_study(n_files: int, n_cells: int, folder: str | None) -> None:
    """Print the tables of a study and of one with a quarter of the cells, and what more cells cost."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("magan", "numpy", "anndata", "snakemake"))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one job at a time; {versions}")
    large, small = study(n_files, n_cells, folder), study(n_files, n_cells // 4, folder)
    print(f"processor seconds of a million cells: {small:.1f} and {large:.1f}, limit 1.10 times, {large / small:.2f}")


def against_unchanged(n_cells: int, parent: str | None) -> None:
    """Print what correcting a file takes, in times of what reading and writing its values unchanged takes.

    Both are done by the same code, `rewrite`, which hands all channels over as linear values; processor seconds of one
    core, the least of three times.
    """
    torch.set_num_threads(1)
    print(f"{n_cells:,} cells, {MARKERS} markers; limit {TWICE} times")
    print(f"{'map':10} {'unchanged, CPU s':>16} {'corrected, CPU s':>16} {'ratio':>6} {'cells / CPU s':>13}")
    with tempfile.TemporaryDirectory(dir=parent) as name:
        file, out, model = (Path(name) / word for word in ("a.fcs", "b.fcs", "model.safetensors"))
        write_fcs(file, n_cells)
        everything = list(range(MARKERS))
        for method in ("zscore", "monotone", "quantile"):
            BatchMapper(method).fit(*([part] for part in training_cells()), names=["day"]).save(model)
            one = correction(model)

            def unchanged() -> None:
                rewrite(open_fcs(file), out, everything, lambda _, x: x[:, :MARKERS], provenance={})

            same, done = (least(task) for task in (unchanged, lambda one=one: correct(one, file, out)))
            print(f"{method:10} {same:>16.2f} {done:>16.2f} {done / same:>6.2f} {n_cells / done:>13,.0f}", flush=True)


def least(task: Callable[[], object]) -> float:
    """The least processor seconds of three times."""
    times = []
    for _ in range(3):
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["files", "study", "ratio"], default="files")
    parser.add_argument("--files", type=int, default=60, help="of the study")
    parser.add_argument("--cells", type=int, help="of the large file, or of each file of the study")
    parser.add_argument("--scale", default="pooled", help="a key of magan.domains.scaling.SCALINGS")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folder", help="where the temporary files go")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        task, model, n_cells, *files = arguments.measure
        return measure(task, Path(model), [Path(file) for file in files], int(n_cells))
    if arguments.what == "study":
        return whole_study(arguments.files, arguments.cells or 200_000, arguments.folder)
    if arguments.what == "ratio":
        return against_unchanged(arguments.cells or 1_000_000, arguments.folder)
    n = arguments.cells or 10_000_000
    print(f"{MARKERS} markers, {arguments.seeds} seeds, scale {arguments.scale}, one thread")
    print(f"{'':30} {'cells':>11} {'s':>7} {'CPU s':>7} {'cells / s':>11} {'cells / CPU s':>13} {'MB':>7}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        model = Path(folder) / "model.safetensors"
        save_model(model, arguments.scale, arguments.seeds)
        row("mapping alone", "map", model, [n // 10])
        small = row("one file: read, map, write", "correct", model, [n // 10])
        large = row("one file: read, map, write", "correct", model, [n])
        row("twenty files: read, map, write", "correct", model, [n // 20] * 20)
        print(f"a cell of the large file costs {small / large:.2f} times what one of the small file does")


if __name__ == "__main__":
    main()
