"""AnnData in, AnnData out: maps of batches to a reference that need no network, one for each batch."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys, model_file
from magan.batch_maps import MAPS, State
from magan.batch_maps.choose import FEWEST, Choice, choose, leave
from magan.batch_maps.coverage import coverage
from magan.cytometry.arcsinh import cofactors, preprocessed
from magan.errors import InputError, among
from magan.estimator import Estimator

AUTO = "auto"
RETAINED = 2000  # cells of the reference in a saved model, to calibrate a new batch by
CALIBRATED = 2000  # cells of a new batch, at most, that its map is fitted on
FOREIGN = 0.25  # share of mapped cells far from every cell of the reference, above which they are of another kind
MISSING = 0.6  # share of the reference's cells far from every mapped cell, likewise


class BatchMapper(Estimator):
    """Learns a map of each batch to the reference; it saves, loads and maps as `magan.aligner.Aligner` does.

    Parameters
    ----------
    method
        A key of `magan.batch_maps.MAPS`, or "auto": the map that `magan.batch_maps.choose` takes, batch by batch.
    seed
        Of the split of cells and of clusters.

    Attributes
    ----------
    names_, features_, cofactors_, reference_
        As of `magan.aligner.Aligner`; a fold is a batch.
    methods_ : list
        The map of each fold, a key of ``MAPS``.
    choices_ : list
        Why it was chosen, a `magan.batch_maps.choose.Choice` for each fold; [] unless the method is "auto".
    retained_ : ndarray
        At most 2,000 training cells of the reference, arcsinh units, by the markers of the first fold.
    """

    layers_ = (keys.CONSENSUS,)

    def __init__(self, method: str = AUTO, *, seed: int = 0):
        self.method = method
        self.seed = seed

    def fit(self, x1: Sequence[AnnData], x2: Sequence[AnnData], *, names: Sequence[str] = ()) -> "BatchMapper":
        """Learn the map of each ``x1`` to its ``x2``, both cells by the same markers.

        Raises
        ------
        InputError
            An unknown method, a value that is not finite, or too few cells to choose by.
        """
        if self.method not in (AUTO, *MAPS):
            raise InputError(f"batch map '{self.method}' is unknown{among(self.method, [AUTO, *MAPS])}")
        self.names_ = [str(name) for name in names or range(len(x1))]
        self.features_ = {"x1": [list(b.var_names) for b in x2], "x2": [list(b.var_names) for b in x2]}
        self.cofactors_ = {"x1": [cofactors(a) for a in x1], "x2": [cofactors(b) for b in x2]}
        self.reference_ = _batch(x2)
        self.retained_ = _some(_values(x2[0], x2[0].var_names), RETAINED, self.seed)
        self.methods_: list[str] = []
        self.choices_: list[Choice] = []
        self.states_: list[State] = []
        self.monotone_: list[State] = []
        for source, target in zip(x1, x2):
            cells = _values(source, target.var_names), _values(target, target.var_names)
            self._add(cells, (_samples(source), _samples(target)))
        return self

    def calibrate(self, x: AnnData, name: str) -> "BatchMapper":
        """Learn the map of a new batch from at most 2,000 cells, without the files of the reference.

        The cells are compared with `retained_`, and the map is chosen and fitted as in `fit`; all maps learned before
        stay as they are.

        Raises
        ------
        InputError
            The batch is known already, a marker is missing, the cells are too few, or once mapped they are of a kind
            that the reference does not have, as of another tissue.
        """
        if name in (*self.names_, self.reference_):
            raise InputError(f"the model knows a batch '{name}' already; give the new batch a name that is not taken")
        markers = self.features_["x1"][0]
        values = _values(x, markers)
        if len(values) < FEWEST:
            raise InputError(f"batch '{name}' has {len(values)} cells; give at least {FEWEST} to calibrate by")
        values = _some(values, CALIBRATED, self.seed)
        fold = len(self.names_)
        self._add((values, self.retained_), (None, None))
        found = coverage(MAPS[self.methods_[fold]].apply(self.states_[fold], values), self.retained_)
        if found.foreign > FOREIGN or found.missing > MISSING:
            for learned in (self.methods_, self.states_, self.monotone_, self.choices_):
                del learned[fold:]
            raise InputError(
                f"batch '{name}' is not of the model's kind of cells: once mapped, {found.foreign:.0%} of its cells "
                f"are far from every cell of the reference, and {found.missing:.0%} of the reference's are far from "
                "its; give a batch of the same tissue and staining, or train a new model"
            )
        self.names_.append(name)
        for side, known in (("x1", cofactors(x)), ("x2", self.cofactors_["x2"][0])):
            self.features_[side].append(list(markers))
            self.cofactors_[side].append(known)
        return self

    def _add(self, cells: tuple[np.ndarray, np.ndarray], samples: tuple[np.ndarray | None, np.ndarray | None]) -> None:
        """Learn the map of a further batch."""
        if self.method == AUTO:
            choice = self._choice(cells, samples)
            self.choices_.append(choice)
            name, state = choice.name, choice.state
        else:
            name, state = self.method, MAPS[self.method].fit(*cells, seed=self.seed)
        self.methods_.append(name)
        self.states_.append(state)
        self.monotone_.append(MAPS["monotone"].fit(*cells))

    def _choice(
        self, cells: tuple[np.ndarray, np.ndarray], samples: tuple[np.ndarray | None, np.ndarray | None]
    ) -> Choice:
        """Choose a map, or leave a batch as measured that has too few cells to choose by: it stops no other batch."""
        fewest = min(len(values) for values in cells)
        if fewest < FEWEST:
            return leave(f"Too few cells to choose a map by: {fewest} training cells on a side, {FEWEST} are needed.")
        return choose(*cells, samples_1=samples[0], samples_2=samples[1], seed=self.seed)

    def map(self, x: AnnData, fold: int = 0) -> AnnData:
        """The cells as the reference would have measured them; ``X`` and ``layers["consensus"]``, arcsinh units."""
        values = self.map_values(_values(x, self.features_["x1"][fold]), fold=fold)
        mapped = AnnData(values[keys.CONSENSUS], obs=cast(pd.DataFrame, x.obs.copy()), layers=values)
        mapped.var_names = self.features_["x2"][fold]
        return mapped

    def map_values(self, values: np.ndarray, *, fold: int = 0) -> dict[str, np.ndarray]:
        """Map ``values (n, M)`` in arcsinh units; each cell's result depends on that cell alone."""
        return {keys.CONSENSUS: MAPS[self.methods_[fold]].apply(self.states_[fold], values)}

    def leaves(self, fold: int) -> bool:
        """Whether the map of a fold leaves every cell as measured."""
        return self.methods_[fold] == "identity"

    def monotone(self, values: np.ndarray, *, fold: int = 0) -> np.ndarray:
        """Map each marker of ``values (n, M)`` along its monotone curve."""
        return MAPS["monotone"].apply(self.monotone_[fold], values)

    def save(self, path: str | Path) -> None:
        """Write all maps, without code, to a safetensors file."""
        arrays: dict[str, State] = {"retained": {"cells": self.retained_}}
        for fold, (state, curves) in enumerate(zip(self.states_, self.monotone_)):
            arrays |= {f"map.{fold}": state, f"monotone.{fold}": curves}
        about = {
            "batch_mapper": {"method": self.method, "seed": self.seed},
            "methods": self.methods_,
            "names": self.names_,
            "features": self.features_,
            "cofactors": self.cofactors_,
            "reference": self.reference_,
        }
        model_file.save(path, about, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "BatchMapper":
        """The mapper that `save` wrote; its ``choices_`` are not in the file.

        Raises
        ------
        InputError
            The file is missing, or `save` did not write it.
        """
        about, arrays = model_file.load(path)
        if "batch_mapper" not in about:
            raise InputError(f"model {path} holds no batch maps; read it with Aligner.load")
        self = cls(**about["batch_mapper"])
        self.methods_, self.names_, self.reference_ = about["methods"], about["names"], about["reference"]
        self.features_, self.cofactors_, self.choices_ = about["features"], about["cofactors"], []
        self.retained_ = arrays["retained"]["cells"]
        folds = range(len(self.names_))
        self.states_ = [arrays.get(f"map.{fold}", {}) for fold in folds]
        self.monotone_ = [arrays[f"monotone.{fold}"] for fold in folds]
        return self


def _values(x: AnnData, markers: Collection[str]) -> np.ndarray:
    """``(n, M)`` float32 in arcsinh units."""
    missing = [marker for marker in markers if marker not in x.var_names]
    if missing:
        raise InputError(f"marker '{missing[0]}' of the reference is missing; give the markers {list(markers)}")
    return preprocessed(x[:, list(markers)], "cells")


def _some(values: np.ndarray, n: int, seed: int) -> np.ndarray:
    """At most ``n`` rows, drawn at random, in their order."""
    return values[np.sort(np.random.default_rng(seed).permutation(len(values))[:n])]


def _samples(x: AnnData) -> np.ndarray | None:
    return x.obs[keys.SAMPLE].astype(str).to_numpy() if keys.SAMPLE in x.obs else None


def _batch(domains: Sequence[AnnData]) -> str:
    """The single batch that all cells are of, or ""."""
    batches = {name for x in domains if keys.BATCH in x.obs for name in x.obs[keys.BATCH].astype(str).unique()}
    return batches.pop() if len(batches) == 1 else ""
