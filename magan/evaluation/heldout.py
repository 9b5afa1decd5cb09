"""Scores of held-out markers: what the map says of a marker that training never saw in these cells."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.evaluation.markers import MARKERS
from magan.evaluation.tidy import failures, join, maps, rows, same_rows, table


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every metric of ``MARKERS`` for every map and marker, and their mean over markers.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` holds what was measured, in arcsinh units.
    mapped
        The same cells; its markers are the held-out ones.

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
    return join([*scores, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """Empty: the truth is known cell by cell, so the best score is known too."""
    return table()
