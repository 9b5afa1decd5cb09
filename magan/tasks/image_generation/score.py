"""Score generated images: likeness to real images, and coverage of their classes."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import digit_identity, image_pairs
from magan.metrics.classifier_features import classes, each, knows, labels, mapped_as, named, seen
from magan.metrics.image_set_scores import floor_of_sets, of_classes, of_sets
from magan.metrics.tidy import failures, join, maps, rows, same_rows
from magan.tasks.image_translation.score import class_rows, of_classifier


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every score of the samples of each seed, against real images outside the training set.

    The set of samples has the scores of `magan.metrics.image_set_scores`, and ``class_share`` class by class.
    A conditional model (``uns["given"]`` names its conditions) has ``class_accuracy``, the share of samples that
    the classifier assigns to the requested class, also class by class, and ``permuted_accuracy``, the same after
    the best permutation of classes, which serves a code that numbers the classes freely. A model conditioned on an
    image has ``l1`` and ``ssim`` to that image. A model that measures images (``uns["measures"]``) has its
    measurements. There is no consensus, because a mean of samples is no sample.

    Parameters
    ----------
    truth
        Test images (domain "1", and "2" with split "test") and training images ("2", "train"), as the classifier
        saw them, if any.
    mapped
        A sample for every test image, as the classifier saw them.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; feature "all". Undefined scores are nan.
    """
    seeds = [seed for seed in maps(mapped).seeds if seed != keys.CONSENSUS]
    if not seeds:
        return failures(mapped)
    query, of = same_rows(truth, mapped), mapped_as(mapped, seeds)
    conditions = [str(name) for name in np.atleast_1d(mapped.uns.get(keys.GIVEN, []))]
    tables = of_sets(truth, mapped, seeds, of)
    if knows(truth, keys.CELL_TYPE):
        tables += of_classes(truth, mapped, seeds, of)
        if conditions:
            words, true_labels = np.array([named(truth, images) for images in of], dtype=object), labels(query)
            asked = np.isin(true_labels, classes(truth))
            words = words.reshape(len(of), -1)[:, asked]
            tables += class_rows(mapped, seeds, digit_identity.agreement(words, true_labels[asked]), true_labels[asked])
            permuted = digit_identity.permuted_accuracy(words, true_labels[asked])
            tables.append(rows(mapped.uns, seeds, "permuted_accuracy", permuted, keys.ALL))
    if "x" in conditions:
        partner = seen(query, keys.TRUTH).pixels
        shape = tuple(int(n) for n in query.uns[keys.IMAGE]["shape"])
        for metric, values in (
            ("l1", each(lambda x: image_pairs.l1(x.pixels, partner), of)),
            ("ssim", each(lambda x: image_pairs.ssim(x.pixels, partner, shape), of)),
        ):
            tables.append(rows(mapped.uns, seeds, metric, values, keys.ALL))
    for metric, values in mapped.uns.get(keys.MEASURES, {}).items():
        tables.append(rows(mapped.uns, seeds, metric, np.atleast_1d(values), keys.ALL))
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """Scores of training images against test images, and the accuracy of the classifier on the test images."""
    return join([*floor_of_sets(truth, "generation"), *of_classifier(truth, "generation")])
