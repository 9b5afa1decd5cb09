"""Every method, trained or not: the same files in, the same kind of file out."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import torch
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.config import Arm, Training
from magan.stages.failures import run_or_record_failure
from magan.stages.job import Job, job_of, pictures
from magan.tasks.registry import TASKS


def align(
    task: str,
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
    """Rule `align`: train every seed and fold of one arm as one batched model, and map the query."""
    torch.set_num_threads(threads)
    job = job_of(
        *(task, dataset, arm_name, arm, training, seeds),
        **{"device": device, "train": train, "model": model, "events": events, "mapped": mapped},
    )
    pairs, queries = read_folds(train, query)
    aligner = aligner_of(job.arm, job.training, seeds, device)

    def run() -> AnnData:
        start = time.monotonic()
        first, second = ([pair[i] for pair in pairs.values()] for i in (0, 1))
        shown = {"show": _maps_shown(job, second[0])} if keys.IMAGE in second[0].uns else {}
        aligner.fit(first, second, names=list(pairs), **job.watch(), **shown)
        seconds = time.monotonic() - start
        job.trained(aligner)
        maps = {fold: aligner.map(x, fold=f) for f, (fold, x) in enumerate(queries.items())}
        whole = TASKS[task].join(maps)
        if TASKS[task].maps_back:
            back = aligner.cycle(next(iter(queries.values())))
            for seed in aligner.good_seeds_:
                whole.layers[f"back_{seed}"] = back.layers[f"seed_{seed}"]
        replicates = len(pairs) * len(seeds)
        job.record.end(seconds=seconds, steps=job.training.steps, replicates=replicates, device=aligner.device_)
        return whole

    nothing = {fold: nan_map(queries[fold], x2) for fold, (_, x2) in pairs.items()}
    whole = run_or_record_failure(run, lambda: TASKS[task].join(nothing), job.record, log)
    job.end(aligner, whole)


def aligner_of(arm: Arm, training: Training, seeds: Sequence[int], device: str) -> Aligner:
    """The untrained aligner that an arm describes."""
    return Aligner(
        arm.model,
        correspondence=arm.correspondence.name,
        correspondence_options=arm.correspondence.options,
        options=arm.options,
        techniques=arm.techniques,
        training=training,
        seeds=seeds,
        scale=arm.scale,
        balance=arm.balance,
        predict=arm.predict,
        calibrate=arm.calibrate,
        neighbours=arm.neighbours,
        device=device,
    )


def read_folds(train: str, query: str) -> tuple[dict[str, tuple[AnnData, AnnData]], dict[str, AnnData]]:
    """Fold -> training domains, and fold -> query."""
    names = sorted(path.stem for path in Path(query).glob("*.h5ad"))
    pairs = {
        fold: (anndata.read_h5ad(f"{train}/{fold}/x1.h5ad"), anndata.read_h5ad(f"{train}/{fold}/x2.h5ad"))
        for fold in names
    }
    return pairs, {fold: anndata.read_h5ad(f"{query}/{fold}.h5ad") for fold in names}


def _maps_shown(job: Job, target: AnnData):
    """Draws some images of domain 1 above their maps, see `pictures`."""
    draw = pictures(job.resume.looks, job.training, tuple(int(n) for n in target.uns[keys.IMAGE]["shape"]))

    def show(step: int, seeds: Sequence[int], images: np.ndarray, maps: np.ndarray) -> None:
        draw(step, {"image": images} if images.shape[1:] == maps.shape[2:] else {}, seeds, maps)

    return show


def nan_map(query: AnnData, target: AnnData) -> AnnData:
    """What a method that broke maps the query to."""
    nothing = AnnData(np.full((query.n_obs, target.n_vars), np.nan, np.float32), obs=query.obs.copy())
    nothing.var_names = target.var_names
    return nothing
