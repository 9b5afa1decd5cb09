"""Fit a saved batch model to a new batch from some of its cells."""

from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.correction import correction, load_mapper, of_model
from magan.cytometry.arcsinh import preprocessed
from magan.cytometry.fcs_read import OPEN, FcsOptions
from magan.cytometry.panel import Panel
from magan.cytometry.read_cells import read
from magan.errors import InputError
from magan.stages.atomic_files import atomic_write
from magan.tasks.batch_correction import safety_gate

HELD_OUT = 0.3  # share of the new batch's cells, and of the model's cells of the reference, for the verdict


def calibrate(
    model: Path, files: Sequence[Path], name: str, output: Path, panel: Panel | None = None, fcs: FcsOptions = OPEN
) -> tuple[str, safety_gate.Verdict]:
    """Write the model with a further batch, and return the new map's title and the verdict on held-out cells.

    At most 2,000 cells of the files take part in the fit, the model's cells of the reference replace its files, and
    the remaining cells of both judge the map.

    Raises
    ------
    InputError
        The model is no batch map, a file cannot be read or lacks a marker, or the cells are of another kind than the
        model's, see `BatchMapper.calibrate`.
    """
    mapper = load_mapper(model)
    if not isinstance(mapper, BatchMapper):
        raise InputError(
            f"model {model} is a network, which a new batch cannot calibrate; give a model of method: auto"
        )
    known = correction(model, mapper.names_[mapper.widest])
    parts = [of_model(known, read(file, panel=panel, fcs=fcs), file) for file in files]
    cells = anndata.concat(parts, merge="same", index_unique="-")
    cells.uns = dict(parts[0].uns)
    held = np.random.default_rng(mapper.seed).random(cells.n_obs) < HELD_OUT
    lent = np.random.default_rng(mapper.seed).random(len(mapper.retained_)) < HELD_OUT
    whole, mapper.retained_ = mapper.retained_, mapper.retained_[~lent]
    mapper.calibrate(cells[~held].copy(), name)
    fold = len(mapper.names_) - 1
    found = _verdict(mapper, fold, preprocessed(cells[held].copy(), "cells"), whole[lent])
    mapper.retained_ = whole
    with atomic_write(output) as part:
        mapper.save(part)
    return mapper.methods_[fold], found


def _verdict(mapper: BatchMapper, fold: int, cells: np.ndarray, reference: np.ndarray) -> safety_gate.Verdict:
    after = mapper.map_values(cells, fold=fold)[keys.CONSENSUS]
    if np.array_equal(cells, after):
        return safety_gate.Verdict("not needed", "Cells of the batch are as the reference's.", ())
    both = np.concatenate([cells, reference])
    obs = pd.DataFrame({keys.BATCH: np.repeat(["new", "reference"], [len(cells), len(reference)])})
    obs.index = obs.index.astype(str)
    truth = AnnData(both, obs=obs, layers={keys.PREPROCESSED: both}, uns={keys.REFERENCE: "reference"})
    truth.var_names = mapper.features_["x2"][fold]
    mapped = AnnData(after, obs=obs.iloc[: len(cells)], var=truth.var, uns={keys.ARM: "calibrated", keys.ERROR: ""})
    table = safety_gate.gate(truth, mapped)
    return safety_gate.verdict(table, safety_gate.transfer(truth, mapped))
