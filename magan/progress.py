"""How far a long training is: a bar on a terminal, plain lines in a log file."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from tqdm import tqdm


def progress(name: str, steps: int, n_seeds: int) -> Callable[[int, Sequence[int], Mapping[str, Tensor]], None]:
    """A recorder of training that shows the step, the loss terms and the time left.

    Lines go to standard output, which a job sends to its log file; the bar goes
    to the terminal that started the workflow, if any.
    """
    terminal = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else None
    bar = tqdm(total=steps * n_seeds, desc=name, unit="step", file=terminal, leave=False) if terminal else None
    start, total = time.monotonic(), steps * n_seeds
    done: dict[tuple[int, ...], int] = {}  # steps of each group of seeds that trains together

    def record(step: int, seeds: Sequence[int], terms: Mapping[str, Tensor]) -> None:
        done[tuple(seeds)] = (step + 1) * len(seeds)
        n = min(sum(done.values()), total)
        left = (time.monotonic() - start) * (total - n) / n
        losses = "  ".join(f"{term} {value.nanmean():.3g}" for term, value in terms.items())
        print(f"{name}: step {step + 1}/{steps} of {len(seeds)} seeds  {losses}  {left:.0f} s left", flush=True)
        if bar is not None:
            bar.update(n - bar.n)
            if n == total:
                bar.close()

    return record
