"""What every rule that trains does besides: log, pictures of the training, its health, going on where it stopped."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from torch import Tensor

from magan import keys, tracking
from magan.aligner import Aligner
from magan.config import Arm, Training
from magan.progress import progress
from magan.stages.atomic_files import atomic_write, code, write
from magan.synthesizer import Synthesizer
from magan.training.diagnostics import signs
from magan.training.resume import Resume

CURVE_POINTS = 40  # loss values recorded of each term
LOOKS, PICTURES = "looks", 10  # of one training: their folder and number
N_IMAGES, N_SEEDS = 10, 8  # in one picture


def every(training: Training) -> int:
    """Steps between two records."""
    return max(1, training.steps // CURVE_POINTS)


@dataclass
class Job:
    """One arm of one data set to be trained, and the files that tell of it."""

    task: str
    dataset: str
    name: str
    arm: Arm
    training: Training
    seeds: Sequence[int]
    model: str
    mapped: str
    record: tracking.EventLog
    resume: "Interrupted"

    def watch(self) -> dict[str, Any]:
        """What every `fit` is told: who records, how often, and where an interrupted one goes on."""
        show = progress(f"{self.task}/{self.dataset}/{self.name}", self.training.steps, len(self.seeds))

        def record(step: int, seeds: Sequence[int], terms: Mapping[str, Tensor]) -> None:
            show(step, seeds, terms)
            self.record.metrics(step, terms, seeds=seeds)

        return {"record": record, "every": every(self.training), "resume": self.resume}

    def trained(self, of: Aligner | Synthesizer) -> None:
        """Record how every seed ended and what went wrong."""
        for seed, (status, detail) in of.status_.items():
            self.record.status(seed, status, detail)
        record_diagnostics(self.record, of.uninformed_loss_)

    def end(self, of: Aligner | Synthesizer, whole: AnnData) -> None:
        """Write the model and what its seeds made; both empty where the whole method failed."""
        failed = bool(whole.uns[keys.ERROR])
        with atomic_write(self.model) as part:
            if not failed:
                of.save(part)
        good = [] if failed else of.good_seeds_
        whole.uns |= {keys.TASK: self.task, keys.DATASET: self.dataset}
        whole.uns |= {keys.METHOD: self.arm.model, keys.ARM: self.name}
        whole.uns |= {keys.SEEDS: np.array(self.seeds, dtype=int)}
        whole.uns |= {keys.FAILED: np.array(sorted(set(self.seeds) - set(good)), dtype=int)}
        write(whole, self.mapped)
        self.resume.over()  # after the results: a full disk must not cost the checkpoint


def job_of(
    task: str,
    dataset: str,
    name: str,
    arm: Mapping[str, Any],
    training: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    device: str,
    train: str,
    model: str,
    events: str,
    mapped: str,
) -> Job:
    """The job that a rule's parameters describe; its log begins with its settings."""
    arm, training = Arm.model_validate(arm), Training.model_validate(training)
    settings = {"arm": arm.model_dump(mode="json"), "training": training.model_dump(mode="json"), "device": device}
    record = tracking.EventLog(events, seeds)
    record.params(flat(settings))
    resume = Interrupted(model, {**settings, "seeds": list(seeds)}, sorted(Path(train).rglob("*.h5ad")))
    return Job(task, dataset, name, arm, training, seeds, model, mapped, record, resume)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted names."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return out


def pictures(
    folder: str | Path, training: Training, shape: tuple[int, ...]
) -> Callable[[int, Mapping[str, np.ndarray], Sequence[int], np.ndarray], None]:
    """Draws what networks make of the same inputs along a training, a file a moment.

    The function takes the step, rows to be drawn first (name -> images), the seeds, and of each its images
    ``(S, n, M)``. Files are ``<folder>/seed_<first seed>/step_<step>.png``.
    """
    moments = {round(i * training.steps / PICTURES / every(training)) * every(training) for i in range(PICTURES)}
    moments.add(training.steps - 1)

    def draw(step: int, first: Mapping[str, np.ndarray], seeds: Sequence[int], made: np.ndarray) -> None:
        from magan.figures import sample_grid, save  # cells are not drawn, and need not wait for matplotlib

        if step not in moments:
            return
        rows = {**first, **{f"seed {seed}": images for seed, images in zip(seeds[:N_SEEDS], made)}}
        some = {name: images[np.linspace(0, len(images) - 1, N_IMAGES).astype(int)] for name, images in rows.items()}
        with atomic_write(Path(folder, f"seed_{seeds[0]}", f"step_{step:06d}.png")) as part:
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


def record_diagnostics(log: tracking.EventLog, uninformed_loss: Mapping[str, float]) -> None:
    """Record what went wrong in each seed, by what the log holds."""
    for seed, own in tracking.read_events(log.path).curves.groupby("seed"):
        curves = {term: dict(zip(part["step"], part["value"])) for term, part in own.groupby("term", sort=True)}
        for sign in signs(curves, uninformed_loss):
            log.health(seed, **sign._asdict())
