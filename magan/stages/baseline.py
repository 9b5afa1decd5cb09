"""A simple method on the files of an arm: the same files in, the same kind of file out."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys, tracking
from magan.baselines import BASELINES
from magan.batch_mapper import BatchMapper
from magan.stages.atomic_files import atomic_write, write
from magan.stages.failures import run_or_record_failure
from magan.stages.method import nan_maps, read_folds
from magan.tasks.registry import TASKS


def baseline(task: str, dataset: str, name: str, folders: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Rule `baseline`: run a simple method on the same files.

    Parameters
    ----------
    folders
        ``train`` and ``query``.
    files
        ``events``, ``mapped``, ``model`` and ``log``. The model is empty where the method cannot be deployed.
    """
    data = read_folds(folders["train"], folders["query"])
    record = tracking.EventLog(files["events"], [])
    record.params({"baseline": name})
    mapper = BatchMapper(BASELINES.entries[name].options["method"]) if BASELINES.entries[name].deployable else None

    def run() -> AnnData:
        start = time.monotonic()
        if mapper:
            first, second = ([pair[side] for pair in data.domains.values()] for side in (0, 1))
            mapper.fit(first, second, names=list(data.domains))
            maps = {fold: mapper.map(x, number) for number, (fold, x) in enumerate(data.queries.items())}
        else:
            maps = {fold: _mapped(name, x1, x2, data.queries[fold]) for fold, (x1, x2) in data.domains.items()}
        for part in maps.values():
            part.layers[keys.BASELINE] = part.X
        record.end(seconds=time.monotonic() - start, steps=0, replicates=len(data.domains), device="cpu")
        return TASKS[task].join(maps)

    whole = run_or_record_failure(run, lambda: TASKS[task].join(nan_maps(data)), record, files["log"])
    whole.layers.pop(keys.CONSENSUS, None)
    whole.uns |= {keys.TASK: task, keys.DATASET: dataset, keys.METHOD: name, keys.ARM: keys.BASELINE}
    whole.uns |= {keys.SEEDS: np.array([], dtype=int), keys.FAILED: np.array([], dtype=int)}
    failed = bool(whole.uns[keys.ERROR])
    if mapper and mapper.method == "auto" and not failed:
        whole.uns[keys.CHOICE] = choice_table(mapper)
    with atomic_write(files["model"]) as part:
        if mapper and not failed:
            mapper.save(part)
    write(whole, files["mapped"])


def choice_table(mapper: BatchMapper) -> pd.DataFrame:
    """A row for each batch and candidate: the parts of its criterion, whether it was taken, and the reason."""
    parts = []
    for batch, choice in zip(mapper.names_, mapper.choices_):
        table = choice.table.assign(chosen=choice.table["candidate"] == choice.name, reason=choice.reason)
        table.insert(0, keys.BATCH, batch)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _mapped(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> AnnData:
    mapped = AnnData(BASELINES[name](x1, x2, query), obs=query.obs.copy())
    mapped.var_names = x2.var_names
    return mapped
