"""Models that make samples: the same files in and out as of every other method."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import anndata
import numpy as np
import torch
from anndata import AnnData

from magan import keys
from magan.stages.align import nan_map
from magan.stages.failures import run_or_record_failure
from magan.stages.job import job_of, pictures
from magan.synthesizer import Synthesizer
from magan.tasks.image_generation.folds import FOLD
from magan.tasks.registry import TASKS


def generate(
    dataset: str,
    arm_name: str,
    arm: Mapping[str, Any],
    training: Mapping[str, Any],
    seeds: Sequence[int],
    device: str,
    threads: int,
    train: str,
    query: str,
    model: str,
    events: str,
    mapped: str,
    log: str,
) -> None:
    """Rule `generate`: train every seed of one arm as one batched model, and make a sample for each test image."""
    torch.set_num_threads(threads)
    job = job_of(
        *("generation", dataset, arm_name, arm, training, seeds),
        **{"device": device, "train": train, "model": model, "events": events, "mapped": mapped},
    )
    x, asked = anndata.read_h5ad(f"{train}/{FOLD}/x1.h5ad"), anndata.read_h5ad(f"{query}/{FOLD}.h5ad")
    synthesizer = Synthesizer(
        job.arm.model,
        options=job.arm.options,
        techniques=job.arm.techniques,
        training=job.training,
        seeds=seeds,
        device=device,
    )
    draw = pictures(job.resume.looks, job.training, tuple(int(n) for n in x.uns[keys.IMAGE]["shape"]))

    def run() -> AnnData:
        start = time.monotonic()
        synthesizer.fit(x, show=lambda step, some, samples: draw(step, {}, some, samples), **job.watch())
        seconds = time.monotonic() - start
        job.trained(synthesizer)
        start = time.monotonic()
        whole = TASKS[job.task].join({FOLD: synthesizer.sample(asked)})
        per_sample = (time.monotonic() - start) / max(1, len(whole.layers) * whole.n_obs)
        whole.uns[keys.GIVEN] = np.array(synthesizer.conditioned_on(asked), dtype=str)
        whole.uns[keys.MEASURES] = synthesizer.model_scores(asked)
        cost = {"steps": job.training.steps, "replicates": len(seeds), "device": synthesizer.device_}
        job.record.end(seconds=seconds, per_sample=per_sample, **cost)
        return whole

    whole = run_or_record_failure(run, lambda: TASKS[job.task].join({FOLD: nan_map(asked, x)}), job.record, log)
    job.end(synthesizer, whole)
