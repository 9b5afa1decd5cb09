"""Align every batch with a reference batch: a fold for each batch."""

from collections.abc import Mapping, Sequence
from typing import cast

import anndata
import numpy as np
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.errors import InputError
from magan.tasks.batch_correction.settings import BatchAlignment
from magan.tasks.folds import LABELLED, Folds, enough, join_rows, known_markers, select_cells, without_labels

MEDIAN = "median"  # as a reference: the batch with the smallest mean distance to all batches
LEVELS = 200  # quantiles that the distance of two batches is computed from
OPTIONS = ("reference", "markers", "train", "n_train", "test", "test_fraction")

join = join_rows


def split(settings: BatchAlignment, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """The folds that a study asks for, see `batch`."""
    chosen = select_cells(cells[0], settings.where, "batch.where")
    if settings.wipe:
        chosen = wipe(chosen, **settings.wipe.model_dump(), seed=settings.split_seed)
    asked = {name: getattr(settings, name) for name in OPTIONS}
    return batch(chosen, **asked, batch_size=batch_size, seed=settings.split_seed)


def batch(
    adata: AnnData,
    *,
    reference: str,
    markers: Sequence[str] | None = None,
    train: Mapping[str, str] | None = None,
    n_train: int = 20_000,
    test: Mapping[str, str] | None = None,
    test_fraction: float = 0.3,
    batch_size: int,
    seed: int = 0,
) -> Folds:
    """Pair every batch with the reference; a fold for each batch except the reference.

    Training cells match ``train`` and test cells match ``test``; where one of the two
    conditions is missing, it selects all remaining cells. Without either, the test cells are a
    random ``test_fraction`` of each batch. At most ``n_train`` training cells of each
    batch are drawn. The reference "median" is the batch with the smallest mean earth
    mover's distance to all batches, over markers, on training cells; ``truth.uns["reference"]`` holds its name.

    Raises
    ------
    InputError
        The reference is unknown, a batch has no training or test cells, a marker is
        constant, or a batch has too few cells for a minibatch.
    """
    markers = list(adata.var_names[adata.var[keys.TO_CORRECT]]) if markers is None else list(markers)
    known_markers(markers, adata)
    adata = adata[:, markers].copy()
    adata.var[keys.TO_CORRECT] = True  # the user names these markers, so they are corrected
    of_batch = adata.obs[keys.BATCH].astype(str)
    names = sorted(set(of_batch))
    if reference not in (*names, MEDIAN):
        raise InputError(
            f"reference batch '{reference}' is not in the data; batches are {', '.join(names)}, or give {MEDIAN}"
        )
    if len(names) == 1:
        raise InputError(f"there is one batch, '{reference}', and nothing to align; give at least two")
    if train or test:
        named = {
            name: select_cells(adata, chosen, f"batch.{name}")
            for name, chosen in (("train", train), ("test", test))
            if chosen
        }
        training, testing = (
            named[part] if part in named else _rest(adata, *named.values()) for part in ("train", "test")
        )
        both = set(training.obs_names) & set(testing.obs_names)
        if both:
            raise InputError(f"batch: {len(both)} cells are in both train and test; make the two disjoint")
    else:
        random = np.random.default_rng(seed).random(adata.n_obs) < test_fraction
        training, testing = adata[~random].copy(), adata[random].copy()
    cells = {name: _some(training[training.obs[keys.BATCH].astype(str) == name], n_train, seed) for name in names}
    queries = {name: testing[testing.obs[keys.BATCH].astype(str) == name] for name in names}
    enough({f"batch '{name}'": part for name, part in cells.items()}, batch_size)
    for name in names:
        if not queries[name].n_obs:
            raise InputError(f"batch '{name}' has no test cell; widen batch.test or raise test_fraction")
    check(training, "training cells")
    if reference not in names:
        reference = _median(cells)
    aligned = [name for name in names if name != reference]
    truth = anndata.concat([queries[name] for name in names], merge="same")
    truth.uns = {**dict(adata.uns), keys.REFERENCE: reference}
    return Folds(
        {name: (without_labels(cells[name], LABELLED), without_labels(cells[reference], LABELLED)) for name in aligned},
        {name: without_labels(queries[name]) for name in aligned},
        truth,
    )


def _rest(adata: AnnData, part: AnnData) -> AnnData:
    return adata[~adata.obs_names.isin(part.obs_names)].copy()


def _some(adata: AnnData, n: int, seed: int) -> AnnData:
    """At most ``n`` cells, drawn at random, in their original order."""
    if adata.n_obs <= n:
        return adata
    # A separate random stream from the stream that divides training and test cells.
    return adata[np.sort(np.random.default_rng([seed, 2]).choice(adata.n_obs, n, replace=False))]


def _median(cells: Mapping[str, AnnData]) -> str:
    """The batch with the smallest mean earth mover's distance to all batches; a tie goes to the first batch."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    quantiles = np.stack([np.quantile(x.layers[keys.PREPROCESSED], levels, axis=0) for x in cells.values()])
    # Between two samples of one marker the distance is the mean difference of their quantiles.
    distance = [np.abs(quantiles - batch_quantiles).mean() for batch_quantiles in quantiles]
    return list(cells)[int(np.argmin(distance))]


def wipe(adata: AnnData, *, marker: str, populations: Sequence[str], seed: int = 0) -> AnnData:
    """Divide cells of some populations into two batches: "intact", and "wiped" where the marker reads zero.

    ``layers["truth"]`` holds the measured values of every cell. This is the dropout
    experiment of the MAGAN lecture, on cells whose truth is known.
    """
    known_markers([marker], adata)
    adata = select_cells(adata, {keys.CELL_TYPE: list(populations)}, "wipe")
    # A separate random stream: with the stream of `batch`, all test cells would be wiped cells.
    wiped = np.random.default_rng([seed, 1]).random(adata.n_obs) < 0.5
    adata.obs[keys.BATCH] = np.where(wiped, "wiped", "intact")
    adata.layers[keys.TRUTH] = adata.layers[keys.PREPROCESSED].copy()
    column = adata.var_names.get_loc(marker)
    adata.layers[keys.PREPROCESSED][wiped, column] = 0
    cast(np.ndarray, adata.X)[wiped, column] = 0
    return adata
