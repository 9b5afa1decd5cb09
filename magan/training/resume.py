"""Continue an interrupted training, to the same bytes on a CPU."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from magan.atomic_write import atomic_write
from magan.errors import InputError
from magan.training import checkpoint
from magan.training.state import State

SECONDS = 60.0  # between two checkpoints; the most that an interruption can cost


class Resumable(Protocol):
    """Minibatches whose position can be saved; see `magan.domains.minibatches.Batches`."""

    def state(self) -> dict[str, Tensor]: ...
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


class Resume:
    """A checkpoint: a training as it was at a recorded step, hardly more than `SECONDS` ago.

    Parameters
    ----------
    path
        The file; it is written in full or not at all, and left for the caller to remove.
    about
        What the training depends on (settings, seeds, digests of data: anything JSON holds). A checkpoint
        that depends on anything else is ignored.
    """

    def __init__(self, path: str | Path, about: Mapping[str, Any]):
        self.path, self.about = Path(path), dict(about)
        self.last = time.monotonic()

    def begin(self, state: State, batches: Resumable, device: str) -> None:
        """Set ``state`` and ``batches`` to the checkpoint's, if there is a checkpoint of this training."""
        try:
            about, tensors = checkpoint.load(self.path)
        except InputError:  # no checkpoint, or an unreadable checkpoint: start at step 0
            return
        if about == self.about:
            state.restore(tensors, device)
            batches.restore(tensors["batches"])

    def keep(self, state: State, batches: Resumable) -> None:
        """Write the checkpoint if the last is `SECONDS` old."""
        if time.monotonic() - self.last >= SECONDS:
            self._write(state, batches)
            self.last = time.monotonic()

    def _write(self, state: State, batches: Resumable) -> None:
        with atomic_write(self.path) as part:
            checkpoint.save(part, self.about, {**state.tensors(), "batches": batches.state()})


class NoCheckpoint:
    """No checkpoint: nothing is written, and every training starts at step 0."""

    def begin(self, state: State, batches: Resumable, device: str) -> None:
        pass

    def keep(self, state: State, batches: Resumable) -> None:
        pass
