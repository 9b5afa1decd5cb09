"""Scores of mapped digits: is the image of a digit still that digit, by the eye of judges that saw only real ones?"""

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
    and ``travel_cosine`` the vectors between their features with those between their true partners'.

    Parameters
    ----------
    truth
        The mapped and the real target images, as the classifier saw them (`magan.classifier.look`);
        ``layers["truth"]``, if there, is what a perfect map gives.
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
    own, of = labels(query), mapped_as(mapped, seeds)
    shown = real(truth[:, mapped.var_names], "train")
    judge = digit_identity.nearest(np.asarray(shown.X), labels(shown))
    words = {
        "identity_accuracy": _words(truth, of, values),
        "nearest_accuracy": digit_identity.nearest_named(judge, values),
    }
    groups = {keys.ALL: np.full(len(own), True)} | {str(digit): own == digit for digit in np.unique(own)}
    tables = []
    for metric, told in words.items():
        hits = digit_identity.agreement(told, own)
        tables += [rows(mapped.uns, seeds, metric, hits[:, some].mean(axis=1), name) for name, some in groups.items()]
    tables += _outcomes(mapped, seeds, words["identity_accuracy"], own)
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
    """What real target images of the split "test" score: no map can be expected to do better.

    ``classifier_accuracy`` is how often the classifier is right about them, ``nearest_accuracy`` how often
    the nearest of "train" is. With as many images of "train" ``sliced_wasserstein`` and ``frechet`` compare them.
    """
    shown, unseen = real(truth, "train"), real(truth, "test")
    own = labels(unseen)
    judge = digit_identity.nearest(np.asarray(shown.X), labels(shown))
    near = digit_identity.nearest_named(judge, np.asarray(unseen.X)[None])
    target = seen(unseen).first(MOST)
    other = seen(shown).first(len(target.pixels))
    values = {
        "classifier_accuracy": digit_identity.identity_accuracy(named(truth, seen(unseen))[None], own),
        "nearest_accuracy": digit_identity.identity_accuracy(near, own),
        "sliced_wasserstein": np.array([image_sets.sliced_wasserstein(other.pixels, target.pixels)]),
        "frechet": np.array([image_sets.frechet(other.embedded(), target.embedded())]),
    }
    return join([floor_rows(truth, "digits", metric, value, keys.ALL) for metric, value in values.items()])


def _words(truth: AnnData, of: list, values: np.ndarray) -> np.ndarray:
    """What the classifier calls every mapped image, ``(R, n)`` words."""
    return np.array([named(truth, one) for one in of], dtype=object).reshape(values.shape[:2])


def _outcomes(mapped: AnnData, seeds: tuple, told: np.ndarray, own: np.ndarray) -> list[pd.DataFrame]:
    accuracy, permuted = digit_identity.identity_accuracy(told, own), digit_identity.permuted_accuracy(told, own)
    words = digit_identity.outcome(accuracy, permuted)
    tables = [
        rows(mapped.uns, seeds, name, np.where(words == "", np.nan, words == name), keys.ALL)
        for name in digit_identity.OUTCOMES
    ]
    return [*tables, rows(mapped.uns, seeds, "permuted_accuracy", permuted, keys.ALL)]
