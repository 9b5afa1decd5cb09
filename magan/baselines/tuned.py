"""Predict unshared markers by a regressor; training cells choose its setting and the matching of shared markers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan.baselines.panels import intensities, shared_and_missing
from magan.batch_maps import MAPS
from magan.regressors import REGRESSORS, Fit, standardised
from magan.regressors.hidden_markers import best_matching, mean_r, some

SETTINGS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "extra_trees": [{"leaf": leaf} for leaf in (2, 5, 10)],
    "boosting": [{"leaves": leaves} for leaves in (7, 15, 31)],
    "nearest": [{"k": k} for k in (10, 25, 50, 100)],
}
COMPARED = 2000  # cells of panel 2 by which settings are compared
PARTS = 3  # of the cells; each part is predicted from the rest


def tuned(x1: AnnData, x2: AnnData, query: AnnData, *, regressor: str) -> np.ndarray:
    """Return all markers of ``x2`` for the query: shared markers as measured, unshared ones predicted, ``(n, M2)``.

    The setting of the ``regressor`` is the best of ``SETTINGS`` by cross-validation in ``x2``. The shared markers of
    panel 1 are moved to the units of panel 2 as measured, by z-scores or by quantiles: the best by the shared markers
    themselves, each hidden in turn and predicted on training cells of panel 1. Both are chosen by the mean of Pearson's
    r over markers.

    Raises
    ------
    InputError
        The panels share no marker.
    """
    shared, missing = map(sorted, shared_and_missing(x1, x2, query))  # trees draw columns by their place
    mapped = np.empty((query.n_obs, x2.n_vars), np.float32)
    mapped[:, x2.var_names.get_indexer(pd.Index(shared))] = intensities(query, shared)
    if not missing:
        return mapped
    source, target, queries = (intensities(cells, shared) for cells in (x1, x2, query))
    to_units = standardised(target)
    features, targets = to_units(target), intensities(x2, missing)
    fit = best_setting(regressor, features, targets)
    matching = MAPS[best_matching(fit, source, target)]
    seen = to_units(matching.apply(matching.fit(source, target), queries))
    mapped[:, x2.var_names.get_indexer(pd.Index(missing))] = fit(features, targets)(seen)
    return mapped


def best_setting(regressor: str, features: np.ndarray, targets: np.ndarray) -> Fit:
    """Return the regressor with the setting that predicts targets best, each of three parts from the rest."""
    rows = some(len(features), COMPARED)
    part = np.arange(len(rows)) % PARTS
    candidates = [partial(REGRESSORS[regressor], **setting) for setting in SETTINGS[regressor]]

    def skill(fit: Fit) -> float:
        predicted = np.empty((len(rows), targets.shape[1]))
        for i in range(PARTS):
            known, asked = rows[part != i], rows[part == i]
            predicted[part == i] = fit(features[known], targets[known])(features[asked])
        return mean_r(targets[rows], predicted)

    return max(candidates, key=skill)
