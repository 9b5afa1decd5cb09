"""Scores of images made from nothing, or from what an application knows: are they like real ones, and are all there?"""

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
    """Every score of the samples of each seed, against real images that nobody trained on.

    Of the set of samples: `magan.metrics.image_set_scores`, and ``class_share`` class by class.
    Of a model that was told the class of every sample (``uns["given"]``), or more, ``class_accuracy``,
    the share that the classifier takes for it, also class by class, and ``permuted_accuracy``, the same
    after the best renaming of classes: a code that names them in its own way has it. Of one that was told
    something of an image, ``l1`` and ``ssim`` to that image. Of one that measures images itself
    (``uns["measures"]``), what it says. There is no consensus: a mean of samples is none.

    Parameters
    ----------
    truth
        Test images (domain "1", and "2" with split "test") and training images ("2", "train"), as the classifier
        saw them if there is one.
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
    given = [str(name) for name in np.atleast_1d(mapped.uns.get(keys.GIVEN, []))]
    tables = of_sets(truth, mapped, seeds, of)
    if knows(truth, keys.CELL_TYPE):
        tables += of_classes(truth, mapped, seeds, of)
        if given:
            words, own = np.array([named(truth, one) for one in of], dtype=object), labels(query)
            asked = np.isin(own, classes(truth))
            words = words.reshape(len(of), -1)[:, asked]
            tables += class_rows(mapped, seeds, digit_identity.agreement(words, own[asked]), own[asked])
            permuted = digit_identity.permuted_accuracy(words, own[asked])
            tables.append(rows(mapped.uns, seeds, "permuted_accuracy", permuted, keys.ALL))
    if "x" in given:
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
    """What training images score against test images, and how often the classifier is right about these."""
    return join([*floor_of_sets(truth, "generation"), *of_classifier(truth, "generation")])
