"""Split a data set into the parts that training, mapping and scoring may see.

A fold is a pair of domains for which a separate model is trained: a held-out marker, a
batch against the reference, or a pair of digit sets. What a method must not
know is absent from the files it reads, not masked inside them.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError, among
from magan.images.arrays import pixels
from magan.regressors import unrelated_markers

# Batch and panel say on which scale the values are; only a correspondence that names populations reads populations.
LABELLED = (keys.BATCH, keys.SAMPLE, keys.PANEL, keys.CELL_TYPE)


Conditions = Mapping[str, str | Sequence[str]]  # obs column -> selected values


@dataclass(frozen=True)
class Folds:
    """``train`` and ``query`` per fold; ``truth`` is for evaluation alone."""

    train: Mapping[str, tuple[AnnData, ...]]  # fold -> (domain 1, domain 2), or a single domain to generate from
    query: Mapping[str, AnnData]  # fold -> held-out samples of domain 1, to be mapped into domain 2
    truth: AnnData


def select_cells(adata: AnnData, conditions: Conditions, name: str) -> AnnData:
    """The cells whose obs columns hold the wanted values.

    Raises
    ------
    InputError
        A column or value is unknown, or no cell is left.
    """
    selected = np.ones(adata.n_obs, bool)
    for column, wanted in conditions.items():
        if column not in adata.obs:
            raise InputError(f"{name}: no obs column '{column}'; there are {', '.join(adata.obs.columns)}")
        present = adata.obs[column].astype(str)
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        for value in wanted:
            if value not in set(present):
                raise InputError(f"{name}: no {column} is '{value}'; there are {', '.join(sorted(set(present)))}")
        selected &= present.isin(wanted).to_numpy()
    if not selected.any():
        raise InputError(f"{name}: no cell has all of {dict(conditions)}; widen the choice")
    return adata[selected].copy()


def measured(adata: AnnData, name: str) -> list[str]:
    """The markers to be corrected that are finite in these cells; a marker that a panel lacks is nan in every cell.

    Raises
    ------
    InputError
        A marker is measured in a part of the cells only.
    """
    values = np.asarray(adata.layers[keys.PREPROCESSED])[:, adata.var[keys.TO_CORRECT].to_numpy(bool)]
    markers = adata.var_names[adata.var[keys.TO_CORRECT].to_numpy(bool)]
    n_known = np.isfinite(values).sum(axis=0)
    for marker, n in zip(markers, n_known):
        if 0 < n < len(values):
            raise InputError(
                f"{name}: marker '{marker}' is measured in {n} of {len(values)} cells; "
                "give the files that lack it a panel of their own"
            )
    return [marker for marker, n in zip(markers, n_known) if n]


def unrelated(first: AnnData, second: AnnData, names: tuple[str, str]) -> dict[str, str]:
    """Markers of two panels, which both measure all of them, that are related to the rest in one panel alone.

    Returns marker -> a sentence with the ``names`` of the panels, see `unrelated_markers`.
    """
    values = [np.asarray(panel.layers[keys.PREPROCESSED]) for panel in (first, second)]
    found = unrelated_markers.unrelated_markers(*values)
    return {
        str(first.var_names[each.marker]): unrelated_markers.sentence(each, str(first.var_names[each.marker]), names)
        for each in found
    }


def image_truth(query: AnnData, answer: AnnData, real_train: AnnData, real_test: AnnData) -> AnnData:
    """The images that only evaluation sees: the query with its answers, and real images of the target.

    Pixels are in [0, 1].
    """
    query = query.copy()
    query.layers[keys.TRUTH] = pixels(answer)
    parts = [query, real_train.copy(), real_test]
    for part, domain, split in zip(parts, "122", ("test", "train", "test")):
        part.X = pixels(part)
        part.obs = cast(pd.DataFrame, part.obs)[[keys.CELL_TYPE]].assign(domain=domain, split=split)
        part.obs_names = [f"{name}:{domain}" if domain == "2" else name for name in part.obs_names]
        part.layers.setdefault(keys.TRUTH, np.full(part.shape, np.nan, np.float32))
    truth = anndata.concat(parts)
    truth.uns = dict(query.uns)
    return truth


def without_labels(adata: AnnData, columns: Sequence[str] = (keys.BATCH, keys.SAMPLE)) -> AnnData:
    """Copy what a method may know: without the truth, and with only ``columns`` of obs."""
    without_labels = AnnData(
        cast(np.ndarray, adata.X).copy(),
        obs=cast(pd.DataFrame, adata.obs)[[c for c in columns if c in adata.obs]].copy(),
        var=cast(pd.DataFrame, adata.var).copy(),
        uns=dict(adata.uns),
    )
    if keys.PREPROCESSED in adata.layers:
        without_labels.layers[keys.PREPROCESSED] = adata.layers[keys.PREPROCESSED].copy()
    return without_labels


def known_markers(markers: Sequence[str], adata: AnnData) -> None:
    for marker in markers:
        if marker not in adata.var_names:
            raise InputError(f"marker '{marker}' is not in the data{among(marker, adata.var_names)}")


def enough(parts: Mapping[str, Sized], batch_size: int) -> None:
    """`InputError` for the first part with fewer samples than a minibatch."""
    for name, part in parts.items():
        if len(part) < batch_size:
            raise InputError(
                f"{name} has {len(part)} training samples, fewer than a minibatch of {batch_size}; "
                "lower training.batch_size"
            )


def join_rows(mapped: Mapping[str, AnnData]) -> AnnData:
    """Concatenate the maps of all folds; ``obs["fold"]`` names the fold of each row."""
    parts = [part.copy() for part in mapped.values()]
    for fold, part in zip(mapped, parts):
        part.obs[keys.FOLD] = fold
    return anndata.concat(parts, axis="obs", merge="same")
