"""What every rule that trains does besides: log, pictures of the training, its health, going on where it stopped."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from magan import config, tracking
from magan.figures import sample_grid, save
from magan.progress import progress
from magan.stages.files import beside, code
from magan.tracking import EventLog
from magan.training.health import signs
from magan.training.resume import Resume

CURVE_POINTS = 40  # loss values recorded of each term
LOOKS, PICTURES = "looks", 10  # of one training: their folder and number
N_IMAGES, N_SEEDS = 10, 8  # in one picture


def every(training: config.Training) -> int:
    """Steps between two records."""
    return max(1, training.steps // CURVE_POINTS)


def recorder(log: EventLog, name: str, training: config.Training) -> Callable[[int, Sequence[int], Mapping], None]:
    """Records loss terms in the log, and tells how far the training is."""
    show = progress(name, training.steps, len(log.seeds))

    def record(step: int, seeds: Sequence[int], terms: Mapping[str, Tensor]) -> None:
        show(step, seeds, terms)
        log.metrics(step, terms, seeds=seeds)

    return record


def pictures(
    folder: str | Path, training: config.Training, shape: tuple[int, ...]
) -> Callable[[int, Mapping[str, np.ndarray], Sequence[int], np.ndarray], None]:
    """Draws what networks make of the same inputs along a training, a file a moment.

    The function takes the step, rows to be drawn first (name -> images), the seeds, and of each its images
    ``(S, n, M)``. Files are ``<folder>/seed_<first seed>/step_<step>.png``.
    """
    moments = {round(i * training.steps / PICTURES / every(training)) * every(training) for i in range(PICTURES)}
    moments.add(training.steps - 1)

    def draw(step: int, first: Mapping[str, np.ndarray], seeds: Sequence[int], made: np.ndarray) -> None:
        if step not in moments:
            return
        rows = {**first, **{f"seed {seed}": images for seed, images in zip(seeds[:N_SEEDS], made)}}
        some = {name: images[np.linspace(0, len(images) - 1, N_IMAGES).astype(int)] for name, images in rows.items()}
        with beside(Path(folder, f"seed_{seeds[0]}", f"step_{step:06d}.png")) as part:
            save(sample_grid(some, shape=shape, title=f"step {step}"), part)

    return draw


class Interrupted:
    """The files from which a job that is run again goes on: in a hidden folder beside the model.

    ``about`` and ``files`` are what the training depends on; with other settings, data or code it starts anew.
    Pictures of the training lie in ``looks``, and stay.
    """

    def __init__(self, model: str | Path, about: Mapping[str, Any], files: Sequence[str | Path]):
        self.folder, self.looks = (Path(model).parent / name for name in (".unfinished", LOOKS))
        if not self.folder.exists():  # pictures that are there are another training's
            shutil.rmtree(self.looks, ignore_errors=True)
        digests = {str(path): _sha256(path) for path in files}
        self.about = {**about, "files": digests, "code": code()}

    def __call__(self, name: str) -> Resume:
        """The file of one group of seeds."""
        return Resume(self.folder / f"{name}.safetensors", {**self.about, "group": name})

    def over(self) -> None:
        """The training is done: nothing is left to go on with."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tell_health(log: EventLog, blind: Mapping[str, float]) -> None:
    """Record what went wrong in each seed, by what the log holds."""
    for seed, own in tracking.read_events(log.path).curves.groupby("seed"):
        curves = {term: dict(zip(part["step"], part["value"])) for term, part in own.groupby("term", sort=True)}
        for sign in signs(curves, blind):
            log.health(seed, **sign._asdict())
