"""AnnData in, AnnData out: maps of batches to a reference that need no network, one for each batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
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


THEN = " > "  # between the maps of the steps of a fold
Samples = tuple[np.ndarray | None, np.ndarray | None]


@dataclass(frozen=True)
class Step:
    """A map of a batch to another: a key of ``MAPS`` and its state, the monotone map, and why the map was chosen."""

    method: str
    state: State
    monotone: State
    choice: Choice | None = None


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
    steps_ : list
        The maps of each fold, a list of `Step`: one, or several where a batch reaches the reference over others.
    retained_ : ndarray
        At most 2,000 training cells of the reference, arcsinh units, by the markers of the fold with most of them.
    """

    layers_ = (keys.CONSENSUS,)

    def __init__(self, method: str = AUTO, *, seed: int = 0):
        self.method = method
        self.seed = seed

    def fit(
        self,
        x1: Sequence[AnnData],
        x2: Sequence[AnnData],
        *,
        names: Sequence[str] = (),
        then: Mapping[int, Sequence[tuple[AnnData, AnnData]]] | None = None,
    ) -> "BatchMapper":
        """Learn the map of each ``x1`` to its ``x2``, both cells by the same markers.

        ``then`` has, by number of a fold, the pairs of cells of the steps that follow its first; the last is the
        reference's.

        Raises
        ------
        InputError
            An unknown method, a value that is not finite, or too few cells to choose by.
        """
        if self.method not in (AUTO, *MAPS):
            raise InputError(f"batch map '{self.method}' is unknown{among(self.method, [AUTO, *MAPS])}")
        self.names_ = [str(name) for name in names or range(len(x1))]
        pairs = [[pair, *(then or {}).get(fold, ())] for fold, pair in enumerate(zip(x1, x2))]
        goals = [of_fold[-1][1] for of_fold in pairs]
        self.features_ = {side: [list(b.var_names) for b in goals] for side in ("x1", "x2")}
        self.cofactors_ = {"x1": [cofactors(a) for a in x1], "x2": [cofactors(b) for b in goals]}
        self.reference_ = _batch(goals)
        widest = goals[self.widest]
        self.retained_ = _some(_values(widest, widest.var_names), RETAINED, self.seed)
        self.steps_: list[list[Step]] = [[self._step_of(*pair) for pair in of_fold] for of_fold in pairs]
        return self

    @property
    def methods_(self) -> list[str]:
        """The map of each fold, a key of ``MAPS``; those of several steps in a row."""
        return [THEN.join(step.method for step in steps) for steps in self.steps_]

    @property
    def choices_(self) -> list[Choice]:
        """Why each map was chosen, a `magan.batch_maps.choose.Choice` for each step; [] unless the method is "auto"."""
        return [step.choice for steps in self.steps_ for step in steps if step.choice]

    @property
    def widest(self) -> int:
        """The first of the folds with most markers."""
        return max(range(len(self.names_)), key=lambda fold: len(self.features_["x1"][fold]))

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
        markers = self.features_["x1"][self.widest]
        values = _values(x, markers)
        if len(values) < FEWEST:
            raise InputError(f"batch '{name}' has {len(values)} cells; give at least {FEWEST} to calibrate by")
        values = _some(values, CALIBRATED, self.seed)
        step = self._step((values, self.retained_), (None, None))
        found = coverage(MAPS[step.method].apply(step.state, values), self.retained_)
        if found.foreign > FOREIGN or found.missing > MISSING:
            raise InputError(
                f"batch '{name}' is not of the model's kind of cells: once mapped, {found.foreign:.0%} of its cells "
                f"are far from every cell of the reference, and {found.missing:.0%} of the reference's are far from "
                "its; give a batch of the same tissue and staining, or train a new model"
            )
        for side, known in (("x1", cofactors(x)), ("x2", self.cofactors_["x2"][self.widest])):
            self.features_[side].append(list(markers))
            self.cofactors_[side].append(known)
        self.names_.append(name)
        self.steps_.append([step])
        return self

    def _step_of(self, x1: AnnData, x2: AnnData) -> Step:
        """Learn a map between the cells of two batches."""
        cells = _values(x1, x2.var_names), _values(x2, x2.var_names)
        return self._step(cells, (_samples(x1), _samples(x2)))

    def _step(self, cells: tuple[np.ndarray, np.ndarray], samples: Samples) -> Step:
        monotone = MAPS["monotone"].fit(*cells)
        if self.method != AUTO:
            return Step(self.method, MAPS[self.method].fit(*cells, seed=self.seed), monotone)
        choice = self._choice(cells, samples)
        return Step(choice.name, choice.state, monotone, choice)

    def _choice(self, cells: tuple[np.ndarray, np.ndarray], samples: Samples) -> Choice:
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
        moved = reduce(lambda cells, step: MAPS[step.method].apply(step.state, cells), self.steps_[fold], values)
        return {keys.CONSENSUS: moved}

    def leaves(self, fold: int) -> bool:
        """Whether the map of a fold leaves every cell as measured."""
        return all(step.method == "identity" for step in self.steps_[fold])

    def monotone(self, values: np.ndarray, *, fold: int = 0) -> np.ndarray:
        """Map each marker of ``values (n, M)`` along its monotone curve."""
        return reduce(lambda cells, step: MAPS["monotone"].apply(step.monotone, cells), self.steps_[fold], values)

    def save(self, path: str | Path) -> None:
        """Write all maps, without code, to a safetensors file."""
        arrays: dict[str, State] = {"retained": {"cells": self.retained_}}
        for fold, steps in enumerate(self.steps_):
            for place, step in zip(_places(fold, len(steps)), steps):
                arrays |= {f"map.{place}": step.state, f"monotone.{place}": step.monotone}
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
        self.names_, self.reference_ = about["names"], about["reference"]
        self.features_, self.cofactors_ = about["features"], about["cofactors"]
        self.retained_ = arrays["retained"]["cells"]
        self.steps_ = []
        for fold, methods in enumerate(text.split(THEN) for text in about["methods"]):
            places = _places(fold, len(methods))
            parts = [(arrays.get(f"map.{place}", {}), arrays[f"monotone.{place}"]) for place in places]
            self.steps_.append([Step(method, *part) for method, part in zip(methods, parts)])
        return self


def _places(fold: int, n_steps: int) -> list[str]:
    """The names of the arrays of each step of a fold in a model file."""
    return [str(fold) if step == 0 else f"{fold}.{step}" for step in range(n_steps)]


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
