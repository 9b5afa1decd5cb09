"""Give a job a GPU, or a share of it, for as long as it runs."""

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from magan.errors import InputError

DEVICES = "MAGAN_DEVICES"  # numbers of the GPUs that jobs may use, e.g. "0,1"; default: all that the process sees
SLOTS = "MAGAN_SLOTS"  # jobs that share a GPU; default 1
VISIBLE = "CUDA_VISIBLE_DEVICES"
PAUSE, SAY_EVERY = 0.2, 30.0  # seconds between two looks, and between two sentences


@contextlib.contextmanager
def own_device(asked: str) -> Iterator[str]:
    """Hold a slot of a GPU and let this process see that GPU alone; give its number, "" where the job needs none.

    Enter this before anything asks CUDA for a device. A slot is a lock in the machine's folder of temporary files,
    which ends with the process. The GPU with the fewest jobs is taken; where all slots are held, the job waits and
    says so every 30 s.

    Parameters
    ----------
    asked
        ``device`` of a study. "cpu" and "mps" take no slot; "cuda:1" takes a slot of the second GPU and hides none.

    Raises
    ------
    InputError
        `SLOTS` is no number above 0, or there is no GPU of the number that was asked for.
    """
    found = [] if asked in ("cpu", "mps") else _devices()
    if not found:
        yield ""
        return
    kind, _, number = asked.partition(":")
    if number and int(number) >= len(found):
        raise InputError(f"device '{asked}' is not there: jobs may use {len(found)} GPUs; set device: {kind}")
    wanted = [found[int(number)]] if number else found
    with contextlib.ExitStack() as stack:
        device = _taken(stack, wanted, _slots())
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = ",".join(found) if number else device
        stack.callback(_restore, before)
        yield device


def _devices() -> list[str]:
    """The GPUs that jobs may use. CUDA is not asked: what is visible could not be changed afterwards."""
    for name in (DEVICES, VISIBLE):
        if name in os.environ:
            return [number.strip() for number in os.environ[name].split(",") if number.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "--list-gpus"], capture_output=True, text=True)
    return [str(i) for i in range(listed.stdout.count("GPU "))] if not listed.returncode else []


def _slots() -> int:
    text = os.environ.get(SLOTS, "1")
    if not text.isdecimal() or not int(text):
        raise InputError(f"{SLOTS} is '{text}'; give the number of jobs that may share a GPU, e.g. 2")
    return int(text)


def _taken(stack: contextlib.ExitStack, devices: list[str], slots: int) -> str:
    """Take the first free slot, the first slots of all GPUs before their second ones; return its GPU."""
    from filelock import FileLock, Timeout

    folder, user = Path(tempfile.gettempdir()), getpass.getuser()
    start, said = time.monotonic(), float("-inf")
    while True:
        for slot in range(slots):
            for device in devices:
                with contextlib.suppress(Timeout):
                    name = f"magan-{user}-gpu-{device}-{slot}.lock"
                    stack.enter_context(FileLock(folder / name, timeout=0))
                    return device
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            print(f"waiting for a GPU: {slots * len(devices)} jobs hold them, {said - start:.0f} s so far", flush=True)
        time.sleep(PAUSE)


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(VISIBLE, None)
    else:
        os.environ[VISIBLE] = before
