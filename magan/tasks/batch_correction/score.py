"""Score a batch alignment: compare the mapped cells of each batch with the held-out cells of the reference."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import batch_distance, batch_mixing, lisi
from magan.metrics.density_peaks import consistent_peaks
from magan.metrics.group_effects import group_effect
from magan.metrics.markers import pearson, wasserstein
from magan.metrics.tidy import Maps, failures, floor_rows, join, maps, nan_mean, rows, same_rows
from magan.tasks.batch_correction.batch_effects import before

PAIRED = {"pearson": pearson, "wasserstein": wasserstein}  # where the truth of a cell is known
WITHIN = {
    "batch_r2": batch_mixing.batch_r2,
    "population_variance": batch_mixing.population_variance,
}  # populations, by marker


class Cells(NamedTuple):
    """Values and labels of the cells of one side."""

    values: np.ndarray  # (n, M)
    labels: np.ndarray  # (n,)


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every alignment metric for every map.

    Group "all" is all cells; ``emd``, ``consistent_peaks`` and, where known,
    ``pearson`` and ``wasserstein`` to the truth are also given per population.
    Populations with fewer than 10 cells on either side are skipped; without cell
    types all cells are one population for the scores within populations, and
    ``label_transfer`` is nan. ``group_effect`` is nan without two groups in
    ``obs["group"]`` of a batch. Where scib-metrics is installed, there are ``ilisi``,
    ``clisi`` and ``bras`` too. Each batch is scored by itself against
    the reference, and the value is the mean over the batches where it is defined.

    Parameters
    ----------
    truth
        The same cells as measured, and held-out cells of the batch ``uns["reference"]``. ``layers["truth"]``, if
        present, is the value of each cell if measured in the reference, nan where unknown.
    mapped
        Cells of all batches except the reference.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``. Undefined scores are nan.
    """
    found = maps(mapped)
    if not found.seeds:
        return failures(mapped)
    before = same_rows(truth, mapped)
    target = _cells(_reference(truth)[:, mapped.var_names])
    batches = before.obs[keys.BATCH].astype(str).to_numpy()
    scores: dict[tuple[str, str], list[np.ndarray]] = {}
    for batch in np.unique(batches):
        inside = np.flatnonzero(batches == batch)
        part = Maps(found.seeds, found.values[:, inside])
        for key, value in _score_batch(before[inside], part.values, target).items():
            scores.setdefault(key, []).append(value)
    tables = []
    for (metric, group), values in scores.items():
        mean = nan_mean(np.stack(values), axis=0)
        tables.append(rows(mapped.uns, found.seeds, metric, mean, group, _features(mean, mapped)))
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """``emd``, ``mmd``, ``batch_auc`` and ``label_transfer`` between two halves of the reference cells.

    The score of a perfect map with as few cells. The floor of ``mmd``, which scatters
    around 0, is its size (`batch_distance.mmd_floor`). ``emd`` between samples of one
    distribution falls with the root of their size, so a good map of more cells may
    score below it. Per-population ``emd`` needs 10 cells in each half.
    """
    reference = _reference(truth)
    cells = _cells(reference)
    first, second = (Cells(cells.values[half], cells.labels[half]) for half in batch_distance.split_half(cells.values))
    scores = _distances(first.values[None], first.labels, second)
    scores["mmd", keys.ALL] = np.array([batch_distance.mmd_floor(cells.values)])
    tables = [
        floor_rows(truth, "batch", metric, value, group, _features(value, reference))
        for (metric, group), value in scores.items()
    ]
    return join(tables)


def figure_inputs(truth: AnnData) -> dict[str, object]:
    """Inputs of the figures of batch effects before correction, see `batch_effects.before`."""
    about = {keys.DATASET: str(truth.uns[keys.DATASET]), keys.REFERENCE: str(truth.uns[keys.REFERENCE])}
    return {**before(truth)._asdict(), **about}


def _score_batch(before: AnnData, mapped: np.ndarray, target: Cells) -> dict[tuple[str, str], np.ndarray]:
    """``(metric, group) -> (R,) or (R, M)`` for the cells of one batch."""
    original, labels = _cells(before)
    scores = _distances(mapped, labels, target)
    scores["rank_kept", keys.ALL] = batch_distance.rank_kept(original, mapped)
    named, target_named = labels, target.labels
    if not batch_distance.labelled(labels).any() or not batch_distance.labelled(target.labels).any():
        named, target_named = (np.full(len(side), keys.ALL) for side in (labels, target.labels))
    sides = (named, target.values, target_named)
    scores["emd_reduction", keys.ALL] = batch_distance.emd_reduction(original, mapped, *sides)
    scores["consistent_peaks", keys.ALL] = consistent_peaks(original, mapped, target.values)
    for name in batch_distance.populations(labels, target.labels):
        inside, goal = labels == name, target.labels == name
        scores["consistent_peaks", name] = consistent_peaks(original[inside], mapped[:, inside], target.values[goal])
    scores |= {(metric, keys.ALL): function(mapped, *sides) for metric, function in WITHIN.items()}
    scores["mad", keys.ALL] = batch_distance.mad(original, mapped, named)
    groups = before.obs.get(keys.GROUP, pd.Series("", index=before.obs_names)).astype(str).to_numpy()
    scores["group_effect", keys.ALL] = group_effect(original, mapped, named, groups)
    if lisi.installed():
        scores |= {(metric, keys.ALL): value for metric, value in lisi.scores(mapped, *sides).items()}
    if keys.TRUTH in before.layers:
        scores |= _paired(np.asarray(before.layers[keys.TRUTH]), mapped, labels)
    return scores


def _distances(mapped: np.ndarray, labels: np.ndarray, target: Cells) -> dict[tuple[str, str], np.ndarray]:
    """Scores that compare the map with the target only."""
    scores = {
        ("emd", keys.ALL): batch_distance.emd(mapped, target.values),
        ("mmd", keys.ALL): batch_distance.mmd(mapped, target.values),
        ("batch_auc", keys.ALL): batch_mixing.batch_auc(mapped, target.values),
        ("label_transfer", keys.ALL): batch_distance.label_transfer(mapped, labels, target.values, target.labels),
    }
    for name in batch_distance.populations(labels, target.labels):
        scores["emd", name] = batch_distance.emd(mapped[:, labels == name], target.values[target.labels == name])
    return scores


def _paired(known: np.ndarray, mapped: np.ndarray, labels: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Scores against the truth, over the cells whose truth is known."""
    cells = np.isfinite(known).all(axis=1)
    groups = {keys.ALL: cells}
    groups |= {name: cells & (labels == name) for name in batch_distance.populations(labels[cells], labels[cells])}
    return {
        (metric, group): function(known[inside], mapped[:, inside])
        for metric, function in PAIRED.items()
        for group, inside in groups.items()
    }


def _reference(truth: AnnData) -> AnnData:
    return truth[(truth.obs[keys.BATCH].astype(str) == str(truth.uns[keys.REFERENCE])).to_numpy()]


def _cells(adata: AnnData) -> Cells:
    labels = adata.obs.get(keys.CELL_TYPE, pd.Series("", index=adata.obs_names))
    return Cells(np.asarray(adata.layers[keys.PREPROCESSED]), labels.astype(str).to_numpy().astype(str))


def _features(values: np.ndarray, adata: AnnData) -> list[str]:
    return list(adata.var_names) if values.ndim == 2 else []
