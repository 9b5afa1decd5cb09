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

join = join_rows


def split(settings: BatchAlignment, cells: Sequence[AnnData], batch_size: int) -> Folds:
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
    adata, reference = select_cells(cells[0], settings.where, "batch.where"), settings.reference
    if settings.wipe:
        adata = wipe(adata, **settings.wipe.model_dump(), seed=settings.split_seed)
    markers = list(adata.var_names[adata.var[keys.TO_CORRECT]] if settings.markers is None else settings.markers)
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
    training, testing = _training_and_test(adata, settings)
    in_training = {name: training[training.obs[keys.BATCH].astype(str) == name] for name in names}
    drawn = {name: _some(_linked(part), settings.n_train, settings.split_seed) for name, part in in_training.items()}
    queries = {name: testing[testing.obs[keys.BATCH].astype(str) == name] for name in names}
    enough({f"batch '{name}'": part for name, part in drawn.items()}, batch_size)
    for name in names:
        if not queries[name].n_obs:
            raise InputError(f"batch '{name}' has no test cell; widen batch.test or raise test_fraction")
    check(training, "training cells")
    if reference not in names:
        reference = _median(drawn)
    aligned = [name for name in names if name != reference]
    truth = anndata.concat([queries[name] for name in names], merge="same")
    truth.uns = {**dict(adata.uns), keys.REFERENCE: reference}
    return Folds(
        {name: (without_labels(drawn[name], LABELLED), without_labels(drawn[reference], LABELLED)) for name in aligned},
        {name: without_labels(queries[name]) for name in aligned},
        truth,
    )


def _training_and_test(adata: AnnData, settings: BatchAlignment) -> tuple[AnnData, AnnData]:
    conditions = {"train": settings.train, "test": settings.test}
    named = {name: select_cells(adata, wanted, f"batch.{name}") for name, wanted in conditions.items() if wanted}
    if not named:
        random = np.random.default_rng(settings.split_seed).random(adata.n_obs) < settings.test_fraction
        return adata[~random].copy(), adata[random].copy()
    training, testing = (named[part] if part in named else _rest(adata, *named.values()) for part in conditions)
    both = set(training.obs_names) & set(testing.obs_names)
    if both:
        raise InputError(f"batch: {len(both)} cells are in both train and test; make the two disjoint")
    return training, testing


def _rest(adata: AnnData, part: AnnData) -> AnnData:
    return adata[~adata.obs_names.isin(part.obs_names)].copy()


def _linked(cells: AnnData) -> AnnData:
    """Name controls by their donor: a control is the same sample in every batch, so its difference is the batch's.

    Files of a control have a sample name each. Cells that are not all of controls keep their names.
    """
    if keys.IS_CONTROL not in cells.obs or not cells.obs[keys.IS_CONTROL].to_numpy(bool).all():
        return cells
    cells = cells.copy()
    cells.obs[keys.SAMPLE] = cells.obs[keys.DONOR].astype(str) if keys.DONOR in cells.obs else "control"
    return cells


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
    # A separate random stream: with the stream of `split`, all test cells would be wiped cells.
    wiped = np.random.default_rng([seed, 1]).random(adata.n_obs) < 0.5
    adata.obs[keys.BATCH] = np.where(wiped, "wiped", "intact")
    adata.layers[keys.TRUTH] = adata.layers[keys.PREPROCESSED].copy()
    column = adata.var_names.get_loc(marker)
    adata.layers[keys.PREPROCESSED][wiped, column] = 0
    cast(np.ndarray, adata.X)[wiped, column] = 0
    return adata
