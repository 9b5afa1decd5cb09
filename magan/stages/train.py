"""Rule `train`: every seed and fold of an arm as one batched model."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.stages.failures import run_or_record_failure
from magan.stages.job import TrainingJob, TrainingRun, pictures, started
from magan.stages.method import Folds, nan_maps, read_folds
from magan.synthesizer import Synthesizer
from magan.tasks.registry import TASKS


def train(job: TrainingJob, threads: int = 1) -> None:
    """Rule `train`: train every seed and fold of an arm, then map the query, or make a sample for each of its rows."""
    torch.set_num_threads(threads)
    run, data = started(job), read_folds(job.files.train, job.files.query)
    kind = Synthesizer if TASKS[job.task].makes_samples else Aligner
    model = kind.of_arm(job.arm, job.training, job.seeds, job.device)

    def trained() -> AnnData:
        return _sampled(run, model, data) if isinstance(model, Synthesizer) else _mapped(run, model, data)

    mapped = run_or_record_failure(trained, lambda: TASKS[job.task].join(nan_maps(data)), run.record, job.files.log)
    run.write(model, mapped)


def _mapped(run: TrainingRun, aligner: Aligner, data: Folds) -> AnnData:
    """Train an aligner and map the query of every fold."""
    job, start = run.job, time.monotonic()
    first, second = ([domains[i] for domains in data.domains.values()] for i in (0, 1))
    shown: dict[str, Any] = {"show": _shown_maps(run, second[0])} if keys.IMAGE in second[0].uns else {}
    aligner.calibrated_to = ("x2",)  # queries are mapped to domain 2
    aligner.fit(first, second, names=list(data.domains), **run.watch(), **shown)
    seconds = time.monotonic() - start
    run.record_outcome(aligner)
    maps = {fold: aligner.map(x, fold=f) for f, (fold, x) in enumerate(data.queries.items())}
    mapped = TASKS[job.task].join(maps)
    if TASKS[job.task].maps_back:
        back = aligner.cycle(next(iter(data.queries.values())))
        for seed in aligner.good_seeds_:
            mapped.layers[f"back_{seed}"] = back.layers[f"seed_{seed}"]
    replicates = len(first) * len(job.seeds)
    run.record.end(seconds=seconds, steps=job.training.steps, replicates=replicates, device=aligner.device_)
    return mapped


def _sampled(run: TrainingRun, synthesizer: Synthesizer, data: Folds) -> AnnData:
    """Train a synthesizer and make a sample for each row of the query."""
    job, ((fold, query),) = run.job, data.queries.items()
    x = data.domains[fold][0]
    draw = pictures(run.resume.looks, job.training, tuple(int(n) for n in x.uns[keys.IMAGE]["shape"]))
    start = time.monotonic()
    synthesizer.fit(x, show=lambda step, seeds, samples: draw(step, {}, seeds, samples), **run.watch())
    seconds = time.monotonic() - start
    run.record_outcome(synthesizer)
    start = time.monotonic()
    made = TASKS[job.task].join({fold: synthesizer.sample(query)})
    per_sample = (time.monotonic() - start) / max(1, len(made.layers) * made.n_obs)
    made.uns[keys.GIVEN] = np.array(synthesizer.conditioned_on(query), dtype=str)
    made.uns[keys.MEASURES] = synthesizer.model_scores(query)
    cost = {"steps": job.training.steps, "replicates": len(job.seeds), "device": synthesizer.device_}
    run.record.end(seconds=seconds, per_sample=per_sample, **cost)
    return made


def _shown_maps(run: TrainingRun, target: AnnData):
    """Draw some images of domain 1 above their maps, see `pictures`."""
    draw = pictures(run.resume.looks, run.job.training, tuple(int(n) for n in target.uns[keys.IMAGE]["shape"]))

    def show(step: int, seeds: Sequence[int], images: np.ndarray, maps: np.ndarray) -> None:
        draw(step, {"image": images} if images.shape[1:] == maps.shape[2:] else {}, seeds, maps)

    return show
