"""What survives kills, broken files, full disks and two processes at once.

    python benchmarks/faults.py                      # a few minutes: a sample of each part
    python benchmarks/faults.py --whole              # hours: what the issue of faults asks for
    python benchmarks/faults.py --whole --parts mutants maps

Every trial is appended to ``results/faults.jsonl`` and not made again, so a run that was stopped goes on;
``reports/faults`` has the table of all trials so far. Trials are seeded; kills fall at random moments of the clock.
A part that needs what is not here (the right to mount a tmpfs, PostgreSQL) is left out with its reason.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fault_runs  # noqa: E402
from fault_jobs import NoTmpfsError, contents, data, resize, tmpfs, train  # noqa: E402
from fcs_bytes import write as write_fcs  # noqa: E402
from private_servers import NoServerError, postgres  # noqa: E402
from tracking_results import Results  # noqa: E402

from magan.aligner import Aligner  # noqa: E402
from magan.cytometry.read_cells import read  # noqa: E402
from magan.errors import InputError, MachineError  # noqa: E402
from magan.images.load import own_images  # noqa: E402
from magan.stages.atomic_files import write_table  # noqa: E402
from magan.stages.provenance import provenance  # noqa: E402
from magan.training import resume  # noqa: E402

SECONDS, BYTES = 10, 2 * 2**30  # what a reader may take
COLUMNS = ("part", "case", "trials", "failures", "outcomes")
FORK = multiprocessing.get_context("fork")
COLLECTORS = 16  # at once


class Trial(NamedTuple):
    """A trial, the number of its case: what happened, and what is wrong, "" if nothing is."""

    part: str
    case: str
    number: int
    outcome: str
    wrong: str = ""


IsNew = Callable[[str, int], bool]  # of a case and a number: is that trial still to be made?


def kills(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Kill a run of each rule in its turn, go on, and compare with an undisturbed study."""
    yield from _rule_by_rule("kills", fault_runs.kill, folder, n, is_new)


def disk_of_rules(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Run each rule in its turn on a disk that is too small, make room, and compare with an undisturbed study."""
    yield from _rule_by_rule("disk_of_rules", fault_runs.fill, folder, n, is_new)


def _rule_by_rule(part: str, disturb: Callable, folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    todo = [(rule, i) for rule, i in fault_runs.rules(n) if is_new(rule, i)]
    if not todo:
        return
    snakemake = fault_runs.Snakemake(folder)
    try:
        whole = fault_runs.whole_study(folder, snakemake)
        for rule, i in todo:
            place = folder / f"{rule}{i}"
            yield Trial(part, rule, i, *disturb(whole, place, rule, _draw(part, rule, i), snakemake))
            shutil.rmtree(place, ignore_errors=True)
    finally:
        snakemake.close()


def _draw(*what: object) -> np.random.Generator:
    """Random numbers that depend on the trial alone."""
    return np.random.default_rng(zlib.crc32(repr(what).encode()))


def mutants(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Change files at random and read them: a sentence, or values; never a trace, a hang or gigabytes.

    Bytes of measurements carry no checksum, so readers of data may give other values; a model may not.
    """
    kinds = _intact(folder)
    for case, (path, reader) in kinds.items():
        intact, content = reader(path), path.read_bytes()
        wrong = {"trace", "too slow", "too large"} | ({"other values"} if case == "model" else set())
        for i in filter(partial(is_new, case), range(n // len(kinds))):
            changed = path.with_name(f"changed{path.suffix}")
            changed.write_bytes(_mutated(content, _draw("mutants", case, i)))
            outcome = _outcome(reader, changed, intact)
            yield Trial("mutants", case, i, outcome, outcome if outcome in wrong else "")


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


def collectors(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Let many processes fill a new store at once: every run must be there once."""
    for i in filter(partial(is_new, "SQLite"), range(n)):
        (folder / f"{i}").mkdir()
        with contextlib.chdir(folder / f"{i}"):
            uri = f"sqlite:///{folder}/{i}/mlflow.db"
            yield Trial("collectors", "SQLite", i, f"{COLLECTORS} at once", _collected([uri] * COLLECTORS))
    for i in filter(partial(is_new, "PostgreSQL"), range(n)):
        (folder / f"p{i}").mkdir()
        with postgres() as server, contextlib.chdir(folder / f"p{i}"):
            uris = [f"{server.uri}?application_name=job{j}" for j in range(COLLECTORS)]
            yield Trial("collectors", "PostgreSQL", i, f"{COLLECTORS} at once", _collected(uris))


def _collected(uris: list[str]) -> str:
    """What is wrong after a process for each address has filled the store."""
    jobs = [FORK.Process(target=_collect, args=(Path(f"results{i}"), uri)) for i, uri in enumerate(uris)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    # In a process too: an open connection of this one would be shared with the next forks.
    runs = Counter(_in_fork(partial(_logged, uris[0])))
    wrong = [f"{sum(bool(job.exitcode) for job in jobs)} jobs failed"] if any(job.exitcode for job in jobs) else []
    wrong += [] if len(runs) == 6 else [f"{len(runs)} of 6 runs"]
    return "; ".join(wrong + [f"{key} {count} times" for key, count in runs.items() if count > 1])


def _logged(uri: str) -> list[str]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("together/heldout/toy")
    return [run.data.tags["magan.key"] for run in client.search_runs([experiment.experiment_id])]


def _in_fork(run: Callable[[], list]) -> list:
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: there.send(run()))
    process.start()
    found = here.recv()
    process.join()
    return found


def _collect(folder: Path, uri: str) -> None:
    Results(folder, "together").collect(uri)


def maps(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Map a file by two models into one folder at once: the file there is the whole of either, or of the first."""
    source, models = data(folder / "data"), []
    for i, steps in enumerate((3, 6)):
        train(source, folder / f"model{i}", steps=steps)
        models.append(folder / f"model{i}" / "model.safetensors")
    draw = np.random.default_rng(0)
    table = pd.DataFrame(np.sinh(draw.normal(2, 1, size=(2000, 3))) * 5, columns=["CD3", "CD4", "CD8"])
    table.to_csv(folder / "a.csv", index=False)
    alone = []
    for i, model in enumerate(models):
        _in_fork(partial(_map, model, folder / "a.csv", folder / f"alone{i}"))
        alone.append((folder / f"alone{i}" / "a.csv").read_bytes())
    if alone[0] == alone[1]:
        raise RuntimeError("the two models map alike")
    for i in filter(partial(is_new, "magan map"), range(n)):
        place = folder / f"pair{i}"
        jobs = [FORK.Process(target=_exit_of_map, args=(model, folder / "a.csv", place)) for model in models]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        ended = sorted(job.exitcode for job in jobs)
        files = sorted(path.name for path in place.iterdir())
        whole = files == ["a.csv"] and (place / "a.csv").read_bytes() in alone
        outcome = "one refused" if ended == [0, 1] else "one after the other" if ended == [0, 0] else "both refused"
        wrong = "" if whole and ended in ([0, 0], [0, 1]) else f"{files}, exit {ended}"
        yield Trial("maps", "magan map", i, outcome, wrong)


def _exit_of_map(*arguments: Path) -> None:
    os._exit(_map(*arguments)[0])


def _map(model: Path, file: Path, output: Path) -> list[int]:
    """The exit status of ``magan map``."""
    from typer.testing import CliRunner

    from magan.cli import app

    code = CliRunner().invoke(app, ["map", str(model), str(file), "-o", str(output)]).exit_code
    return [code]


def disk(folder: Path, n: int, is_new: IsNew) -> Iterator[Trial]:
    """Train on file systems that are too small, make room, go on, and compare with an undisturbed training."""
    resume.SECONDS = 0.0
    source = data(folder / "data")
    train(source, folder / "whole")
    whole = contents(folder / "whole")
    for i, pages in enumerate(np.linspace(1, 30, n).astype(int)):
        if not is_new("training", i):
            continue
        small, outcome = folder / f"small{i}", "had room"
        with tmpfs(small, int(pages) * resource.getpagesize()):
            try:
                train(source, small)
            except (OSError, MachineError):
                outcome = "stopped"
                resize(small, 2**26)
                train(source, small)
            yield Trial("disk", "training", i, outcome, "" if contents(small) == whole else "other bytes")


PARTS = {
    "mutants": mutants, "maps": maps, "disk": disk, "collectors": collectors, "disk_of_rules": disk_of_rules,
    "kills": kills,
}  # fmt: skip
SAMPLE = {"mutants": 210, "maps": 5, "disk": 4, "collectors": 1, "disk_of_rules": 2, "kills": 2}
WHOLE = {"mutants": 5005, "maps": 50, "disk": 20, "collectors": 20, "disk_of_rules": 20, "kills": 100}
ASKED = {"mutants": 5000, "maps": 50, "disk": 20, "collectors": 40, "disk_of_rules": 20, "kills": 100}


def table(trials: list[Trial]) -> pd.DataFrame:
    """A row of ``COLUMNS`` for each case."""
    cases: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        cases.setdefault((trial.part, trial.case), []).append(trial)
    rows = []
    for (part, case), made in cases.items():
        counts = Counter(trial.wrong or trial.outcome for trial in made)
        told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        rows.append((part, case, len(made), sum(bool(trial.wrong) for trial in made), told))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def page(trials: list[Trial], commits: list[str]) -> str:
    """The table in Markdown, part by part, with what was asked for and not made."""
    lines = ["# What was broken on purpose", "", "Written by `python benchmarks/faults.py --whole`. Commits: "]
    lines[-1] += ", ".join(commits) + "."
    lines += ["", "| part | asked | made | failures |", "|---|---|---|---|"]
    for part, asked in ASKED.items():
        made = [trial for trial in trials if trial.part == part]
        lines.append(f"| {part} | {asked} | {len(made)} | {sum(bool(trial.wrong) for trial in made)} |")
    lines += ["", f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in table(trials).itertuples(index=False)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--whole", action="store_true", help="as many trials as were asked for")
    parser.add_argument("--log", type=Path, default=ROOT / "results" / "faults.jsonl", help="every trial, a line each")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "faults", help="folder of the tables")
    asked = parser.parse_args()
    asked.log.parent.mkdir(parents=True, exist_ok=True)
    asked.log.touch()
    commit = provenance()["commit"]
    for part in asked.parts:
        known = {(trial.case, trial.number) for trial in _read(asked.log)[0] if trial.part == part}
        n = (WHOLE if asked.whole else SAMPLE)[part]
        folder = Path(tempfile.mkdtemp())
        try:
            with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), asked.log.open("a") as log:
                for trial in PARTS[part](folder, n, lambda *key, known=known: key not in known):
                    print(json.dumps([commit, *trial]), file=log, flush=True)
        except (NoTmpfsError, NoServerError) as error:
            print(f"{part}: left out, {error or 'no tmpfs can be mounted here'}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    trials, commits = _read(asked.log)
    write_table(table(trials), asked.output / "faults.tsv")
    (asked.output / "README.md").write_text(page(trials, commits))
    print(table(trials).to_string(index=False))
    sys.exit(any(trial.wrong for trial in trials))


def _read(path: Path) -> tuple[list[Trial], list[str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Trial(*trial) for _, *trial in lines], sorted({commit for commit, *_ in lines})


if __name__ == "__main__":
    main()
