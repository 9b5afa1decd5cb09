import numpy as np
import pytest

from magan.evaluation import matching


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
    identity = matching.identity_accuracy(matching.classifier(*real), maps, labels)
    np.testing.assert_allclose(identity, [1, 0, 0.5])
    np.testing.assert_allclose(matching.nearest_accuracy(maps, labels, *real), [1, 0, 0.5])
    assert list(matching.outcome(identity)) == ["right", "flipped", "mixed"]


def test_outcomes_are_strict_at_their_limits_and_empty_for_nan():
    assert list(matching.outcome([0.9, 0.91, 0.1, 0.09, np.nan])) == ["mixed", "right", "mixed", "flipped", ""]


def test_labels_may_be_numbers_on_one_side_and_words_on_the_other(real, unseen):
    images, labels = unseen
    judge = matching.classifier(real[0], real[1].astype(int))
    assert matching.identity_accuracy(judge, images[None], labels) == 1
    assert matching.nearest_accuracy(images[None], labels.astype(int), *real) == 1


@pytest.mark.filterwarnings("error")
def test_a_broken_replicate_and_an_empty_set_are_nan(real, unseen):
    images, labels = unseen
    judge = matching.classifier(*real)
    maps = np.stack([images, np.full_like(images, np.nan)])
    np.testing.assert_array_equal(np.isnan(matching.identity_accuracy(judge, maps, labels)), [False, True])
    assert np.isnan(matching.identity_accuracy(judge, maps[:, :0], labels[:0])).all()
    assert np.isnan(matching.pixel_rmse(images[:0], maps[:, :0])).all()


def test_pixel_rmse_of_a_brighter_image_is_the_difference(unseen):
    np.testing.assert_allclose(matching.pixel_rmse(unseen[0], np.stack([unseen[0] + 0.2, unseen[0]])), [0.2, 0])
