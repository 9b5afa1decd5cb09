"""Differences between groups of a study: whether a batch correction preserves them, and where it cannot."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from magan.metrics.batch_distance import LEAST, by_population, labelled


class Effect(NamedTuple):
    """Difference between two groups before and after a map for each marker, ``(M,)`` each, in arcsinh units."""

    before: np.ndarray  # highest minus lowest group mean before the map, so at least 0
    after: np.ndarray  # difference of the same two groups after the map; negative if the map reversed them
    change: np.ndarray  # the largest change of a difference between any two groups, at least 0
    error: np.ndarray  # standard error over cells of ``after - before``
    sample_error: np.ndarray  # standard error over samples of ``before``; 0 unless either group has two samples


def group_effect(original: np.ndarray, mapped: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how well the map preserves the differences between groups of a batch, ``(R,)``, in [-1, 1].

    Higher is better. The score is ``2 <d, d'> / (<d, d> + <d', d'>)`` with d and d' the deviations of the group means
    from their mean, over groups, markers and populations, before and after the map. It is 1 if the deviations are
    equal, 0 if the map removed them or made them random, -1 if it reversed them. Populations in which fewer than two
    groups have 10 cells are skipped, and so are cells without a group. Constant markers have no effect. The score is
    nan with fewer than two groups in the batch (so also if every batch has exactly one group), and if no group differs.
    """
    before, after = [], []
    for cells, _ in by_population(labels, labels):
        members = _members(groups, cells)
        if len(members) > 1:
            before.append(_deviations(original[None], members))
            after.append(_deviations(mapped, members))
    if not before:
        return np.full(len(mapped), np.nan)
    before, after = np.concatenate(before, axis=1), np.concatenate(after, axis=1)
    both = (before**2).sum(axis=1) + (after**2).sum(axis=1)
    return np.divide(2 * (before * after).sum(axis=1), both, out=np.full(len(mapped), np.nan), where=both > 0)


def _deviations(x: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Return deviations of group means from their mean, ``(R, n, M) -> (R, groups * M)``."""
    means = np.stack([x[:, rows].mean(axis=1, dtype=np.float64) for rows in members], axis=1)
    return (means - means.mean(axis=1, keepdims=True)).reshape(len(x), -1)


def effect(
    original: np.ndarray, mapped: np.ndarray, groups: np.ndarray, samples: np.ndarray | None = None
) -> Effect | None:
    """Return the `Effect` of a map, ``(n, M)`` before and after; None with fewer than two groups of 10 cells.

    ``samples (n,)`` are the units of the study: cells of one sample are no replicates of its group.
    """
    members = _members(groups, np.ones(len(groups), bool))
    if len(members) < 2:
        return None
    mean, moved, error = (
        np.stack([function(rows) for rows in members])
        for function in (
            lambda rows: original[rows].mean(axis=0, dtype=np.float64),
            lambda rows: (mapped[rows] - original[rows]).mean(axis=0, dtype=np.float64),
            lambda rows: (mapped[rows] - original[rows]).var(axis=0, dtype=np.float64) / len(rows),
        )
    )
    marker = np.arange(original.shape[1])
    high, low = mean.argmax(axis=0), mean.argmin(axis=0)
    before = mean[high, marker] - mean[low, marker]
    after = before + moved[high, marker] - moved[low, marker]
    units = [None if samples is None else samples[rows] for rows in members]
    spread = np.stack([_sample_variance(original[rows], names) for rows, names in zip(members, units)])
    known = (spread[high, marker] > 0) & (spread[low, marker] > 0)
    sample_error = np.where(known, np.sqrt(spread[high, marker] + spread[low, marker]), 0.0)
    return Effect(before, after, np.ptp(moved, axis=0), np.sqrt(error[high, marker] + error[low, marker]), sample_error)


def _sample_variance(values: np.ndarray, samples: np.ndarray | None) -> np.ndarray:
    """Return the squared standard error over samples of the mean of each marker, ``(M,)``; 0 with a single sample."""
    names = np.unique(samples) if samples is not None else []
    if len(names) < 2:
        return np.zeros(values.shape[1])
    means = np.stack([values[samples == name].mean(axis=0, dtype=np.float64) for name in names])
    return means.var(axis=0, ddof=1) / len(names)


def _members(groups: np.ndarray, cells: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each group with at least 10 of the ``cells (n,)``, in the order of group names."""
    words = np.asarray(groups).astype(str)
    cells = cells & labelled(words)
    found = [np.flatnonzero(cells & (words == name)) for name in np.unique(words[cells])]
    return [rows for rows in found if len(rows) >= LEAST]


def confounded(batches: Iterable, groups: Iterable) -> str:
    """Return a sentence if a group difference cannot be distinguished from a batch effect, else "".

    This is so if two groups share no batch and are not linked through further groups and batches; in the simplest case
    every batch contains a single group. A correction that aligns such batches removes the difference between their
    groups, and mixing scores reward it. Rows may be cells or samples in any order; those without a group are ignored.
    """
    words, group = np.asarray(batches).astype(str), np.asarray(groups).astype(str)
    known = labelled(group)
    links = sorted(set(zip(words[known].tolist(), group[known].tolist())))
    islands: list[tuple[set[str], set[str]]] = []
    for batch, name in links:
        touched = [island for island in islands if batch in island[0] or name in island[1]]
        islands = [island for island in islands if island not in touched]
        joined = [{batch}.union(*(i[0] for i in touched)), {name}.union(*(i[1] for i in touched))]
        islands.append((joined[0], joined[1]))
    if len(islands) < 2:
        return ""
    parts = [
        f"{_listed('group', island[1])} only in {_listed('batch', island[0])}"
        for island in sorted(islands, key=lambda island: sorted(island[1]))
    ]
    return (
        f"Batch and group are confounded ({'; '.join(parts)}): a difference between these groups cannot be told from "
        "a batch effect, and correction removes both."
    )


def _listed(noun: str, names: set[str]) -> str:
    plural = {"group": "groups", "batch": "batches"}[noun]
    return f"{noun if len(names) == 1 else plural} {', '.join(sorted(names))}"
