"""What survives kills, broken files, full disks and two processes at once.

    python benchmarks/faults.py                      # a few minutes: a sample of each part
    python benchmarks/faults.py --whole              # hours: the numbers that reports/faults shows
    python benchmarks/faults.py --parts mutants maps

Writes ``reports/faults/faults.tsv``: part, case, trials, good, outcomes. Every part is seeded; kills fall at
random moments of the clock. The part "disk" needs the right to mount a tmpfs and is left out without it.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fault_jobs import NoTmpfsError, contents, data, resize, tmpfs, train  # noqa: E402
from fcs_bytes import write as write_fcs  # noqa: E402
from running import command  # noqa: E402
from tracking_results import Results  # noqa: E402

from magan.aligner import Aligner  # noqa: E402
from magan.atomic_write import atomic_write  # noqa: E402
from magan.cytometry.read_cells import read  # noqa: E402
from magan.errors import InputError, MachineError  # noqa: E402
from magan.images.load import own_images  # noqa: E402
from magan.stages.atomic_files import write_table  # noqa: E402
from magan.training import resume  # noqa: E402

SECONDS, BYTES = 10, 2 * 2**30  # what a reader may take
COLUMNS = ("part", "case", "trials", "good", "outcomes")
Row = tuple[str, str, int, int, str]
FORK = multiprocessing.get_context("fork")


def kills(folder: Path, n: int, draw: np.random.Generator) -> Iterator[Row]:
    """Kill the main process of the smoke study ``n`` times, run it to its end, and compare with an undisturbed run.

    Two kills or fewer are of one task's scores; more are of everything, draw, report and collect among it.
    """
    target = "all" if n > 2 else "results/smoke/batch/cytonorm/metrics.tsv"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    whole, killed = folder / "whole", folder / "killed"
    start = time.monotonic()
    subprocess.run(command(whole, target), check=True, **quiet)
    seconds, orphans = time.monotonic() - start, 0
    for _ in range(n):
        main = subprocess.Popen(command(killed, target), start_new_session=True, **quiet)
        time.sleep(draw.uniform(0.05, 0.9) * seconds)
        main.send_signal(signal.SIGKILL)
        main.wait()
        time.sleep(25)
        orphans += bool(_session(main.pid))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(main.pid, signal.SIGKILL)
        subprocess.run(command(killed, "--unlock"), **quiet)
    subprocess.run(command(killed, target), check=True, **quiet)
    tables = [path.relative_to(whole) for path in (whole / "results").rglob("*.tsv")]
    tables = [path for path in tables if path.name != "tracking.tsv"]  # which holds the store's random numbers
    same = sum((whole / path).read_bytes() == (killed / path).read_bytes() for path in tables)
    yield "kills", "tables with the same bytes", len(tables), same, ""
    yield "kills", "kills without an orphan", n, n - orphans, ""
    parts = len(list((killed / "results").rglob("*.part*")))
    yield "kills", "temporary files left", n, n - min(n, parts), f"{parts} files"


def _session(number: int) -> list[str]:
    """Processes of a session that are alive."""
    found = subprocess.run(["ps", "-o", "stat=", "-s", str(number)], capture_output=True, text=True).stdout
    return [state for state in found.split() if not state.startswith("Z")]


def mutants(folder: Path, n: int, draw: np.random.Generator) -> Iterator[Row]:
    """Change files at random and read them: a sentence, or values; never a trace, a hang or gigabytes.

    Bytes of measurements carry no checksum, so readers of data may give other values; a model may not.
    """
    for case, (path, reader) in _intact(folder).items():
        intact, counts = reader(path), Counter()
        content = path.read_bytes()
        for _ in range(n):
            changed = path.with_name(f"changed{path.suffix}")
            changed.write_bytes(_mutated(content, draw))
            counts[_outcome(reader, changed, intact)] += 1
        wrong = {"trace", "too slow", "too large"} | ({"other values"} if case == "model" else set())
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        yield "mutants", case, n, n - sum(counts[name] for name in wrong), told


def _intact(folder: Path) -> dict[str, tuple[Path, Callable[[Path], bytes]]]:
    """A small file of every kind, and what its reader makes of it."""
    train(data(folder / "data"), folder / "model", steps=3)
    write_fcs(folder / "cells.fcs")
    read(folder / "cells.fcs").to_df().to_csv(folder / "cells.csv", index=False)
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 6), dtype=np.uint8)
    np.savez_compressed(folder / "images.npz", images=images)
    (folder / "images.idx").write_bytes(
        bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes() + images.tobytes()
    )
    (folder / "png").mkdir()
    Image.fromarray(images[0]).save(folder / "png" / "image.png")
    query = read_h5ad(folder / "data" / "query" / "b.h5ad")
    return {
        "model": (folder / "model" / "model.safetensors", lambda path: Aligner.load(path).map(query).X.tobytes()),
        "FCS": (folder / "cells.fcs", lambda path: read(path).X.tobytes()),
        "CSV": (folder / "cells.csv", lambda path: read(path).X.tobytes()),
        "h5ad": (folder / "data" / "query" / "b.h5ad", lambda path: np.asarray(read(path).X).tobytes()),
        "npz": (folder / "images.npz", lambda path: own_images(path).X.tobytes()),
        "idx": (folder / "images.idx", lambda path: own_images(path).X.tobytes()),
        "PNG": (folder / "png" / "image.png", _png),
    }


def _png(path: Path) -> bytes:
    from magan.images.folders import read_image

    return read_image(path.read_bytes(), str(path)).tobytes()


def read_h5ad(path: Path):
    import anndata

    return anndata.read_h5ad(path)


def _mutated(content: bytes, draw: np.random.Generator) -> bytes:
    """Flip bits, cut, repeat, or replace a number of the text by a large or a negative one."""
    changed, place = bytearray(content), int(draw.integers(len(content)))
    match draw.integers(5):
        case 0:
            changed[place] ^= 1 << int(draw.integers(8))
        case 1:
            del changed[place:]
        case 2:
            changed[place:place] = changed[place : place + int(draw.integers(1, 64))]
        case 3:
            changed[place : place + 8] = draw.bytes(8)
        case 4:
            digits = [i for i, byte in enumerate(changed[:4096]) if chr(byte).isdigit()]
            if digits:
                place = int(draw.choice(digits))
                changed[place : place + 1] = [b"999999999", b"-1", b"0", b"1e308", b"nan"][int(draw.integers(5))]
    return bytes(changed)


def _outcome(reader: Callable[[Path], bytes], path: Path, intact: bytes) -> str:
    """What a reader makes of a changed file, in a process of bounded time and memory."""
    here, there = FORK.Pipe(duplex=False)

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + BYTES, resource.RLIM_INFINITY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            there.send("the same" if reader(path) == intact else "other values")
        except InputError as error:
            there.send("refused" if "\n" not in str(error) else "trace")
        except MemoryError:
            there.send("too large")
        except BaseException:
            there.send("trace")

    process = FORK.Process(target=run)
    process.start()
    found = here.recv() if here.poll(SECONDS) else "too slow" if process.is_alive() else "trace"
    process.kill()
    process.join()
    return found


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def collectors(folder: Path, n: int, draw: np.random.Generator) -> Iterator[Row]:
    """Let four processes fill a new store at once, ``n`` times: every run must be there once."""
    from mlflow import MlflowClient

    good = 0
    for turn in range(n):
        place = folder / str(turn)
        place.mkdir()
        uri = f"sqlite:///{place}/mlflow.db"
        jobs = [FORK.Process(target=_collect, args=(place / f"results{i}", uri)) for i in range(4)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = client.get_experiment_by_name("together/heldout/toy")
        runs = Counter(run.data.tags["magan.key"] for run in client.search_runs([experiment.experiment_id]))
        good += set(runs.values()) == {1} and len(runs) == 5 and not any(job.exitcode for job in jobs)
    yield "collectors", "four collects into a new SQLite store", n, good, ""


def _collect(folder: Path, uri: str) -> None:
    Results(folder, "together").collect(uri)


def maps(folder: Path, n: int, draw: np.random.Generator) -> Iterator[Row]:
    """Let two processes write a file of the same name at once, ``n`` times: it is always the whole of either."""
    path, good = folder / "a.fcs", 0
    for _ in range(n):
        jobs = [FORK.Process(target=partial(_write, path, byte)) for byte in (b"a", b"b")]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        good += path.read_bytes() in (b"a" * 10_000, b"b" * 10_000) and list(folder.iterdir()) == [path]
    yield "maps", "pairs of writers of one file", n, good, ""


def _write(path: Path, byte: bytes) -> None:
    with atomic_write(path) as part, part.open("wb") as file:
        for _ in range(100):
            file.write(byte * 100)
            file.flush()


def disk(folder: Path, n: int, draw: np.random.Generator) -> Iterator[Row]:
    """Train on ``n`` file systems that are too small, make room, go on, and compare with an undisturbed training."""
    resume.SECONDS = 0.0
    source, good, full = data(folder / "data"), 0, 0
    train(source, folder / "whole")
    whole = contents(folder / "whole")
    for i, pages in enumerate(np.linspace(1, 30, n).astype(int)):
        small = folder / f"small{i}"
        with tmpfs(small, int(pages) * resource.getpagesize()):
            try:
                train(source, small)
            except (OSError, MachineError):
                full += 1
                resize(small, 2**26)
                train(source, small)
            good += contents(small) == whole
    yield "disk", "trainings on a full disk that end with the same bytes", n, good, f"{full} disks were full"


PARTS = {"kills": kills, "mutants": mutants, "collectors": collectors, "maps": maps, "disk": disk}
SAMPLE = {"kills": 1, "mutants": 30, "collectors": 1, "maps": 20, "disk": 4}
WHOLE = {"kills": 100, "mutants": 715, "collectors": 20, "maps": 50, "disk": 20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--whole", action="store_true", help="as many trials as reports/faults shows")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "faults" / "faults.tsv")
    asked = parser.parse_args()
    rows: list[Row] = []
    for part in asked.parts:
        folder = Path(tempfile.mkdtemp())
        try:
            with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
                rows += PARTS[part](folder, (WHOLE if asked.whole else SAMPLE)[part], np.random.default_rng(0))
        except NoTmpfsError:
            rows.append((part, "left out: no tmpfs can be mounted here", 0, 0, ""))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(pd.DataFrame(rows, columns=list(COLUMNS)).to_string(index=False), flush=True)
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), asked.output)
    sys.exit(any(good < trials for _, _, trials, good, _ in rows))


if __name__ == "__main__":
    main()
