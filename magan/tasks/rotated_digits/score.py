"""Score mapped digits: do classifiers of real images still recognise the digit?"""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import digit_identity, image_pairs, image_sets
from magan.metrics.classifier_features import MOST, each, labels, mapped_as, named, real, seen
from magan.metrics.tidy import failures, floor_rows, join, maps, rows, same_rows


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every digit metric for every map.

    ``identity_accuracy`` is by the frozen classifier, ``nearest_accuracy`` by the
    nearest of the real target images of the split "train"; both are also given per
    digit. ``right``, ``flipped`` and ``mixed`` are 0 or 1 for each map, so that their
    mean over seeds is a share (`digit_identity.outcome`). ``sliced_wasserstein`` (pixels) and
    ``frechet`` (features) compare the maps with the real images of the split "test",
    and ``travel_cosine`` the vectors between their features with those between the features of their true partners.

    Parameters
    ----------
    truth
        The mapped and the real target images, as the classifier saw them (`magan.classifier.annotate`);
        ``layers["truth"]``, if present, is the result of a perfect map.
    mapped
        Images of domain 1, in domain 2, as the classifier saw them.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; feature "all". Undefined scores are nan.
    """
    seeds, values = maps(mapped)
    if not seeds:
        return failures(mapped)
    query = same_rows(truth, mapped)
    true_labels, of = labels(query), mapped_as(mapped, seeds)
    shown = real(truth[:, mapped.var_names], "train")
    judge = digit_identity.nearest(np.asarray(shown.X), labels(shown))
    words = {
        "identity_accuracy": _words(truth, of, values),
        "nearest_accuracy": digit_identity.nearest_named(judge, values),
    }
    groups = {keys.ALL: np.full(len(true_labels), True)} | {
        str(digit): true_labels == digit for digit in np.unique(true_labels)
    }
    tables = []
    for metric, predicted in words.items():
        hits = digit_identity.agreement(predicted, true_labels)
        tables += [rows(mapped.uns, seeds, metric, hits[:, some].mean(axis=1), name) for name, some in groups.items()]
    tables += _outcomes(mapped, seeds, words["identity_accuracy"], true_labels)
    target = seen(real(truth[:, mapped.var_names], "test")).first(MOST)
    found = {
        "sliced_wasserstein": each(lambda x: image_sets.sliced_wasserstein(x.first(MOST).pixels, target.pixels), of),
        "frechet": each(lambda x: image_sets.frechet(x.first(MOST).embedded(), target.embedded()), of),
    }
    if keys.TRUTH in query.layers:
        known = np.isfinite(np.asarray(query.layers[keys.TRUTH])).all(axis=1)
        partner = seen(query[known], keys.TRUTH)
        found["pixel_rmse"] = digit_identity.pixel_rmse(partner.pixels, values[:, known])
        found["travel_cosine"] = each(lambda x: image_pairs.travel_cosine(partner.embedded(), x.embedded()[known]), of)
    tables += [rows(mapped.uns, seeds, metric, value, keys.ALL) for metric, value in found.items()]
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """Scores of real target images of the split "test": the expected limit of every map.

    ``classifier_accuracy`` is the accuracy of the classifier on them, ``nearest_accuracy`` that of the nearest image
    of "train". ``sliced_wasserstein`` and ``frechet`` compare them with as many images of "train".
    """
    shown, unseen = real(truth, "train"), real(truth, "test")
    true_labels = labels(unseen)
    judge = digit_identity.nearest(np.asarray(shown.X), labels(shown))
    near = digit_identity.nearest_named(judge, np.asarray(unseen.X)[None])
    target = seen(unseen).first(MOST)
    training = seen(shown).first(len(target.pixels))
    values = {
        "classifier_accuracy": digit_identity.identity_accuracy(named(truth, seen(unseen))[None], true_labels),
        "nearest_accuracy": digit_identity.identity_accuracy(near, true_labels),
        "sliced_wasserstein": np.array([image_sets.sliced_wasserstein(training.pixels, target.pixels)]),
        "frechet": np.array([image_sets.frechet(training.embedded(), target.embedded())]),
    }
    return join([floor_rows(truth, "digits", metric, value, keys.ALL) for metric, value in values.items()])


def _words(truth: AnnData, of: list, values: np.ndarray) -> np.ndarray:
    """Class that the classifier predicts for every mapped image, ``(R, n)`` words."""
    return np.array([named(truth, images) for images in of], dtype=object).reshape(values.shape[:2])


def _outcomes(mapped: AnnData, seeds: tuple, predicted: np.ndarray, true_labels: np.ndarray) -> list[pd.DataFrame]:
    accuracy, permuted = (
        digit_identity.identity_accuracy(predicted, true_labels),
        digit_identity.permuted_accuracy(predicted, true_labels),
    )
    words = digit_identity.outcome(accuracy, permuted)
    tables = [
        rows(mapped.uns, seeds, name, np.where(words == "", np.nan, words == name), keys.ALL) for name in keys.OUTCOMES
    ]
    return [*tables, rows(mapped.uns, seeds, "permuted_accuracy", permuted, keys.ALL)]
