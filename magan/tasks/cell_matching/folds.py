"""Two sets of cells without a common marker, and a few known pairs for training."""

from collections.abc import Mapping, Sequence
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.check_markers import check
from magan.errors import InputError
from magan.tasks.cell_matching.settings import Matching
from magan.tasks.folds import Folds, join_rows, without_labels

join = join_rows


def split(settings: Matching, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """All cells of both sets with ``n_pairs`` known pairs; one fold per draw of the pairs.

    Rows of the two sets with the same word in ``obs["pair"]`` are a pair. Each
    fold draws different pairs, so the spread over folds measures the luck of the
    draw; all seeds and baselines of a fold train on the same pairs. Nothing else in
    the input of a method shows which cells belong together: the cells of domain 2
    are in random order, under new names, and populations are left out. Every
    cell of domain 1 is mapped; scores leave out the cells of the training pairs.

    Raises
    ------
    InputError
        A set has no ``obs["pair"]`` or a pair twice, a feature is in both sets or
        constant, no pair is left to score, or a set has too few cells for a minibatch.
    """
    (first, second), n_pairs, seed = cells, settings.n_pairs, settings.split_seed
    common = sorted(_pairs(first, "cells_1").keys() & _pairs(second, "cells_2").keys())
    if len(common) <= n_pairs:
        raise InputError(
            f"cells_1 and cells_2 have {len(common)} common pairs and n_pairs asks for {n_pairs} of them, "
            "which leaves none to score; lower n_pairs"
        )
    both = [name for name in first.var_names if name in second.var_names]
    if both:
        raise InputError(f"feature '{both[0]}' is in both cells_1 and cells_2; rename it, or use the task heldout")
    for name, part in (("cells_1", first), ("cells_2", second)):
        check(part, name)
        if part.n_obs < batch_size:
            raise InputError(f"{name} has {part.n_obs} cells, fewer than a minibatch; lower training.batch_size")
    order = np.random.default_rng([seed, 1]).permutation(second.n_obs)
    target = second[order].copy()
    target.obs_names = [f"cells_2:{i}" for i in range(target.n_obs)]
    train, query, truths = {}, {}, []
    for draw in range(settings.n_draws):
        name = f"draw_{draw + 1}"
        training_pairs = set(np.random.default_rng([seed, 2, draw]).choice(common, n_pairs, replace=False))
        train[name] = _training(first, training_pairs), _training(target, training_pairs)
        query[name] = without_labels(first)
        query[name].obs_names = f"{name}:" + first.obs_names
        truths.append(_answers(first, target, training_pairs, name))
    truth = anndata.concat([*truths, _answers(target, target, set(), "")], merge="same")
    truth.uns[keys.SOURCE] = sources(first, second)
    return Folds(train, query, truth)


def _pairs(cells: AnnData, name: str) -> dict[str, int]:
    """Map the word of each known pair to its row."""
    if keys.PAIR not in cells.obs:
        raise InputError(f"{name} has no obs column '{keys.PAIR}'; give the cells of a known pair the same word in it")
    words = cells.obs[keys.PAIR].astype(str)
    known = words[~words.str.lower().isin(keys.UNLABELLED)]
    if known.duplicated().any():
        raise InputError(f"{name}: pair '{known[known.duplicated()].iloc[0]}' is there twice; give each pair one word")
    return {word: i for i, word in enumerate(words) if word in set(known)}


def _training(cells: AnnData, training_pairs: set[str]) -> AnnData:
    """The input of training: the cells without labels, with the words of the training pairs."""
    part = without_labels(cells)
    words = cells.obs[keys.PAIR].astype(str)
    part.obs[keys.PAIR] = words.where(words.isin(training_pairs), "").to_numpy()
    return part


def _answers(cells: AnnData, target: AnnData, training_pairs: set[str], fold: str) -> AnnData:
    """The true partner of each cell in the target, nan where it is unknown; ``fold`` is "" for real cells."""
    words = cells.obs[keys.PAIR].astype(str)
    at = _pairs(target, "cells_2")
    values = np.full((cells.n_obs, target.n_vars), np.nan, np.float32)
    partner = np.arange(cells.n_obs) if not fold else np.array([at.get(word, -1) for word in words])
    values[partner >= 0] = np.asarray(target.layers[keys.PREPROCESSED])[partner[partner >= 0]]
    obs = pd.DataFrame(
        {keys.DOMAIN: "1" if fold else "2", keys.FOLD: fold, keys.KNOWN_PAIR: words.isin(training_pairs).to_numpy()},
        index=f"{fold}:" + cells.obs_names if fold else cells.obs_names,
    )
    obs[keys.CELL_TYPE] = cells.obs[keys.CELL_TYPE].astype(str).to_numpy() if keys.CELL_TYPE in cells.obs else ""
    return AnnData(
        values, obs=obs, var=cast(pd.DataFrame, target.var.copy()), layers={keys.PREPROCESSED: values.copy()}
    )


def sources(first: AnnData, second: AnnData) -> Mapping[str, object]:
    """Join the source records of both sets."""
    source_1, source_2 = (dict(cells.uns.get(keys.SOURCE, {})) for cells in (first, second))
    joined = {name: " and ".join(dict.fromkeys(str(s.get(name, "")) for s in (source_1, source_2)))
              for name in ("name", "licence", "citation")}  # fmt: skip
    return {**joined, "files": {**dict(source_1.get("files", {})), **dict(source_2.get("files", {}))}}
