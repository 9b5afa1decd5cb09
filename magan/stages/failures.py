"""Distinguish the failure of a method, which is a result, from the failure of the machine, which is no result."""

import errno
import re
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor

from anndata import AnnData

from magan import keys, tracking
from magan.errors import InputError, MachineError

AGAIN = "then run the same command again; a training goes on from its last checkpoint"
FULL = {errno.ENOSPC, errno.EDQUOT}
# By name, so that a job without tensors need not import torch.
OF_TORCH = {"OutOfMemoryError", "AcceleratorError"}
NO_MEMORY_LEFT = re.compile(r"out of memory|can't allocate memory|std::bad_alloc|CUBLAS_STATUS_ALLOC_FAILED", re.I)
OF_DEVICE = re.compile(r"CUDA|cuBLAS|CUBLAS_STATUS|cuDNN|CUDNN_STATUS|NCCL|HIP error|MPS backend")
DISK_IS_FULL = re.compile(r"no space left on device|disk quota exceeded|database or disk is full", re.I)


def run_or_record_failure(
    run: Callable[[], AnnData], nothing: Callable[[], AnnData], record: tracking.EventLog, log: str
) -> AnnData:
    """Return what ``run`` makes or, where the method fails, what ``nothing`` makes and the error in ``uns``.

    A failed method stays in the tables as failed, with its log, and does not stop the remaining methods.

    Raises
    ------
    InputError
        The input cannot be used; the workflow stops.
    MachineError
        The disk, the memory or the device failed. The job fails too: what is no result is not recorded as a result.
    """
    try:
        whole = run()
        whole.uns[keys.ERROR] = ""
        return whole
    except InputError:
        raise
    except Exception as error:
        fault = machine_fault(error)
        if fault:
            raise MachineError(fault) from error
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        record.error(message, log)
    whole = nothing()
    whole.uns[keys.ERROR] = message
    return whole


def machine_fault(error: BaseException) -> str:
    """Return a sentence with the fault of the machine and its remedy, or "" where the machine did not fail.

    Libraries wrap what they catch, so the causes of ``error`` are searched too.
    """
    return next((sentence for sentence in map(_fault, _chain(error)) if sentence), "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _fault(error: BaseException) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    names = {kind.__name__ for kind in type(error).__mro__}
    of_torch = bool(names & OF_TORCH)
    if isinstance(error, MachineError):
        return first
    if DISK_IS_FULL.search(str(error)) or (isinstance(error, OSError) and error.errno in FULL):
        return f"the disk is full ({first}); free space, {AGAIN}"
    if of_torch or (isinstance(error, RuntimeError) and (OF_DEVICE.search(first) or NO_MEMORY_LEFT.search(str(error)))):
        if NO_MEMORY_LEFT.search(str(error)) or "OutOfMemoryError" in names:
            return f"memory is used up ({first}); lower training.at_once or training.batch_size, {AGAIN}"
        return f"the device failed ({first}); mend it or set device: cpu, {AGAIN}"
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return f"memory is used up ({first}); lower training.at_once or give the job more memory, {AGAIN}"
    if isinstance(error, BrokenExecutor):
        return f"a worker process was killed, often for lack of memory ({first}); give the job more memory, {AGAIN}"
    if isinstance(error, OSError):
        return f"the file system or the system failed ({first}); mend it, {AGAIN}"
    return ""
