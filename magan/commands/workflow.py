"""Run a study by Snakemake: its words go to a file, its progress to the terminal, a failure into a sentence."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import psutil
from tqdm import tqdm

from magan.errors import InputError, MachineError

COUNT = re.compile(r"^(\w+) +(\d+)$")
TOTAL = re.compile(r"^total +(\d+)")
DONE = re.compile(r"^(\d+) of (\d+) steps \(\d+%\) done")
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
FAILED = re.compile(r"^Error in (?:local)?rule (\w+)")
SENTENCE = re.compile(r"^(?:error: |(?:WorkflowError: *)?the study cannot run: )(.+)")
LOCKED = "cannot be locked"
PARENT_DEATH_SIGNAL = 1  # of prctl
EVERY = 5.0  # seconds between two plain lines
GRACE = 5.0  # seconds that an interrupted run gets to remove its temporary files


@dataclass(frozen=True)
class Launch:
    """How a study is run.

    ``cores`` and ``profile`` are Snakemake's; without a profile all cores are used. ``targets`` are rules or files,
    by default all. ``unlock`` frees a folder that a killed run left locked. ``jobs`` is the MLflow store and the
    experiment that jobs are logged to while they run, None for no log.
    """

    cores: int | None = None
    profile: str | None = None
    targets: tuple[str, ...] = ()
    unlock: bool = False
    jobs: tuple[str, str] | None = None

    def arguments(self) -> list[str]:
        """The arguments of Snakemake."""
        found = list(self.targets)
        if self.cores or not self.profile:
            found += ["--cores", str(self.cores or "all")]
        found += ["--profile", self.profile] if self.profile else []
        return [*found, *(["--logger", "mlflow"] if self.jobs else [])]

    def environment(self) -> dict[str, str]:
        """The environment of Snakemake: an address with a password is seen in it by nobody else."""
        store = dict(zip(("SNAKEMAKE_LOGGER_MLFLOW_URI", "SNAKEMAKE_LOGGER_MLFLOW_EXPERIMENT"), self.jobs or ()))
        return {**os.environ, **store}


def snakefile() -> Path:
    """The Snakefile in the installed package, or of the clone that the package is imported from."""
    package = Path(__file__).parents[1]
    places = [folder / "workflow" / "Snakefile" for folder in (package, package.parent)]
    return next((place for place in places if place.is_file()), places[0])


def run(study: Path, folder: Path, log: Path, launch: Launch) -> None:
    """Run a study to its end; an interrupted run goes on where it stopped.

    Parameters
    ----------
    study
        The YAML file.
    folder
        Where ``results`` and ``logs`` come, and where paths of the study begin.
    log
        File that all words of Snakemake are appended to.
    launch
        Cores, profile, targets, and where jobs are logged.

    Raises
    ------
    InputError
        A job ended with a sentence on its input, or another run holds the folder.
    MachineError
        A job, or Snakemake, ended in another way.
    """
    command = _command(study, folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as words:
        if launch.unlock:
            unlock = [*command, "--cores", "1", "--unlock"]
            subprocess.run(unlock, stdout=words, stderr=subprocess.STDOUT, check=False)
        code, said = _followed([*command, *launch.arguments()], words, launch.environment())
    if code:
        raise said.failure(log)


def planned(study: Path, folder: Path, launch: Launch) -> dict[str, int]:
    """Rule -> number of its jobs, of a run that would begin now; {} where nothing is left to do.

    Raises
    ------
    InputError
        The run cannot be planned.
    """
    command = [*_command(study, folder), *launch.arguments(), "--dry-run", "--quiet", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    if done.returncode:
        said = next((found[1] for line in lines if (found := SENTENCE.match(line.strip()))), lines[-1] if lines else "")
        raise InputError(f"the run cannot be planned: {said}")
    counts = {found[1]: int(found[2]) for line in lines if (found := COUNT.match(line))}
    return {rule: n for rule, n in counts.items() if rule not in ("total", "all")}


def _command(study: Path, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile()), "--directory", str(folder)]
    return [*command, "--configfile", str(study.resolve())]


@dataclass
class _Said:
    """What Snakemake has said so far."""

    done: int = 0
    total: int = 0
    rule: str = ""
    failed: dict[str, None] = field(default_factory=dict)  # rules, in order
    sentences: dict[str, None] = field(default_factory=dict)  # of jobs, in order
    locked: bool = False

    def hear(self, line: str) -> bool:
        """Note a line; True where a job has ended or the number of jobs is known."""
        if found := SENTENCE.match(line.strip()):
            self.sentences[found[1]] = None
        elif found := FAILED.match(line):
            self.failed[found[1]] = None
        elif found := FINISHED.match(line):
            self.rule = found[1]
        elif found := TOTAL.match(line):
            self.total = int(found[1])
            return True
        elif found := DONE.match(line):
            self.done, self.total = int(found[1]), int(found[2])
            return True
        self.locked = self.locked or LOCKED in line
        return False

    def failure(self, log: Path) -> Exception:
        """The error of a run that did not come to its end."""
        if self.locked:
            return InputError(
                "another run is in this folder, or a run was killed; wait for it, or give --unlock if there is none"
            )
        if self.sentences:
            return InputError(f"{'; '.join(self.sentences)} (all words of the run: {log})")
        rules = f" in rule {', '.join(self.failed)}" if self.failed else ""
        return MachineError(f"the run failed{rules}; read {log}, then give the same command to go on")


def _followed(command: Sequence[str], words: TextIO, environment: Mapping[str, str]) -> tuple[int, _Said]:
    """Run a command, copy its words to a file, and show its progress."""
    said = _Said()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,  # an interrupt reaches it once, from here
        preexec_fn=_end_with_parent,
    )
    assert process.stdout is not None
    with _interrupting(process, words), _progress() as show:
        for line in process.stdout:
            words.write(line)
            words.flush()
            if said.hear(line):
                show(said)
        return process.wait(), said


def _end_with_parent() -> None:
    """Have Linux interrupt this process when its parent is killed, so that no run goes on alone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a command in the background of a shell ignores it
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGINT)


@contextlib.contextmanager
def _interrupting(process: subprocess.Popen, words: TextIO) -> Iterator[None]:
    """Hand an interrupt on to a process and its jobs, wait for their end, and raise it."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one finds the run ending already
        _end(process, words)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(process: subprocess.Popen, words: TextIO) -> None:
    """Interrupt a process and its jobs, and kill what has not ended after `GRACE`: first jobs, then the process.

    A job that computes in a library hears an interrupt late. Once the jobs are gone, Snakemake frees the folder.
    """
    # Snakemake repeats the logs of failed jobs; in a full pipe it would wait for ever.
    reader = threading.Thread(target=lambda: words.writelines(process.stdout or ()), daemon=True)
    reader.start()
    for send in (_interrupt, _kill_jobs, _kill):
        with contextlib.suppress(ProcessLookupError):
            send(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            break
    with contextlib.suppress(ProcessLookupError):
        _kill(process)  # jobs that outlived Snakemake
    process.wait()
    reader.join(GRACE)


def _interrupt(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)


def _kill_jobs(process: subprocess.Popen) -> None:
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != process.pid and os.getsid(pid) == process.pid:
                os.kill(pid, signal.SIGKILL)


def _kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[_Said], None]]:
    """A bar of jobs with the time left on a terminal, and lines in a file."""
    if sys.stderr.isatty():
        with tqdm(bar_format="{n_fmt} of {total_fmt} jobs |{bar}| {elapsed}, {remaining} left") as bar:

            def draw(said: _Said) -> None:
                bar.total = said.total
                bar.update(said.done - bar.n)
                bar.refresh()

            yield draw
        return
    start, last = time.monotonic(), -EVERY

    def line(said: _Said) -> None:
        nonlocal last
        seconds = time.monotonic() - start
        if seconds - last < EVERY and said.done < said.total:
            return
        last = seconds
        left = f", about {seconds * (said.total - said.done) / said.done:.0f} s left" if said.done else ""
        print(f"{said.done} of {said.total} jobs done, {seconds:.0f} s{left}", file=sys.stderr, flush=True)

    yield line
