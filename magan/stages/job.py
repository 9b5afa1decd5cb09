"""The job of rule `train` around the training: its log, pictures, diagnostics and resumption."""

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
from magan.stages.method import LOOKS
from magan.synthesizer import Synthesizer
from magan.training.diagnostics import signs
from magan.training.resume import Resume

CURVE_POINTS = 40  # loss values recorded of each term
PICTURES = 10  # of a training
N_IMAGES, N_SEEDS = 10, 8  # in a picture


def every(training: Training) -> int:
    """Steps between two records."""
    return max(1, training.steps // CURVE_POINTS)


@dataclass(frozen=True)
class TrainingFiles:
    """The files of rule `train`."""

    train: str  # folder of the training domains
    query: str  # folder of the samples to be mapped
    model: str
    events: str
    mapped: str
    log: str


@dataclass(frozen=True)
class TrainingJob:
    """An arm of a data set that is to be trained."""

    task: str
    dataset: str
    name: str  # name of the arm
    arm: Arm
    training: Training
    seeds: tuple[int, ...]
    device: str
    files: TrainingFiles


def job_of(wildcards: Mapping[str, str], params: Mapping[str, Any], files: Mapping[str, str]) -> TrainingJob:
    """The job that rule `train` describes.

    Parameters
    ----------
    wildcards
        ``task``, ``dataset`` and ``arm``, the name of the arm.
    params
        ``arm`` and ``training`` as mappings, ``seeds`` and ``device``.
    files
        The fields of `TrainingFiles`.
    """
    return TrainingJob(
        task=wildcards["task"],
        dataset=wildcards["dataset"],
        name=wildcards["arm"],
        arm=Arm.model_validate(params["arm"]),
        training=Training.model_validate(params["training"]),
        seeds=tuple(params["seeds"]),
        device=params["device"],
        files=TrainingFiles(**files),
    )


@dataclass
class TrainingRun:
    """A job while it is trained: its log, and the files from which it resumes."""

    job: TrainingJob
    record: tracking.EventLog
    resume: "Interrupted"

    def watch(self) -> dict[str, Any]:
        """Arguments of every `fit`: who records, how often, and from which file an interrupted training resumes."""
        job = self.job
        show = progress(f"{job.task}/{job.dataset}/{job.name}", job.training.steps, len(job.seeds))

        def record(step: int, seeds: Sequence[int], terms: Mapping[str, Tensor]) -> None:
            show(step, seeds, terms)
            self.record.metrics(step, terms, seeds=seeds)

        return {"record": record, "every": every(job.training), "resume": self.resume}

    def record_outcome(self, model: Aligner | Synthesizer) -> None:
        """Record the status of every seed and what went wrong in its training."""
        for seed, (status, detail) in model.status_.items():
            self.record.status(seed, status, detail)
        record_diagnostics(self.record, model.uninformed_loss_)

    def write(self, model: Aligner | Synthesizer, mapped: AnnData) -> None:
        """Write the model and what its seeds made; the model's file is empty where the whole method failed."""
        job, failed = self.job, bool(mapped.uns[keys.ERROR])
        with atomic_write(job.files.model) as part:
            if not failed:
                model.save(part)
        good = [] if failed else model.good_seeds_
        mapped.uns |= {keys.TASK: job.task, keys.DATASET: job.dataset}
        mapped.uns |= {keys.METHOD: job.arm.model, keys.ARM: job.name}
        mapped.uns |= {keys.SEEDS: np.array(job.seeds, dtype=int)}
        mapped.uns |= {keys.FAILED: np.array(sorted(set(job.seeds) - set(good)), dtype=int)}
        write(mapped, job.files.mapped)
        self.resume.over()  # after the results: a full disk must not cost the checkpoint


def started(job: TrainingJob) -> TrainingRun:
    """The run of a job; its log begins with its settings."""
    settings = {
        "arm": job.arm.model_dump(mode="json"),
        "training": job.training.model_dump(mode="json"),
        "device": job.device,
    }
    record = tracking.EventLog(job.files.events, job.seeds)
    record.params(tracking.flat(settings))
    files = sorted(Path(job.files.train).rglob("*.h5ad"))
    return TrainingRun(job, record, Interrupted(job.files.model, {**settings, "seeds": list(job.seeds)}, files))


def pictures(
    folder: str | Path, training: Training, shape: tuple[int, ...]
) -> Callable[[int, Mapping[str, np.ndarray], Sequence[int], np.ndarray], None]:
    """Draw what networks make of fixed inputs at some steps of a training, a file per step.

    The function takes the step, rows to be drawn first (name -> images), the seeds, and the images of each seed,
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
    """The files from which a job that is run again resumes: in a hidden folder in the model's folder.

    ``about`` and ``files`` are what the training depends on; with changed settings, data or code it starts anew.
    Pictures of the training lie in ``looks``; they are not removed.
    """

    def __init__(self, model: str | Path, about: Mapping[str, Any], files: Sequence[str | Path]):
        self.folder, self.looks = (Path(model).parent / name for name in (".unfinished", LOOKS))
        if not self.folder.exists():  # pictures in the folder belong to an earlier training
            shutil.rmtree(self.looks, ignore_errors=True)
        digests = {str(path): _sha256(path) for path in files}
        self.about = {**about, "files": digests, "code": code()}

    def __call__(self, name: str) -> Resume:
        """The file of a group of seeds."""
        return Resume(self.folder / f"{name}.safetensors", {**self.about, "group": name})

    def over(self) -> None:
        """Remove the files: the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_diagnostics(log: tracking.EventLog, uninformed_loss: Mapping[str, float]) -> None:
    """Record what went wrong in the training of each seed, from the curves in the log."""
    for seed, rows in tracking.read_events(log.path).curves.groupby("seed"):
        curves = {str(term): dict(zip(part["step"], part["value"])) for term, part in rows.groupby("term", sort=True)}
        for sign in signs(curves, uninformed_loss):
            log.health(int(str(seed)), **sign._asdict())
