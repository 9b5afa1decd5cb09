"""Score predictions of held-out markers, which training never saw in these cells."""

from typing import Any, cast

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.ensemble import HistGradientBoostingRegressor

from magan import keys
from magan.metrics.markers import MARKERS, coverage, interval_width, variance_ratio, wasserstein
from magan.metrics.tidy import failures, join, maps, rows, same_rows, table

PAIRED_CELLS = 20_000  # cells of panel 1 that train the ceiling


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every metric of ``MARKERS`` for every map and marker, and their mean over markers.

    A map with draws and intervals also has `coverage` and `interval_width`, and for
    its draws "sampled_wasserstein" and "sampled_variance_ratio"; these have no seed,
    because they describe all seeds together. A baseline has the last two for its
    only values, so that methods that draw can be compared with it.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` holds what was measured, in arcsinh units.
    mapped
        The same cells by the held-out markers.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; group "all". Undefined scores are nan.
    """
    seeds, values = maps(mapped)
    if not seeds:
        return failures(mapped)
    known = np.asarray(same_rows(truth, mapped).layers[keys.PREPROCESSED])
    markers = list(mapped.var_names)
    scores = [
        rows(mapped.uns, seeds, name, metric(known, values), keys.ALL, markers) for name, metric in MARKERS.items()
    ]
    together = _of_draws(known, mapped) | _of_intervals(known, mapped)
    scores += [rows(mapped.uns, [""], name, value[None], keys.ALL, markers) for name, value in together.items()]
    return join([*scores, failures(mapped)])


def _of_draws(known: np.ndarray, mapped: AnnData) -> dict[str, np.ndarray]:
    layer = next((name for name in (keys.SAMPLED, keys.BASELINE) if name in mapped.layers), None)
    if layer is None:
        return {}
    drawn = np.asarray(mapped.layers[layer])[None]
    return {
        "sampled_wasserstein": wasserstein(known, drawn)[0],
        "sampled_variance_ratio": variance_ratio(known, drawn)[0],
    }


def _of_intervals(known: np.ndarray, mapped: AnnData) -> dict[str, np.ndarray]:
    if keys.LOW not in mapped.layers:
        return {}
    low, high = (np.asarray(mapped.layers[name]) for name in (keys.LOW, keys.HIGH))
    return {"coverage": coverage(known, low, high), "interval_width": interval_width(low, high)}


def ceiling(truth: AnnData) -> pd.DataFrame:
    """The metrics of ``MARKERS`` for a prediction that no panel can make: method and arm "ceiling", no seed.

    Gradient boosting that learns each held-out marker from panel 1's training
    cells with all remaining markers of panel 1, and the truth. Empty where
    ``uns["paired"]`` does not hold them, see `magan.tasks.heldout_markers.folds.split`.
    """
    if keys.PAIRED not in truth.uns:
        return table()
    paired = truth.uns[keys.PAIRED]
    panel = [str(marker) for marker in paired["markers"]]
    train, query = np.asarray(paired["train"]), np.asarray(paired["query"])
    train = train[np.random.default_rng(0).permutation(len(train))[:PAIRED_CELLS]]
    columns = []
    for marker in truth.var_names:
        inputs = [i for i, name in enumerate(panel) if name != marker]
        # scikit-learn has no types: the checker takes the type of early_stopping from its default, a word.
        model = HistGradientBoostingRegressor(max_iter=100, early_stopping=cast(Any, False), random_state=0)
        model.fit(train[:, inputs], train[:, panel.index(marker)])
        columns.append(model.predict(query[:, inputs]))
    known, best = np.asarray(truth.layers[keys.PREPROCESSED]), np.stack(columns, axis=1)[None]
    about = {keys.TASK: "heldout", keys.DATASET: truth.uns.get(keys.DATASET, "")}
    about |= {keys.METHOD: keys.CEILING, keys.ARM: keys.CEILING}
    markers = list(truth.var_names)
    return join([rows(about, [""], name, metric(known, best), keys.ALL, markers) for name, metric in MARKERS.items()])


floor = ceiling  # no method can know more than the truth itself
