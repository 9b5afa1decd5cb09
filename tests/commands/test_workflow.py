"""Snakemake's words become progress and a sentence; a command that is killed leaves no run behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from magan.commands import workflow
from magan.commands.workflow import Launch
from magan.errors import InputError, MachineError

HEARD = """job          count
---------  -------
train            1
total            3

[Fri Nov 27 06:34:15 2026]
Finished jobid: 4 (Rule: read)
1 of 3 steps (33%) done
"""
FAILED = """[Fri Nov 27 06:34:15 2026]
Error in rule train:
    jobid: 1
error: marker 'CD9' is not in the data; correct the list
error: marker 'CD9' is not in the data; correct the list
"""


@pytest.fixture
def snakemake(monkeypatch):
    """A program in place of Snakemake that says some words and ends with a code."""

    def stand_in(words: str, code: int = 0, then: str = "") -> None:
        program = f"import sys, time; print({words!r}, flush=True); {then}\nsys.exit({code})"
        real = subprocess.Popen
        monkeypatch.setattr(
            workflow.subprocess, "Popen", lambda command, **how: real([sys.executable, "-c", program], **how)
        )

    return stand_in


def run(tmp_path: Path) -> Path:
    log = tmp_path / "logs/workflow.log"
    workflow.run(tmp_path / "study.yaml", tmp_path, log, Launch())
    return log


def test_words_go_to_the_log_and_progress_to_the_user(snakemake, tmp_path, capsys):
    snakemake(HEARD + "3 of 3 steps (100%) done")
    assert HEARD in run(tmp_path).read_text()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("0 of 3 jobs done, ") and said[-1].startswith("3 of 3 jobs done, ")
    assert said[-1].endswith("about 0 s left")


def test_a_failure_is_the_sentence_of_its_job_and_the_place_of_the_log(snakemake, tmp_path):
    snakemake(HEARD + FAILED, 1)
    with pytest.raises(InputError) as raised:
        run(tmp_path)
    assert str(raised.value).startswith("marker 'CD9' is not in the data; correct the list (all words of the run: ")
    assert str(raised.value).endswith("logs/workflow.log)")


def test_a_failure_without_a_sentence_names_the_rule(snakemake, tmp_path):
    snakemake("Error in rule train:", 1)
    with pytest.raises(MachineError, match=r"the run failed in rule train; read .*workflow.log"):
        run(tmp_path)


def test_a_locked_folder_says_what_to_do(snakemake, tmp_path):
    snakemake("Error: Directory cannot be locked. Please make sure", 1)
    with pytest.raises(InputError, match=r"another run is in this folder, or a run was killed; .*--unlock"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (0, HEARD, {"train": 1}),
        (0, "Nothing to be done", {}),
        (1, "WorkflowError:\nthe study cannot run: unknown key 'sedes'", "planned: unknown key 'sedes'"),
    ],
)
def test_a_plan_counts_jobs_by_rule_and_a_study_that_cannot_run_says_why(monkeypatch, tmp_path, code, words, expected):
    done = subprocess.CompletedProcess([], code, words, "")
    monkeypatch.setattr(workflow.subprocess, "run", lambda *_, **__: done)
    if code:
        with pytest.raises(InputError, match=expected):
            workflow.planned(tmp_path / "study.yaml", tmp_path, Launch())
    else:
        assert workflow.planned(tmp_path / "study.yaml", tmp_path, Launch()) == expected


def test_cores_are_all_unless_a_number_or_a_profile_says_otherwise():
    assert Launch().arguments() == ["--cores", "all"] and Launch(cores=3).arguments() == ["--cores", "3"]
    assert Launch(profile="slurm").arguments() == ["--profile", "slurm"]
    assert Launch(cores=2, profile="slurm", targets=("zoo",)).arguments() == [
        *("zoo", "--cores", "2", "--profile", "slurm")
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_that_is_ended_ends_its_run(tmp_path, how):
    """The stand-in writes a file when it is interrupted."""
    (tmp_path / "snakemake.py").write_text(
        "import pathlib, time\n"
        "try:\n    pathlib.Path('started').touch()\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pathlib.Path('interrupted').touch()\n"
    )
    code = (
        "from pathlib import Path; from magan.commands import workflow; "
        "workflow.run(Path('study.yaml'), Path(), Path('log'), workflow.Launch())"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    assert _there(tmp_path / "started")
    parent.send_signal(how)
    assert _there(tmp_path / "interrupted")
    assert parent.wait(timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up under /proc")
def test_a_job_that_hears_no_interrupt_ends_with_its_run_all_the_same(tmp_path):
    """The stand-in waits for its job, as Snakemake does, and says more than a pipe holds."""
    job = "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    job += "open('job', 'w').write(str(os.getpid())); os.rename('job', 'started'); time.sleep(60)"
    (tmp_path / "snakemake.py").write_text(
        f"import pathlib, subprocess, sys\njob = subprocess.Popen([sys.executable, '-c', {job!r}])\n"
        "try:\n    job.wait()\n"
        "except KeyboardInterrupt:\n    print('words ' * 100_000)\n    job.wait()\n    pathlib.Path('freed').touch()\n"
    )
    code = (
        "from pathlib import Path; from magan.commands import workflow; workflow.GRACE = 0.5; "
        "workflow.run(Path('study.yaml'), Path(), Path('log'), workflow.Launch())"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    assert _there(tmp_path / "started")
    parent.send_signal(signal.SIGTERM)
    start = time.monotonic()
    assert parent.wait(timeout=50) and time.monotonic() - start < 25
    assert not Path("/proc", (tmp_path / "started").read_text()).exists()
    assert (tmp_path / "freed").exists()  # only the job was killed, and what started it came to its end
    assert (tmp_path / "log").read_text().count("words") == 100_000


def _there(path: Path) -> bool:
    """Whether a file comes within a minute."""
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()
