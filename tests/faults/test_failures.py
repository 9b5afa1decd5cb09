"""What may become a result (a method that failed) and what may not (a machine that failed)."""

import errno
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import torch
from anndata import AnnData
from safetensors import SafetensorError

from magan import keys, tracking
from magan.errors import InputError, MachineError
from magan.stages.failures import machine_fault, run_or_record_failure


def wrapped(inner: BaseException) -> Exception:
    try:
        try:
            raise inner
        except BaseException as error:
            raise ValueError("the peer could not write its cache") from error
    except ValueError as error:
        return error


OF_MACHINE = {
    "full": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.jsonl"), "free space"),
    "quota": (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "free space"),
    "full, in safetensors": (SafetensorError("I/O error: No space left on device (os error 28)"), "free space"),
    "broken disk": (OSError(errno.EIO, os.strerror(errno.EIO)), "mend it"),
    "memory": (MemoryError("Unable to allocate 8 TiB"), "training.at_once"),
    "memory, in torch": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 TiB"), "at_once"),
    "memory of a GPU": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "training.at_once"),
    "device": (torch.AcceleratorError("CUDA error: unspecified launch failure"), "device: cpu"),
    "cudnn": (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "device: cpu"),
    "worker": (BrokenProcessPool("A process was terminated abruptly"), "more memory"),
    "in a peer": (wrapped(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))), "free space"),
}
OF_METHOD = [ZeroDivisionError("by nothing"), ValueError("weights are not finite"), RuntimeError("negative dimension")]


def failing(error: BaseException):
    def run() -> AnnData:
        raise error

    return run


def nothing() -> AnnData:
    return AnnData(np.full((2, 1), np.nan, np.float32))


@pytest.mark.parametrize("case", OF_MACHINE)
def test_a_failure_of_the_machine_fails_the_job_and_says_what_to_do(case, tmp_path):
    error, remedy = OF_MACHINE[case]
    record = tracking.EventLog(tmp_path / "events.jsonl", [])
    with pytest.raises(MachineError) as said:
        run_or_record_failure(failing(error), nothing, record, "log")
    assert remedy in str(said.value) and "run the same command again" in str(said.value)
    assert "\n" not in str(said.value)
    assert not tracking.read_events(record.path).error


@pytest.mark.parametrize("error", OF_METHOD, ids=lambda error: type(error).__name__)
def test_a_failure_of_the_method_is_a_row(error, tmp_path):
    record = tracking.EventLog(tmp_path / "events.jsonl", [])
    whole = run_or_record_failure(failing(error), nothing, record, "log")
    assert whole.uns[keys.ERROR] == f"{type(error).__name__}: {error}"
    assert tracking.read_events(record.path).error["message"] == whole.uns[keys.ERROR]


@pytest.mark.parametrize("error", [InputError("give more cells"), KeyboardInterrupt(), SystemExit(1)])
def test_input_errors_and_interrupts_pass_through(error, tmp_path):
    record = tracking.EventLog(tmp_path / "events.jsonl", [])
    with pytest.raises(type(error)):
        run_or_record_failure(failing(error), nothing, record, "log")
    assert not tracking.read_events(record.path).error


def test_a_handled_failure_of_the_machine_is_none():
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError:
            raise ValueError("too few cells") from None
    except ValueError as error:
        assert machine_fault(error) == ""


JOB = """
import errno, sys
from magan.stages.atomic_files import log_to
with log_to(sys.argv[1]):
    print("so far")
    raise OSError(errno.ENOSPC, "No space left on device", "model.safetensors")
"""


def test_a_full_disk_ends_any_job_with_a_sentence_and_leaves_the_trace_to_the_log(tmp_path: Path):
    log = tmp_path / "job.log"
    ended = subprocess.run([sys.executable, "-c", JOB, str(log)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the disk is full (") and ended.stderr.count("\n") == 1
    assert log.read_text().startswith("so far\nTraceback") and log.read_text().endswith(ended.stderr)
