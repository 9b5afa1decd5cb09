import itertools

import numpy as np
import pytest

from magan.metrics import digit_identity

LABELS = np.array(["0", "1", "2"])[np.arange(30) % 3]


@pytest.fixture
def real(stripes):
    return stripes(60, 0)


@pytest.fixture
def unseen(stripes):
    return stripes(20, 1)


def test_a_faithful_map_is_right_and_a_mirrored_one_flipped(real, unseen):
    images, labels = unseen
    half = np.where(np.arange(20)[:, None] < 10, images, images[:, ::-1])
    maps = np.stack([images, images[:, ::-1], half])
    named = digit_identity.nearest_named(digit_identity.nearest(*real), maps)
    identity = digit_identity.identity_accuracy(named, labels)
    np.testing.assert_allclose(identity, [1, 0, 0.5])
    permuted = digit_identity.permuted_accuracy(named, labels)
    np.testing.assert_allclose(permuted, [1, 1, 0.5])
    assert list(digit_identity.outcome(identity, permuted)) == ["right", "flipped", "mixed"]


def test_a_renaming_of_all_classes_is_forgiven_and_merging_two_is_not():
    turned = np.array(["1", "2", "0"])[np.arange(30) % 3]
    merged = np.where(LABELS == "2", "1", LABELS)
    scores = digit_identity.permuted_accuracy(np.stack([turned, merged, LABELS]).astype(object), LABELS)
    np.testing.assert_allclose(scores, [1, 2 / 3, 1])
    np.testing.assert_allclose(digit_identity.identity_accuracy(turned[None].astype(object), LABELS), 0)


def test_the_best_renaming_is_the_best_of_all_of_them():
    named = np.random.default_rng(0).choice(["0", "1", "2"], size=(4, 30)).astype(object)
    renamed = [np.array([r[int(word)] for word in LABELS]) for r in itertools.permutations("012")]
    expected = np.max([(named == labels).mean(axis=1) for labels in renamed], axis=0)
    np.testing.assert_allclose(digit_identity.permuted_accuracy(named, LABELS), expected)


def test_with_two_classes_flipped_means_that_fewer_than_a_tenth_are_kept():
    labels = np.array(["3", "7"])[np.arange(100) % 2]
    kept = np.arange(101)
    named = np.stack([np.where(np.arange(100) < k, labels, np.where(labels == "3", "7", "3")) for k in kept])
    words = digit_identity.outcome(
        digit_identity.identity_accuracy(named, labels), digit_identity.permuted_accuracy(named, labels)
    )
    assert list(words) == ["right" if k > 90 else "flipped" if k < 10 else "mixed" for k in kept]


def test_outcomes_are_strict_at_their_limits_and_empty_for_nan():
    words = digit_identity.outcome([0.9, 0.91, 0.1, 0.09, np.nan], [0.9, 0.91, 0.9, 0.91, np.nan])
    assert list(words) == ["mixed", "right", "mixed", "flipped", ""]


def test_labels_may_be_numbers_on_one_side_and_words_on_the_other(real, unseen):
    images, labels = unseen
    named = digit_identity.nearest_named(digit_identity.nearest(real[0], real[1].astype(int)), images[None])
    assert (
        digit_identity.identity_accuracy(named, labels)
        == digit_identity.identity_accuracy(named, labels.astype(int))
        == 1
    )


@pytest.mark.filterwarnings("error")
def test_a_broken_replicate_and_an_empty_set_are_nan(real, unseen):
    images, labels = unseen
    judge = digit_identity.nearest(*real)
    named = digit_identity.nearest_named(judge, np.stack([images, np.full_like(images, np.nan)]))
    for score in (digit_identity.identity_accuracy, digit_identity.permuted_accuracy):
        np.testing.assert_array_equal(np.isnan(score(named, labels)), [False, True])
        assert np.isnan(score(named[:, :0], labels[:0])).all()
    assert np.isnan(digit_identity.pixel_rmse(images[:0], images[None, :0])).all()


def test_pixel_rmse_of_a_brighter_image_is_the_difference(unseen):
    np.testing.assert_allclose(digit_identity.pixel_rmse(unseen[0], np.stack([unseen[0] + 0.2, unseen[0]])), [0.2, 0])
