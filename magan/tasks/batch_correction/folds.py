"""Align every batch with a reference batch: a fold for each batch."""

from collections.abc import Mapping, Sequence
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.errors import InputError
from magan.tasks.batch_correction import control_design as design
from magan.tasks.batch_correction.neighbouring_batches import pooled
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
    batch, and of its ``neighbours``, are drawn. The reference "median" is the batch with the smallest mean earth
    mover's distance to all batches, over markers, on training cells; ``truth.uns["reference"]`` holds its name.

    Where all training cells are of controls, `magan.tasks.batch_correction.control_design` says by which controls a
    batch is mapped, and ``truth.uns["design"]`` has its table. The domains of a batch that is mapped in steps are the
    two domains of each step in turn; they lack the markers that a control does not stain, which the query has, and
    ``uns["not_stained"]`` of the first domain names them. A batch without a control is mapped by the cells of its
    samples to those of the reference; a part of them is then training cells, and not in the truth.

    Raises
    ------
    InputError
        The reference is unknown, a batch has no training or test cells, a marker is
        constant, or a batch has too few cells for a minibatch; or controls do not link all batches.
    """
    adata, reference = select_cells(cells[0], settings.where, "batch.where"), settings.reference
    if settings.wipe:
        adata = wipe(adata, **settings.wipe.model_dump(), seed=settings.split_seed)
    markers = list(adata.var_names[adata.var[keys.TO_CORRECT]] if settings.markers is None else settings.markers)
    known_markers(markers, adata)
    known_markers(settings.biaxial or (), adata[:, markers])
    adata = adata[:, markers].copy()
    adata.var[keys.TO_CORRECT] = True  # the user names these markers, so they are corrected
    of_batch = adata.obs[keys.BATCH].astype(str)
    names = sorted(set(of_batch))
    if reference not in (*names, MEDIAN):
        raise InputError(
            f"reference batch '{reference}' is not in the data; batches are {', '.join(names)}, or give {MEDIAN}"
        )
    if len(names) == 1:
        raise InputError(f"there is one batch, '{names[0]}', and nothing to align; give at least two")
    training, testing = _training_and_test(adata, settings)
    if design.learns_from_controls(training):
        if settings.neighbours:
            raise InputError("maps that learn from controls need no neighbours; leave batch.neighbours out")
        return _by_controls(adata, design.named_by_control(training), testing, settings, batch_size)
    enough({f"batch '{name}'": _of(training, name) for name in names}, batch_size)
    learned_from = {
        name: pooled(training, name, names, settings.neighbours) if settings.neighbours else _of(training, name)
        for name in names
    }
    drawn = {name: _some(part, settings.n_train, settings.split_seed) for name, part in learned_from.items()}
    queries = {name: _of(testing, name) for name in names}
    enough({f"batch '{name}'": part for name, part in drawn.items()}, batch_size)
    _each_tested(queries)
    check(training, "training cells")
    if reference not in names:
        reference = _median(drawn)
    aligned = [name for name in names if name != reference]
    train = {name: (drawn[name], drawn[reference]) for name in aligned}
    return _folds(train, queries, _about(adata, reference, settings))


def _by_controls(
    adata: AnnData, training: AnnData, testing: AnnData, settings: BatchAlignment, batch_size: int
) -> Folds:
    """Pair batches by the controls that they share; ``training`` holds the controls, named as such."""
    names = sorted(set(adata.obs[keys.BATCH].astype(str)))
    controls = design.measured_controls(training, names)
    design.linked(controls)
    check(adata, "the cells")
    reference = settings.reference
    if reference not in names:
        middle = [
            _some(_of(training, name), settings.n_train, settings.split_seed) for name in design.central(controls)
        ]
        reference = _median(dict(zip(design.central(controls), middle)))
    steps = design.routes(controls, reference)
    without = [name for name in names if not controls[name]]
    lent, testing = (
        _samples_to_learn_from(adata, testing, [reference, *without], settings) if without else ({}, testing)
    )
    train: dict[str, tuple[AnnData, ...]] = {}
    rows = []
    for name in names:
        if name in steps:
            train[name], unstained = _domains(adata, training, steps[name], settings)
            rows.append(design.row(name, steps[name], unstained))
        elif name != reference:
            train[name] = lent[name], lent[reference]
            rows.append(design.row(name, (), ()))
    enough({f"batch '{name}'": domain for name, domains in train.items() for domain in domains}, batch_size)
    table = pd.DataFrame(rows, columns=list(design.COLUMNS))
    _without_networks(table, settings)
    queries = {name: _of(testing, name) for name in names}
    _each_tested(queries)
    return _folds(train, queries, {**_about(adata, reference, settings), keys.DESIGN: table})


def _domains(
    adata: AnnData, training: AnnData, steps: Sequence[design.Step], settings: BatchAlignment
) -> tuple[tuple[AnnData, ...], list[str]]:
    """The two domains of each step, by the markers that all its controls stain, and the rest of the markers."""
    samples = adata[~adata.obs[keys.IS_CONTROL].to_numpy(bool)]
    domains: list[AnnData] = []
    stained = np.ones(adata.n_vars, bool)
    for step in steps:
        shared = training[training.obs[keys.SAMPLE].isin(step.controls).to_numpy()]
        sides = [_of(shared, name) for name in (step.source, step.target)]
        for name, control in zip((step.source, step.target), sides):
            stained &= design.stained(control, _of(samples, name), settings.split_seed)
        domains += design.alike(sides[0], sides[1], settings.split_seed)
    if not stained.any():
        named = sorted({control for step in steps for control in step.controls})
        raise InputError(
            f"batch '{steps[0].source}': no marker is stained by the control {', '.join(named)}; give another control, "
            "or learn from all samples (leave train out)"
        )
    unstained = list(adata.var_names[~stained])
    found = [_some(x, settings.n_train, settings.split_seed)[:, stained].copy() for x in domains]
    found[0].uns = {**found[0].uns, keys.NOT_STAINED: np.array(unstained, dtype=str)}
    return tuple(found), unstained


def _samples_to_learn_from(
    adata: AnnData, testing: AnnData, names: Sequence[str], settings: BatchAlignment
) -> tuple[dict[str, AnnData], AnnData]:
    """Cells of the samples of some batches that a map may learn from, and the test cells that remain.

    They are samples that are neither controls nor named for the test; where no test is named, all but a random
    ``test_fraction``.
    """
    samples = adata[~adata.obs[keys.IS_CONTROL].to_numpy(bool)]
    samples = samples[samples.obs[keys.BATCH].astype(str).isin(names).to_numpy()]
    if settings.test:
        lent = _rest(samples, testing)
    else:
        random = np.random.default_rng([settings.split_seed, 5]).random(samples.n_obs) < settings.test_fraction
        lent = samples[~random].copy()
        testing = _rest(testing, lent)
    found = {name: _some(_of(lent, name), settings.n_train, settings.split_seed) for name in names}
    for name, part in found.items():
        if not part.n_obs:
            raise InputError(
                f"batch '{names[1]}' has no control, so the cells of its samples are to be compared with those of the "
                f"reference '{names[0]}'; but batch '{name}' has none that is neither a control nor a test cell: "
                f"measure a control in batch '{names[1]}', or leave the batch out (batch.where)"
            )
    return found, testing


def _without_networks(table: pd.DataFrame, settings: BatchAlignment) -> None:
    """Refuse arms where batches differ in their markers or are mapped in steps: a stack of networks cannot."""
    special = table[(table["not_stained"] != "") | table["route"].str.count(design.THEN).gt(1)]
    if settings.arms and len(special):
        raise InputError(
            f"arm '{next(iter(settings.arms))}' is a network and cannot map batch '{special[keys.BATCH].iloc[0]}' "
            f"({design.sentences(special)[0].rstrip('.')}); take method: auto or another batch map, or list the "
            "markers that all controls stain (markers)"
        )


def _about(adata: AnnData, reference: str, settings: BatchAlignment) -> dict:
    """What the truth says of all its cells."""
    drawn_by = {keys.BIAXIAL: list(settings.biaxial)} if settings.biaxial else {}
    return {**adata.uns, keys.REFERENCE: reference, **drawn_by}


def _folds(train: Mapping[str, tuple[AnnData, ...]], queries: Mapping[str, AnnData], uns: Mapping) -> Folds:
    truth = anndata.concat(list(queries.values()), merge="same")
    truth.uns = dict(uns)
    return Folds(
        {name: tuple(without_labels(x, LABELLED) for x in domains) for name, domains in train.items()},
        {name: without_labels(queries[name]) for name in train},
        truth,
    )


def _each_tested(queries: Mapping[str, AnnData]) -> None:
    for name, cells in queries.items():
        if not cells.n_obs:
            raise InputError(f"batch '{name}' has no test cell; widen batch.test or raise test_fraction")


def _of(cells: AnnData, batch: str) -> AnnData:
    return cells[cells.obs[keys.BATCH].astype(str).to_numpy() == batch]


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
