"""How fast, and in how much memory, a trained model corrects files.

    python benchmarks/scale.py

Writes FCS files of 40 markers into a temporary folder, one of ten million cells
and twenty of half a million, and corrects them as ``magan map`` does, on one
thread: networks of the published size (200, 100, 50), whose weights do not
matter here and have seen one step of training. Each row of the table is a
process of its own: seconds are wall-clock and, for the rate a core has whoever
else uses the machine, of its processor. Memory is the most the process ever
held, less what it held once everything was imported; 3.2 GB of disk are needed
at a time.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import Training
from magan.correction import correction
from magan.cytometry.arcsinh import arcsinh
from magan.stages.apply_model import correct

MARKERS = 40
BLOCK = 100_000  # cells drawn; files repeat them


def draw(n_cells: int) -> np.ndarray:
    """Counts with zeros, ``(n, M)``."""
    random = np.random.default_rng(0)
    counts = random.gamma(0.6, 60.0, (n_cells, MARKERS)).astype("<f4")
    return np.where(random.random(counts.shape) < 0.2, np.float32(0), counts)


def write_fcs(path: Path, n_cells: int) -> None:
    """A file of any length, block by block; offsets of data this far off stand in the text alone."""
    start, block = 8192, draw(BLOCK)
    words = {"BEGINDATA": start, "ENDDATA": start + 4 * MARKERS * n_cells - 1, "BYTEORD": "1,2,3,4", "DATATYPE": "F"}
    words |= {"MODE": "L", "NEXTDATA": 0, "PAR": MARKERS, "TOT": n_cells}
    for n in range(1, MARKERS + 1):
        words |= {f"P{n}B": 32, f"P{n}E": "0,0", f"P{n}R": 4096, f"P{n}N": f"C{n}", f"P{n}S": f"CD{n}"}
    text = "|" + "".join(f"${key}|{value}|" for key, value in words.items())
    data = (start, words["ENDDATA"]) if words["ENDDATA"] < 10**8 else (0, 0)
    header = "FCS3.1    " + "".join(f"{offset:>8}" for offset in (58, 57 + len(text), *data, 0, 0))
    with path.open("wb") as file:
        file.write((header + text).ljust(start).encode())
        for first in range(0, n_cells, BLOCK):
            file.write(block[: n_cells - first].tobytes())


def save_model(path: Path, scale: str, n_seeds: int) -> None:
    """A model of the published size that has seen one minibatch."""
    counts = draw(20_000)
    var = pd.DataFrame({keys.MARKER_TYPE: "lineage"}, index=[f"CD{n}" for n in range(1, MARKERS + 1)])
    parts = [arcsinh(AnnData(part, var=var)) for part in (counts[:10_000], 1.5 * counts[10_000:])]
    Aligner(training=Training(steps=1), scale=scale, seeds=range(n_seeds), device="cpu").fit(*parts).save(path)


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
    told = subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout
    seconds, busy, used = map(float, told.split())
    for file in files:
        assert (file.parent / "corrected" / file.name).stat().st_size > 4 * MARKERS * sizes[0]
        file.unlink()
        (file.parent / "corrected" / file.name).unlink()
    rates = f"{sum(sizes) / seconds:>11,.0f} {sum(sizes) / busy:>13,.0f}"
    print(f"{what:30} {sum(sizes):>11,} {seconds:>7.1f} {busy:>7.1f} {rates} {used:>7.0f}", flush=True)
    return sum(sizes) / busy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000_000)
    parser.add_argument("--scale", default="pooled", help="a key of magan.domains.scaling.SCALINGS")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folder", help="where the temporary files go")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        task, model, n_cells, *files = arguments.measure
        return measure(task, Path(model), [Path(file) for file in files], int(n_cells))
    n = arguments.cells
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
