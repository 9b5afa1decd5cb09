"""Models that make samples: the same files in and out as of every other method."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import torch
from anndata import AnnData

from magan import config, keys, tracking
from magan.data import folds
from magan.data.generating import FOLD
from magan.stages.files import beside, write
from magan.stages.methods import flat, nothing_made, or_failed
from magan.stages.training import Interrupted, every, pictures, recorder, tell_health
from magan.synthesizer import Synthesizer


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
    task = "generation"
    arm, training = config.Arm.model_validate(arm), config.Training.model_validate(training)
    settings = {"arm": arm.model_dump(mode="json"), "training": training.model_dump(mode="json"), "device": device}
    x, asked = anndata.read_h5ad(f"{train}/{FOLD}/x1.h5ad"), anndata.read_h5ad(f"{query}/{FOLD}.h5ad")
    record = tracking.EventLog(events, seeds)
    record.params(flat(settings))
    resume = Interrupted(model, {**settings, "seeds": list(seeds)}, [f"{train}/{FOLD}/x1.h5ad"])
    draw = pictures(resume.looks, training, tuple(int(n) for n in x.uns[keys.IMAGE]["shape"]))
    synthesizer = Synthesizer(
        arm.model, options=arm.options, techniques=arm.techniques, training=training, seeds=seeds, device=device
    )

    def run() -> AnnData:
        start = time.monotonic()
        synthesizer.fit(
            x,
            record=recorder(record, f"{task}/{dataset}/{arm_name}", training),
            show=lambda step, some, samples: draw(step, {}, some, samples),
            every=every(training),
            resume=resume,
        )
        trained = time.monotonic()
        for seed, (status, detail) in synthesizer.status_.items():
            record.status(seed, status, detail)
        tell_health(record, synthesizer.blind_)
        whole = folds.gather(task, {FOLD: synthesizer.sample(asked)})
        whole.uns[keys.GIVEN] = np.array(synthesizer.given(asked), dtype=str)
        n_made = max(1, len(whole.layers) * whole.n_obs)
        per_sample = (time.monotonic() - trained) / n_made
        whole.uns[keys.MEASURES] = synthesizer.measured(asked)
        with beside(model) as part:
            synthesizer.save(part)
        record.end(
            seconds=trained - start,
            steps=training.steps,
            replicates=len(seeds),
            device=synthesizer.device_,
            per_sample=per_sample,
        )
        whole.uns[keys.FAILED] = np.array(sorted(set(seeds) - set(synthesizer.good_seeds_)), dtype=int)
        return whole

    whole = or_failed(run, lambda: folds.gather(task, {FOLD: nothing_made(asked, x)}), record, log)
    resume.over()
    if keys.FAILED not in whole.uns:
        whole.uns[keys.FAILED] = np.array(seeds, dtype=int)
        Path(model).touch()
    about = {keys.TASK: task, keys.DATASET: dataset, keys.METHOD: arm.model, keys.ARM: arm_name}
    whole.uns |= {**about, keys.SEEDS: np.array(seeds, dtype=int)}
    write(whole, mapped)
