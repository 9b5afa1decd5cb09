"""Jobs and GPUs that are pretended by their numbers: who holds which, when, and what each job sees."""

import multiprocessing
import os
import signal
import tempfile
import time

import pytest

from magan.errors import InputError
from magan.stages import own_device as module
from magan.stages.own_device import own_device

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with two GPUs, whose locks no other test holds."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setenv("MAGAN_DEVICES", "0,1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def job(asked: str, told, together) -> None:
    with own_device(asked) as device:
        start = time.monotonic()
        time.sleep(0.05) if together is None else together.wait(30)
        told.put((device, os.environ.get("CUDA_VISIBLE_DEVICES"), start, time.monotonic()))


def ran(*asked: str, together=None) -> list[tuple[str, str | None, float, float]]:
    """GPU, what was visible, start and end of each job; all hold their GPUs at a time where they are ``together``."""
    told = FORK.SimpleQueue()
    jobs = [FORK.Process(target=job, args=(device, told, together)) for device in asked]
    for process in jobs:
        process.start()
    for process in jobs:
        process.join(30)
    assert [process.exitcode for process in jobs] == [0] * len(jobs)
    return [told.get() for _ in jobs]


def at_once(rows: list, device: str) -> int:
    """The largest number of jobs that held a GPU together."""
    spans = [(start, end) for number, _, start, end in rows if number == device]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def test_jobs_of_one_gpu_never_meet_and_each_sees_its_gpu_alone():
    rows = ran(*["auto"] * 6, together=FORK.Barrier(2))  # a job ends when a second job holds a GPU too
    assert {device for device, *_ in rows} == {"0", "1"} and all(seen == device for device, seen, *_ in rows)
    assert at_once(rows, "0") == at_once(rows, "1") == 1


def test_a_gpu_with_slots_is_shared_by_as_many_jobs(monkeypatch):
    monkeypatch.setenv("MAGAN_SLOTS", "2")
    rows = ran(*["cuda"] * 4, together=FORK.Barrier(4))
    assert at_once(rows, "0") == at_once(rows, "1") == 2
    rows = ran(*["cuda"] * 6)
    assert max(at_once(rows, device) for device, *_ in rows) <= 2


def test_jobs_for_the_processor_wait_for_no_gpu():
    with own_device("auto"), own_device("cuda"):
        assert {(device, seen) for device, seen, *_ in ran("cpu", "cpu", "mps")} == {("", os.environ[module.VISIBLE])}


def test_a_numbered_gpu_is_held_and_all_stay_visible():
    assert [row[:2] for row in ran("cuda:1")] == [("1", "0,1")]
    rows = ran(*["cuda:1"] * 3)
    assert at_once(rows, "1") == 1


def test_the_gpus_of_an_allocation_are_used(monkeypatch):
    monkeypatch.delenv("MAGAN_DEVICES")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5a, 3")
    assert {row[:2] for row in ran("auto", "auto", together=FORK.Barrier(2))} == {("GPU-5a", "GPU-5a"), ("3", "3")}


def test_what_was_visible_before_is_visible_again(monkeypatch):
    with own_device("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_killed_job_gives_its_gpu_back(monkeypatch):
    monkeypatch.setenv("MAGAN_DEVICES", "0")

    def hold(held) -> None:
        with own_device("cuda"):
            held.put(True)
            time.sleep(60)

    held = FORK.SimpleQueue()
    process = FORK.Process(target=hold, args=(held,))
    process.start()
    assert held.get()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with own_device("cuda") as device:
        assert device == "0"


def test_a_machine_without_gpus_trains_as_it_did(monkeypatch):
    monkeypatch.delenv("MAGAN_DEVICES")
    monkeypatch.setattr(module.shutil, "which", lambda program: None)
    with own_device("auto") as device:
        assert device == "" and "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize("text", ["0", "-1", "many", ""])
def test_a_number_of_slots_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv("MAGAN_SLOTS", text)
    with pytest.raises(InputError, match="MAGAN_SLOTS is"), own_device("auto"):
        pass


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="device 'cuda:2' is not there: jobs may use 2 GPUs"), own_device("cuda:2"):
        pass
