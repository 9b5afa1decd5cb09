"""Differences between groups of a study, which a batch correction must keep, and where it cannot."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from magan.metrics.batch_distance import LEAST, by_population, labelled


class Effect(NamedTuple):
    """Of each marker: how far two groups lie apart before and after a map, ``(M,)`` each, in arcsinh units."""

    before: np.ndarray  # of the groups with the highest and the lowest mean before, so at least 0
    after: np.ndarray  # of the same two groups, negative where the map turned them round
    change: np.ndarray  # the largest change of a difference between any two groups, at least 0
    error: np.ndarray  # standard error of the change of ``before`` to ``after``, from the cells


def group_effect(original: np.ndarray, mapped: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether the differences between groups of one batch are kept, ``(R,)``, in [-1, 1]; higher is better.

    ``2 <d, d'> / (<d, d> + <d', d'>)`` with d the deviations of the groups' means
    from their mean, over groups, markers and populations, before and after the map:
    1 where they are the same, 0 where the map wiped them out or drew them at random,
    -1 where it turned them round. Populations with fewer than 10 cells of two groups
    are skipped, and so are cells without a group. A constant marker has no
    difference and does not count. nan with fewer than two groups in the batch, so
    also where batch and group are confounded one to one, and where no group differs.
    """
    before, after = [], []
    for cells, _ in by_population(labels, labels):
        own = _members(groups, cells)
        if len(own) > 1:
            before.append(_deviations(original[None], own))
            after.append(_deviations(mapped, own))
    if not before:
        return np.full(len(mapped), np.nan)
    before, after = np.concatenate(before, axis=1), np.concatenate(after, axis=1)
    both = (before**2).sum(axis=1) + (after**2).sum(axis=1)
    return np.divide(2 * (before * after).sum(axis=1), both, out=np.full(len(mapped), np.nan), where=both > 0)


def _deviations(x: np.ndarray, own: Sequence[np.ndarray]) -> np.ndarray:
    """``(R, n, M) -> (R, groups * M)``."""
    means = np.stack([x[:, rows].mean(axis=1, dtype=np.float64) for rows in own], axis=1)
    return (means - means.mean(axis=1, keepdims=True)).reshape(len(x), -1)


def effect(original: np.ndarray, mapped: np.ndarray, groups: np.ndarray) -> Effect | None:
    """The `Effect` of one map, ``(n, M)`` before and after; None with fewer than two groups of 10 cells."""
    own = _members(groups, np.ones(len(groups), bool))
    if len(own) < 2:
        return None
    mean, moved, error = (
        np.stack([function(rows) for rows in own])
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
    return Effect(before, after, np.ptp(moved, axis=0), np.sqrt(error[high, marker] + error[low, marker]))


def _members(groups: np.ndarray, cells: np.ndarray) -> list[np.ndarray]:
    """Rows of each group with at least 10 of the ``cells (n,)``, groups in the order of their names."""
    words = np.asarray(groups).astype(str)
    cells = cells & labelled(words)
    found = [np.flatnonzero(cells & (words == name)) for name in np.unique(words[cells])]
    return [rows for rows in found if len(rows) >= LEAST]


def confounded(batches: Sequence, groups: Sequence) -> str:
    """One sentence where a difference between groups cannot be told from a batch effect, else "".

    So it is where two groups are in no common batch, nor linked by other groups and
    batches: in the plain case every batch holds one group of its own. What brings
    such batches together removes the difference between their groups, and scores
    of mixing reward it. Of cells or samples, in any order; those without a group do
    not count.
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
    told = [
        f"{_listed('group', island[1])} only in {_listed('batch', island[0])}"
        for island in sorted(islands, key=lambda island: sorted(island[1]))
    ]
    return (
        f"Batch and group are confounded ({'; '.join(told)}): a difference between these groups cannot be told from "
        "a batch effect, and correction removes both."
    )


def _listed(noun: str, names: set[str]) -> str:
    plural = {"group": "groups", "batch": "batches"}[noun]
    return f"{noun if len(names) == 1 else plural} {', '.join(sorted(names))}"
