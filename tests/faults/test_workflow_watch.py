"""A job whose workflow was killed ends by itself and leaves no temporary file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from magan.atomic_write import only_writer
from magan.errors import InputError

JOB = """
import sys, time
from pathlib import Path
from magan.atomic_write import atomic_write
from magan.stages.atomic_files import log_to
with log_to(sys.argv[1] + "/job.log"), atomic_write(sys.argv[1] + "/result") as part:
    Path(sys.argv[1], "started").write_text(str(__import__("os").getpid()))
    time.sleep(60)
"""
# As Snakemake: the main process starts a second, and that a shell, which starts the job.
SHELL = "['bash', '-c', f'{sys.executable} {sys.argv[1]}/job.py {sys.argv[1]}; true']"
MIDDLE = f"import subprocess, sys; subprocess.run({SHELL})"
MAIN = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {MIDDLE!r}, sys.argv[1]])"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up under /proc")
def test_a_job_ends_when_the_main_process_of_its_workflow_is_killed(tmp_path):
    (tmp_path / "snakemake").write_text(MAIN)
    (tmp_path / "job.py").write_text(JOB)
    # Its jobs ignore SIGINT, as those of a workflow that a script starts in the background.
    main = subprocess.Popen(
        [sys.executable, tmp_path / "snakemake", tmp_path],
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    started = tmp_path / "started"
    try:
        deadline = time.monotonic() + 90
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        job = int(started.read_text())
        time.sleep(1.5)
        assert alive(job)  # nothing has happened yet
        os.kill(main.pid, signal.SIGKILL)
        main.wait()
        deadline = time.monotonic() + 30
        while alive(job) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not alive(job)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["job.log", "job.py", "snakemake", "started"]
    finally:
        os.killpg(main.pid, signal.SIGKILL)


def test_a_job_that_a_cluster_ends_removes_its_temporary_file(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    job = subprocess.Popen([sys.executable, tmp_path / "job.py", tmp_path])
    started, deadline = tmp_path / "started", time.monotonic() + 90
    while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    job.terminate()
    assert job.wait(timeout=30) != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.log", "job.py", "started"]


def test_a_second_writer_into_a_folder_is_refused_until_the_first_has_ended(tmp_path):
    refused = pytest.raises(InputError, match="another process writes into")
    with only_writer(tmp_path / "out"), refused, only_writer(tmp_path / "out"):
        pass
    with only_writer(tmp_path / "out"):
        assert list((tmp_path / "out").iterdir()) == []
