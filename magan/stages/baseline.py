"""A simple method on the files of an arm: the same files in, the same kind of file out."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys, tracking
from magan.baselines import BASELINES
from magan.batch_mapper import BatchMapper
from magan.stages.atomic_files import atomic_write, write
from magan.stages.failures import run_or_record_failure
from magan.stages.method import fitted, nan_maps, read_folds, with_unstained
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
            fitted(mapper, data)
            maps = {fold: mapper.map(x, number) for number, (fold, x) in enumerate(data.queries.items())}
        else:
            maps = {fold: _mapped(name, data.steps(fold), query) for fold, query in data.queries.items()}
        maps = {fold: with_unstained(part, data.queries[fold], data.domains[fold][0]) for fold, part in maps.items()}
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
    """A row for each batch and candidate: the parts of its criterion, whether it was taken, and the reason.

    A batch that is mapped in steps has a row for each step, which is part of the batch's name.
    """
    parts = []
    for batch, steps in zip(mapper.names_, mapper.steps_):
        for number, step in enumerate(steps, start=1):
            if step.choice:
                table = step.choice.table
                table = table.assign(chosen=table["candidate"] == step.choice.name, reason=step.choice.reason)
                table.insert(0, keys.BATCH, batch if len(steps) == 1 else f"{batch}, step {number} of {len(steps)}")
                parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _mapped(name: str, steps: Sequence[tuple[AnnData, AnnData]], query: AnnData) -> AnnData:
    """The query by the map of each step in turn."""
    cells = query
    for x1, x2 in steps:
        values = BASELINES[name](x1, x2, cells)
        # The next step begins with the cells in the units of the batch between.
        cells = AnnData(values, obs=query.obs.copy(), layers={keys.PREPROCESSED: values} if len(steps) > 1 else None)
        cells.var_names = x2.var_names
    return cells
