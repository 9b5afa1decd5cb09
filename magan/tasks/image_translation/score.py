"""Score images mapped from one set to another: likeness to partners, to the target set, and to the original."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import digit_identity, image_pairs
from magan.metrics.classifier_features import Seen, classes, each, knows, labels, mapped_as, named, seen
from magan.metrics.image_set_scores import floor_of_sets, of_sets
from magan.metrics.tidy import failures, floor_rows, join, maps, rows, same_rows


def score(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """Every score that the data allow, for every map.

    The set of mapped images is compared with real target images outside the training set: `image_set_scores`.
    Each image with a known true partner has ``l1``, ``ssim``, ``retrieved`` (by pixels; its groups "first 2",
    "first 5" ... are shares among so many nearest), ``retrieved_ssim``, ``retrieved_outlines`` and
    ``retrieved_features``,
    ``reciprocal_rank``. ``travel_cosine`` compares the vectors between the features of mapped images with those
    between their true partners or, where no partner is known, between the original images.
    Where the classifier knows the classes of the target, ``class_accuracy`` is the share of images
    that keep their class (also class by class). Where the classifier separates the two sets, ``taken_for_target`` is
    the share that it assigns to the target. ``background_change`` needs ``layers["object"]``.

    Parameters
    ----------
    truth
        The query (domain "1") and real target images (domain "2"), as the classifier saw them, if any;
        ``layers["truth"]`` is the true partner of a query image, nan where there is none.
    mapped
        Images of domain 1, in domain 2, as the classifier saw them.

    Returns
    -------
    DataFrame
        Columns ``keys.METRICS``; feature "all". Undefined scores are nan.
    """
    seeds, _ = maps(mapped)
    if not seeds:
        return failures(mapped)
    query, of = same_rows(truth, mapped), mapped_as(mapped, seeds)
    tables = of_sets(truth, mapped, seeds, of)
    tables += _of_partners(query, mapped, seeds, of)
    tables += _of_identity(truth, query, mapped, seeds, of)
    if keys.OBJECT in query.layers:
        shown = np.asarray(query.layers[keys.OBJECT])
        before = np.asarray(query.X)
        change = each(lambda x: image_pairs.background_change(before, x.pixels, shown), of)
        tables.append(rows(mapped.uns, seeds, "background_change", change, keys.ALL))
    return join([*tables, failures(mapped)])


def floor(truth: AnnData) -> pd.DataFrame:
    """Scores of real images of the target, and the accuracy of the classifier on them."""
    return join([*floor_of_sets(truth, "translation"), *of_classifier(truth, "translation")])


def of_classifier(truth: AnnData, task: str) -> list[pd.DataFrame]:
    """``classifier_accuracy`` on real images outside its training set, of the target or of both sets."""
    if not classes(truth):
        return []
    unseen = (truth.obs[keys.SPLIT].astype(str) == "test").to_numpy()
    if knows(truth, keys.CELL_TYPE):
        unseen &= (truth.obs[keys.DOMAIN].astype(str) == "2").to_numpy()
    part = truth[unseen]
    true_labels = part.obs[str(truth.uns[keys.CLASSIFIER]["of"])].astype(str).to_numpy().astype(str)
    accuracy = digit_identity.identity_accuracy(named(truth, seen(part))[None].astype(object), true_labels)
    return [floor_rows(truth, task, "classifier_accuracy", accuracy, keys.ALL)]


def _of_partners(query: AnnData, mapped: AnnData, seeds: Sequence, of: Sequence[Seen]) -> list[pd.DataFrame]:
    """Likeness to the true partner, and the vectors between images."""
    known = np.isfinite(np.asarray(query.layers[keys.TRUTH])).all(axis=1)
    partner = seen(query[known], keys.TRUTH)
    found: dict[tuple[str, str], np.ndarray] = {}  # (metric, group) -> (R,)
    if known.any():
        paired = [images.at(known) for images in of]
        shape = tuple(int(n) for n in query.uns[keys.IMAGE]["shape"])
        found["l1", keys.ALL] = each(lambda x: image_pairs.l1(x.pixels, partner.pixels), paired)
        found["ssim", keys.ALL] = each(lambda x: image_pairs.ssim(x.pixels, partner.pixels, shape), paired)
        found |= _retrieved(paired, partner, shape)
    before, rows_of = (partner, known) if known.any() else (seen(query), np.full(query.n_obs, True))
    if before.features is not None:
        found["travel_cosine", keys.ALL] = each(
            lambda x: image_pairs.travel_cosine(before.embedded(), x.embedded()[rows_of]), of
        )
    return [rows(mapped.uns, seeds, metric, value, group) for (metric, group), value in found.items()]


def _retrieved(of: Sequence[Seen], partner: Seen, shape: tuple[int, ...]) -> dict[tuple[str, str], np.ndarray]:
    """(metric, group) -> the share of images whose true partner is the nearest, or among the nearest."""
    places = np.stack([image_pairs.partner_ranks(x.pixels, partner.pixels) for x in of])
    found = {("retrieved", keys.ALL): _within(places, 1), ("reciprocal_rank", keys.ALL): (1 / places).mean(axis=1)}
    for most in image_pairs.RANKS:
        if most < min(image_pairs.GALLERY, places.shape[1]):
            found["retrieved", f"first {most}"] = _within(places, most)

    def unlike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return -image_pairs.similarities(a, b, shape)

    alike = [image_pairs.partner_ranks(x.pixels, partner.pixels, unlike) for x in of]
    found["retrieved_ssim", keys.ALL] = _within(np.stack(alike), 1)
    drawn = image_pairs.outlines(partner.pixels, shape)
    by_outlines = [image_pairs.partner_ranks(image_pairs.outlines(x.pixels, shape), drawn) for x in of]
    found["retrieved_outlines", keys.ALL] = _within(np.stack(by_outlines), 1)
    if partner.features is not None:
        by_features = [image_pairs.partner_ranks(x.embedded(), partner.embedded()) for x in of]
        found["retrieved_features", keys.ALL] = _within(np.stack(by_features), 1)
    return found


def _within(places: np.ndarray, most: int) -> np.ndarray:
    """Share of ranks up to ``most``, ``(R, n) -> (R,)``; nan for a replicate that holds a nan."""
    return np.where(np.isfinite(places).all(axis=1), (places <= most).mean(axis=1), np.nan)


def _of_identity(truth: AnnData, query: AnnData, mapped: AnnData, seeds: Sequence, of: Sequence[Seen]) -> list:
    """Whether images keep their class, or at least are taken for the target."""
    if not classes(truth):
        return []
    words = np.array([named(truth, images) for images in of], dtype=object).reshape(len(of), query.n_obs)
    if knows(truth, keys.DOMAIN):
        taken = digit_identity.identity_accuracy(words, np.full(query.n_obs, "2"))
        return [rows(mapped.uns, seeds, "taken_for_target", taken, keys.ALL)]
    true_labels = labels(query)
    asked = np.isin(true_labels, classes(truth))
    hits = digit_identity.agreement(words[:, asked], true_labels[asked])
    return class_rows(mapped, seeds, hits, true_labels[asked])


def class_rows(
    mapped: AnnData, seeds: Sequence[int | str], hits: np.ndarray, true_labels: np.ndarray
) -> list[pd.DataFrame]:
    """``class_accuracy`` over all images and class by class, from ``hits`` ``(R, n)``."""
    if not len(true_labels):
        return []
    groups = {keys.ALL: np.full(len(true_labels), True)} | {
        name: true_labels == name for name in np.unique(true_labels)
    }
    return [
        rows(mapped.uns, seeds, "class_accuracy", hits[:, some].mean(axis=1), name) for name, some in groups.items()
    ]
