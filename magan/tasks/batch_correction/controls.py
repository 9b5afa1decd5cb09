"""Control maps without a model, whose ranking is known: a score that ranks them wrongly is wrong."""

from collections.abc import Callable
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import batch_distance
from magan.metrics.tidy import join
from magan.tasks.batch_correction import score as batch_correction_score


def controls(truth: AnnData) -> pd.DataFrame:
    """Every score of a batch alignment for each of the `CONTROLS`, with the arm "control".

    Half of the held-out reference cells lends values and the remaining half is the
    target (`batch_distance.split_half`), so that no cell is compared with itself. The
    smaller target makes scores slightly worse than in the rows of the methods: compare
    the controls with the control "no_correction". Without reference cells there are no
    controls.
    """
    target = np.flatnonzero(truth.obs[keys.BATCH].astype(str).to_numpy() == str(truth.uns[keys.REFERENCE]))
    query = np.setdiff1d(np.arange(truth.n_obs), target)
    lent, judged = (target[half] for half in batch_distance.split_half(target))
    if not len(lent) or not len(query):
        return join([])
    answers = truth[np.sort(np.concatenate([query, judged]))]
    return join(
        [batch_correction_score.score(answers, make(truth, query, lent, name)) for name, make in CONTROLS.items()]
    )


def no_correction(truth: AnnData, query: np.ndarray, lent: np.ndarray, name: str) -> AnnData:
    """Every cell as measured."""
    return _map(truth, query, query, name)


def perfect(truth: AnnData, query: np.ndarray, lent: np.ndarray, name: str) -> AnnData:
    """Each cell replaced by a reference cell of its population, and of its group if the reference has that group.

    Every reference cell is used once in a batch; cells without a partner are
    left out. Without population labels all cells form a single population.
    """
    labels, groups, batches = _column(truth, keys.CELL_TYPE), _column(truth, keys.GROUP), _column(truth, keys.BATCH)
    groups = np.where(np.isin(groups, groups[lent]), groups, "")
    groups[lent] = np.where(np.isin(groups[lent], groups[query]), groups[lent], "")
    kind = np.array([f"{label}\n{group}" for label, group in zip(labels, groups)])
    random = np.random.default_rng(0)
    rows, partners = [], []
    for of_batch in np.unique(batches[query]):
        for stratum in np.unique(kind[query]):
            cells = random.permutation(query[(batches[query] == of_batch) & (kind[query] == stratum)])
            found = random.permutation(lent[kind[lent] == stratum])
            n = min(len(cells), len(found))
            rows.append(cells[:n])
            partners.append(found[:n])
    return _map(truth, np.concatenate(rows), np.concatenate(partners), name)


def shuffled_within_batch(truth: AnnData, query: np.ndarray, lent: np.ndarray, name: str) -> AnnData:
    """Permute the cells within each batch: the batch effect stays, populations and samples are lost."""
    return _map(truth, query, _exchanged(query, _column(truth, keys.BATCH)), name)


def shuffled_within_population(truth: AnnData, query: np.ndarray, lent: np.ndarray, name: str) -> AnnData:
    """Permute the cells within each population: populations stay, differences within them are lost."""
    pool = np.concatenate([query, lent])
    return _map(truth, query, _exchanged(pool, _column(truth, keys.CELL_TYPE))[: len(query)], name)


def shuffled_globally(truth: AnnData, query: np.ndarray, lent: np.ndarray, name: str) -> AnnData:
    """Permute all cells: batches mix in part, and all structure is lost."""
    pool = np.concatenate([query, lent])
    return _map(truth, query, np.random.default_rng(0).permutation(pool)[: len(query)], name)


def _exchanged(rows: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """``rows`` permuted at random within each stratum."""
    random = np.random.default_rng(0)
    partners = rows.copy()
    for name in np.unique(strata[rows]):
        members = np.flatnonzero(strata[rows] == name)
        partners[members] = rows[random.permutation(members)]
    return partners


def _map(truth: AnnData, rows: np.ndarray, partners: np.ndarray, name: str) -> AnnData:
    """The cells ``rows`` with the values of the cells ``partners``."""
    values = np.asarray(truth.layers[keys.PREPROCESSED])[partners]
    mapped = anndata.AnnData(
        values, obs=cast(pd.DataFrame, truth.obs).iloc[rows][[]], var=cast(pd.DataFrame, truth.var)[[]]
    )
    mapped.layers[keys.BASELINE] = values
    mapped.uns = {keys.TASK: "batch", keys.DATASET: truth.uns.get(keys.DATASET, ""), keys.METHOD: name}
    mapped.uns |= {keys.ARM: keys.CONTROL, keys.ERROR: ""}
    return mapped


def _column(truth: AnnData, name: str) -> np.ndarray:
    return truth.obs.get(name, pd.Series("", index=truth.obs_names)).astype(str).to_numpy().astype(object)


CONTROLS: dict[str, Callable[[AnnData, np.ndarray, np.ndarray, str], AnnData]] = {
    "no_correction": no_correction,
    "perfect": perfect,
    "shuffled_within_batch": shuffled_within_batch,
    "shuffled_within_population": shuffled_within_population,
    "shuffled_globally": shuffled_globally,
}
