"""Cells of the benchmark of batches: pairs of batches, divided into training and held-out cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.gating import gate
from magan.datasets.registry import load

TRAIN, TEST = 1500, 1000  # cells of a batch
DEMO = (
    *("CD3", "CD4", "CD8a", "CD19", "CD14", "CD16", "CD11c", "CD56", "HLADR", "CD45", "CD45RA", "CCR7", "CD33", "CD7"),
    *("CD11b", "CD123", "CD161", "CD25"),
)
KRIEG = {
    "T cells": "CD3+ CD19- CD14-",
    "B cells": "CD19+ CD3- CD14-",
    "monocytes": "CD14+ CD3- CD19-",
    "NK cells": "CD56+ CD3- CD19- CD14-",
}


@dataclass(frozen=True)
class Pair:
    """A batch to map and the reference: cells to learn from and held-out cells with labels."""

    name: str
    x1: AnnData
    x2: AnnData
    query: AnnData
    target: AnnData


@lru_cache
def cells(name: str, mirror: Path) -> AnnData:
    """A data set's corrected markers, with populations."""
    adata = load(name, mirror=mirror, cache=mirror)
    if name == "krieg_panel3":
        adata = gate(adata, KRIEG)
    adata.obs_names_make_unique()
    markers = list(DEMO) if name == "cytonorm" else adata.var_names[adata.var[keys.TO_CORRECT].to_numpy(bool)]
    return adata[:, markers].copy()


def drawn(adata: AnnData, n: int, seed: int) -> AnnData:
    return adata[np.random.default_rng(seed).permutation(adata.n_obs)[:n]].copy()


def values(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.layers[keys.PREPROCESSED], np.float32)


def labels(adata: AnnData) -> np.ndarray:
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)


def samples(adata: AnnData) -> np.ndarray:
    return adata.obs[keys.SAMPLE].astype(str).to_numpy().astype(str)


def pair(name: str, first: AnnData, second: AnnData, seed: int = 0, train: int = TRAIN, test: int = TEST) -> Pair:
    """Two batches, each divided into training and held-out cells, fewer in proportion where a batch is smaller."""
    parts = [drawn(x, train + test, seed) for x in (first, second)]
    cut = [round(x.n_obs * train / (train + test)) for x in parts]
    (x1, x2), (query, target) = ([x[:n].copy() for x, n in zip(parts, cut)], [x[n:].copy() for x, n in zip(parts, cut)])
    return Pair(name, x1, x2, query, target)


def of(adata: AnnData, **chosen: str) -> AnnData:
    inside = np.ones(adata.n_obs, bool)
    for column, value in chosen.items():
        inside &= (adata.obs[column].astype(str) == value).to_numpy()
    return adata[inside].copy()


def without(adata: AnnData, population: str, seed: int = 0) -> AnnData:
    """The cells without 80 % of a population."""
    lost = np.random.default_rng(seed).random(adata.n_obs) < 0.8
    return adata[~(lost & (labels(adata) == population))].copy()


def shifted(adata: AnnData, seed: int, size: float = 0.5) -> AnnData:
    """A made batch effect: each marker shifted, stretched, and shifted a little more by population."""
    random = np.random.default_rng(seed)
    moved = adata.copy()
    x = values(adata) * random.uniform(0.85, 1.15, adata.n_vars) + random.uniform(0, size, adata.n_vars)
    for name in np.unique(labels(adata)):
        x[labels(adata) == name] += random.normal(0, size / 6, adata.n_vars)
    moved.layers[keys.PREPROCESSED] = x.astype(np.float32)
    return moved


def measured(mirror: Path) -> Iterator[Pair]:
    """Every batch data set of the tree; where a donor is in both batches it is the paired sample."""
    controls = cells("cytonorm", mirror)
    for learnt, judged in (("control_1", "control_2"), ("control_2", "control_1")):
        for batch in ("PTLG028", "PTLG034"):
            sides = [[of(controls, batch=b, sample=s) for b in (batch, "PTLG021")] for s in (learnt, judged)]
            yield Pair(f"controls {batch}, trained on {learnt.replace('_', ' ')}", *sides[0], *sides[1])
    blood = cells("shaham_p1", mirror)
    yield pair("two days of a person", of(blood, batch="day1"), of(blood, batch="day2"))
    files = cells("krieg_panel3", mirror)
    yield pair("thirty files", of(files, batch="Data29"), of(files, batch="Data23"))
