"""Read maps from an AnnData and write rows of the metrics table; shared by all tasks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError


class Maps(NamedTuple):
    """The maps that can be scored, stacked."""

    seeds: tuple[int | str, ...]  # seed of each replicate; "consensus" for the mean map, "" for a baseline
    values: np.ndarray  # (R, n, M)


def maps(mapped: AnnData) -> Maps:
    """Stack the maps of all seeds that did not fail and the consensus, or the map of a baseline; R is 0 if all failed.

    Raises `InputError` if a seed neither failed nor has a map.
    """
    failed = set(_integers(mapped, keys.FAILED))
    survivors = [seed for seed in _integers(mapped, keys.SEEDS) if seed not in failed]
    layers: dict[int | str, str] = {seed: f"{keys.SEED}_{seed}" for seed in survivors}
    if keys.BASELINE in mapped.layers:
        layers = {"": keys.BASELINE}
    elif survivors and keys.CONSENSUS in mapped.layers:
        layers[keys.CONSENSUS] = keys.CONSENSUS
    if _broken(mapped):
        layers = {}
    for seed, name in layers.items():
        if name not in mapped.layers:
            raise InputError(f"layer '{name}' is missing though seed {seed} did not fail; map it again")
    values = [np.asarray(mapped.layers[name]) for name in layers.values()]
    return Maps(tuple(layers), np.stack(values) if values else np.empty((0, *mapped.shape)))


def rows(
    about: Mapping,
    seeds: Sequence[int | str],
    metric: str,
    values: np.ndarray,
    group: str,
    features: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the rows of a metric in a group.

    ``about`` contains task, dataset, method and arm, as the ``uns`` of a map does. ``values`` is ``(R,)`` for a score
    over all features, or ``(R, M)`` with the M ``features``. In the second case feature "all" is the mean over the
    features with a defined score, nan if there is none.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 2:
        values = np.column_stack([values, nan_mean(values, axis=1)])
    names = [*features, keys.ALL]
    return table(
        {key: str(about[key]) for key in (keys.TASK, keys.DATASET, keys.METHOD, keys.ARM)},
        seed=np.repeat(np.array(seeds, dtype=object), len(names)),
        group=group,
        feature=np.tile(np.array(names, dtype=object), len(seeds)),
        metric=metric,
        value=values.reshape(-1),
    )


def failures(mapped: AnnData) -> pd.DataFrame:
    """Return a row "failed" for every requested seed, 0 or 1; 1 for all seeds if the whole method failed.

    A baseline has no seed: it has a row only if it failed.
    """
    broken = _broken(mapped)
    failed = set(_integers(mapped, keys.FAILED))
    seeds: list[int | str] = list(_integers(mapped, keys.SEEDS))
    values = [float(broken or seed in failed) for seed in seeds]
    if not seeds and broken:
        seeds, values = [*seeds, ""], [1.0]
    return rows(mapped.uns, seeds, keys.FAILED, np.array(values), keys.ALL)


def floor_rows(
    truth: AnnData, task: str, metric: str, values: np.ndarray, group: str, features: Sequence[str] = ()
) -> pd.DataFrame:
    """Return `rows` of a floor, ``(1,)`` or ``(1, M)``, which needs no map: method and arm "floor", no seed.

    The data set is ``uns["dataset"]`` of the truth, or empty.
    """
    about = {keys.TASK: task, keys.DATASET: truth.uns.get(keys.DATASET, "")}
    return rows({**about, keys.METHOD: keys.FLOOR, keys.ARM: keys.FLOOR}, [""], metric, values, group, features)


def table(names: dict[str, str] | None = None, **columns) -> pd.DataFrame:
    """Build a metrics table with the columns in the standard order; empty without arguments."""
    return pd.DataFrame({**(names or {}), **columns}, columns=list(keys.METRICS))


def join(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables and drop empty tables."""
    filled = [part for part in tables if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else table()


def same_rows(truth: AnnData, mapped: AnnData) -> AnnData:
    """Return the rows and features of ``truth`` in the order of ``mapped``; raise `InputError` if any is missing."""
    for what, wanted, known in (
        ("row", mapped.obs_names, truth.obs_names),
        ("feature", mapped.var_names, truth.var_names),
    ):
        lost = wanted.difference(known)
        if len(lost):
            raise InputError(f"mapped {what} '{lost[0]}' is not in the truth; map the cells and markers that it holds")
    return truth[mapped.obs_names, mapped.var_names]


def nan_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of values that are not nan; nan, without a warning, if there are none."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0).sum(axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _integers(mapped: AnnData, key: str) -> list[int]:
    return [int(seed) for seed in np.atleast_1d(mapped.uns.get(key, []))]


def _broken(mapped: AnnData) -> bool:
    return bool(str(mapped.uns.get(keys.ERROR, "")))
