"""Scores of a batch alignment: the cells of every other batch, mapped, against the held-out cells of the reference."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.evaluation import alignment
from magan.evaluation.markers import pearson, wasserstein
from magan.evaluation.tidy import Maps, failures, floor_rows, join, maps, nan_mean, rows, same_rows

PAIRED = {"pearson": pearson, "wasserstein": wasserstein}  # where the truth of a cell is known


class Cells(NamedTuple):
    """What the scores of one side need."""

    values: np.ndarray  # (n, M)
    labels: np.ndarray  # (n,)


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every alignment metric for every map.

    Group "all" is all cells; ``emd`` and, where known, ``pearson`` and
    ``wasserstein`` to the truth are also given per population. Populations with
    fewer than 10 cells on either side are skipped; without cell types all cells
    are one population for ``emd_reduction`` and ``mad``, and ``label_transfer`` is
    nan. With several batches beside the reference each is scored alone, and the
    value is the mean over the batches where it is defined.

    Parameters
    ----------
    truth
        These cells as measured and held-out cells of the batch ``uns["reference"]``; ``layers["truth"]``,
        if there, is what a cell would have measured in the reference, nan where unknown.
    mapped
        Cells of the other batches.

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
    """``emd``, ``mmd`` and ``label_transfer`` of one half of the held-out reference cells against the other.

    What a perfect map would score with as few cells. ``emd`` between samples of one
    distribution falls with the root of their size, so a good map of more cells may
    score below it. Per-population ``emd`` needs 10 cells in each half.
    """
    reference = _reference(truth)
    cells = _cells(reference)
    first, second = (Cells(cells.values[half], cells.labels[half]) for half in alignment.split_half(cells.values))
    scores = _distances(first.values[None], first.labels, second)
    tables = [
        floor_rows(truth, "batch", metric, value, group, _features(value, reference))
        for (metric, group), value in scores.items()
    ]
    return join(tables)


def _score_batch(before: AnnData, mapped: np.ndarray, target: Cells) -> dict[tuple[str, str], np.ndarray]:
    """``(metric, group) -> (R,) or (R, M)`` for the cells of one batch."""
    original, labels = _cells(before)
    scores = _distances(mapped, labels, target)
    scores["rank_kept", keys.ALL] = alignment.rank_kept(original, mapped)
    named, target_named = labels, target.labels
    if not alignment.labelled(labels).any() or not alignment.labelled(target.labels).any():
        named, target_named = (np.full(len(side), keys.ALL) for side in (labels, target.labels))
    arguments = (original, mapped, named, target.values, target_named)
    scores["emd_reduction", keys.ALL] = alignment.emd_reduction(*arguments)
    scores["mad", keys.ALL] = alignment.mad(original, mapped, named)
    if keys.TRUTH in before.layers:
        scores |= _paired(np.asarray(before.layers[keys.TRUTH]), mapped, labels)
    return scores


def _distances(mapped: np.ndarray, labels: np.ndarray, target: Cells) -> dict[tuple[str, str], np.ndarray]:
    """What is scored against the target alone."""
    scores = {
        ("emd", keys.ALL): alignment.emd(mapped, target.values),
        ("mmd", keys.ALL): alignment.mmd(mapped, target.values),
        ("label_transfer", keys.ALL): alignment.label_transfer(mapped, labels, target.values, target.labels),
    }
    for name in alignment.populations(labels, target.labels):
        scores["emd", name] = alignment.emd(mapped[:, labels == name], target.values[target.labels == name])
    return scores


def _paired(known: np.ndarray, mapped: np.ndarray, labels: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Scores against the known truth, over the cells that have one."""
    cells = np.isfinite(known).all(axis=1)
    groups = {keys.ALL: cells}
    groups |= {name: cells & (labels == name) for name in alignment.populations(labels[cells], labels[cells])}
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
