"""Going on with a training that was interrupted, to the same bytes on a CPU."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from magan.errors import InputError
from magan.training import checkpoint
from magan.training.state import State

SECONDS = 60.0  # between two files; what an interruption can cost


class Resumable(Protocol):
    """Minibatches whose place can be kept; see `magan.domains.minibatches.Batches`."""

    def state(self) -> dict[str, Tensor]: ...
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


class Resume:
    """A file that holds a training as it was at some recorded step, hardly more than `SECONDS` ago.

    Parameters
    ----------
    path
        The file; it is written beside its place and renamed, and left for the caller to remove.
    about
        What the training is of (settings, seeds, digests of data: anything JSON holds). A file about
        something else is passed over.
    """

    def __init__(self, path: str | Path, about: Mapping[str, Any]):
        self.path, self.about = Path(path), dict(about)
        self.last = time.monotonic()

    def begin(self, state: State, batches: Resumable, device: str) -> None:
        """Put ``state`` and ``batches`` where the file left them, if there is one of this training."""
        try:
            about, tensors = checkpoint.load(self.path)
        except InputError:  # there is none, or none that can be read
            return
        if about == self.about:
            state.restore(tensors, device)
            batches.restore(tensors["batches"])

    def keep(self, state: State, batches: Resumable) -> None:
        """Write the file, unless it has just been."""
        if time.monotonic() - self.last >= SECONDS:
            self._write(state, batches)
            self.last = time.monotonic()

    def _write(self, state: State, batches: Resumable) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.part")
        checkpoint.save(part, self.about, {**state.tensors(), "batches": batches.state()})
        os.replace(part, self.path)


class NoCheckpoint:
    """No file: nothing is kept, every training starts at its beginning."""

    def begin(self, state: State, batches: Resumable, device: str) -> None:
        pass

    def keep(self, state: State, batches: Resumable) -> None:
        pass
