"""Scores of mapped digits: is the image of a digit still that digit, by the eye of a judge that saw only real ones?"""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.evaluation import matching
from magan.evaluation.tidy import failures, floor_rows, join, maps, rows, same_rows


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every digit metric for every map.

    The judge learns from the real target images of the split "train", and the
    nearest image is sought among the same. ``right``, ``flipped`` and ``mixed``
    are 0 or 1 for each map, so that their mean over seeds is a share; they follow
    ``identity_accuracy`` over all digits. The accuracies are also given per digit.

    Parameters
    ----------
    truth
        The mapped and the real target images; ``layers["truth"]``, if there, is what a perfect map gives.
    mapped
        Images of domain 1, in domain 2.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; feature "all". Undefined scores are nan.
    """
    seeds, values = maps(mapped)
    if not seeds:
        return failures(mapped)
    query = same_rows(truth, mapped)
    labels = _labels(query)
    images, image_labels = _real(truth[:, mapped.var_names], "train")
    judges = {"identity_accuracy": matching.classifier, "nearest_accuracy": matching.nearest}
    groups = {keys.ALL: np.full(len(labels), True)} | {str(digit): labels == digit for digit in np.unique(labels)}
    tables = []
    for metric, learn in judges.items():
        hits = matching.agreement(learn(images, image_labels), values, labels)
        tables += [rows(mapped.uns, seeds, metric, hits[:, own].mean(axis=1), name) for name, own in groups.items()]
        if metric == "identity_accuracy":
            tables += _outcomes(mapped, seeds, hits.mean(axis=1))
    if keys.TRUTH in query.layers:
        known = np.asarray(query.layers[keys.TRUTH])
        rotated = np.isfinite(known).all(axis=1)
        error = matching.pixel_rmse(known[rotated], values[:, rotated])
        tables.append(rows(mapped.uns, seeds, "pixel_rmse", error, keys.ALL))
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """``classifier_accuracy`` and ``nearest_accuracy`` of real target images.

    The images of the split "test", judged by those of "train": no map can be
    expected to score better than real images do.
    """
    images, labels = _real(truth, "train")
    unseen, unseen_labels = _real(truth, "test")
    accuracy = matching.identity_accuracy(matching.classifier(images, labels), unseen[None], unseen_labels)
    nearest = matching.nearest_accuracy(unseen[None], unseen_labels, images, labels)
    return join(
        [
            floor_rows(truth, "digits", "classifier_accuracy", accuracy, keys.ALL),
            floor_rows(truth, "digits", "nearest_accuracy", nearest, keys.ALL),
        ]
    )


def _outcomes(mapped: AnnData, seeds: tuple[int | str, ...], accuracy: np.ndarray) -> list[pd.DataFrame]:
    words = matching.outcome(accuracy)
    return [
        rows(mapped.uns, seeds, name, np.where(words == "", np.nan, words == name), keys.ALL)
        for name in matching.OUTCOMES
    ]


def _real(truth: AnnData, split: str) -> tuple[np.ndarray, np.ndarray]:
    inside = (truth.obs[keys.DOMAIN].astype(str) == "2") & (truth.obs[keys.SPLIT].astype(str) == split)
    part = truth[inside.to_numpy()]
    return np.asarray(part.X), _labels(part)


def _labels(adata: AnnData) -> np.ndarray:
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)
