"""Tests of magan.metrics.image_pairs: windows by hand, ranks by counting, and maps whose vectors are known."""

import numpy as np
import pytest

from magan.metrics import image_pairs

SHAPE = (2, 9, 13)


def pictures(n: int, seed: int = 0, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).random((n, int(np.prod(shape))))


def by_windows(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two images (C, H, W), window by window."""
    u = np.arange(-5, 6)
    weights = np.exp(-(u[:, None] ** 2 + u[None, :] ** 2) / 4.5)
    weights /= weights.sum()
    found = []
    for one, other in zip(a, b):
        wide = [np.pad(x, 5, mode="symmetric") for x in (one, other)]
        for i in range(one.shape[0]):
            for j in range(one.shape[1]):
                x, y = (w[i : i + 11, j : j + 11] for w in wide)
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
                both = (weights * (x - mx) * (y - my)).sum()
                found.append((2 * mx * my + 1e-4) * (2 * both + 9e-4) / (mx**2 + my**2 + 1e-4) / (vx + vy + 9e-4))
    return float(np.mean(found))


def test_structural_similarity_equals_the_direct_computation_of_every_window():
    x, truth = pictures(2), pictures(2, 1)
    expected = np.mean([by_windows(a.reshape(SHAPE), b.reshape(SHAPE)) for a, b in zip(x, truth)])
    assert image_pairs.ssim(x, truth, SHAPE) == pytest.approx(expected)


def test_an_image_is_wholly_similar_to_itself_and_less_to_its_negative_than_to_a_brighter_one():
    x = pictures(3)
    assert image_pairs.ssim(x, x, SHAPE) == pytest.approx(1)
    assert image_pairs.ssim(1 - x, x, SHAPE) < 0 < image_pairs.ssim(0.5 * x + 0.5, x, SHAPE) < 1


def test_similarities_of_all_with_all_hold_those_of_partners():
    x, truth = pictures(3), pictures(4, 1)
    full = image_pairs.similarities(x, truth, SHAPE, places=13)
    assert full.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            assert full[i, j] == pytest.approx(image_pairs.ssim(x[i : i + 1], truth[j : j + 1], SHAPE))


def test_fewer_windows_still_find_the_partner():
    shape = (1, 28, 28)
    truth = pictures(30, shape=shape)
    found = image_pairs.similarities(0.8 * truth + 0.2 * pictures(30, 1, shape), truth, shape)
    np.testing.assert_array_equal(found.argmax(axis=1), np.arange(30))


def test_a_rank_counts_the_partners_that_are_as_near():
    distance = np.array([[1.0, 2.0, 0.5], [3.0, 3.0, 9.0], [4.0, 1.0, 7.0]])
    np.testing.assert_array_equal(image_pairs.ranks(distance), [2, 2, 3])


def test_partners_are_sought_among_a_hundred_whatever_their_number():
    truth = np.random.default_rng(0).normal(size=(250, 5))
    np.testing.assert_array_equal(image_pairs.partner_ranks(truth, truth), 1)
    chance = image_pairs.partner_ranks(np.random.default_rng(1).normal(size=(250, 5)), truth)
    assert chance.max() <= 100 and chance[200:].max() <= 50
    assert chance[:200].mean() == pytest.approx(50.5, abs=6)
    constant = image_pairs.partner_ranks(np.zeros((100, 5)), truth[:100])
    assert sorted(constant) == list(range(1, 101))


def cosine(before: np.ndarray, after: np.ndarray) -> float:
    found = []
    for i in range(len(before)):
        for j in range(len(before)):
            v, w = before[i] - before[j], after[i] - after[j]
            if np.linalg.norm(v) > 1e-6 and np.linalg.norm(w) > 1e-6:
                found.append(v @ w / np.linalg.norm(v) / np.linalg.norm(w))
    return float(np.mean(found))


def test_the_cosine_of_vectors_is_their_mean_over_pairs():
    before, after = (np.random.default_rng(s).normal(size=(12, 4)) for s in (0, 1))
    after[3], before[5] = after[2], before[4]  # vectors of length 0 count nowhere
    assert image_pairs.travel_cosine(before, after) == pytest.approx(cosine(before, after))


def test_a_shift_and_a_scale_keep_every_vector_and_a_mirror_turns_them():
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert image_pairs.travel_cosine(x, 3 * x + 7) == pytest.approx(1)
    assert image_pairs.travel_cosine(x, -x) == pytest.approx(-1)
    assert abs(image_pairs.travel_cosine(x, np.random.default_rng(1).normal(size=(50, 6)))) < 0.05
    assert np.isnan(image_pairs.travel_cosine(x, np.zeros_like(x)))


def test_only_pixels_outside_the_object_count_as_background():
    before = pictures(2)
    shown = np.zeros_like(before)
    shown[:, :50] = 1
    shown[:, 50:60] = np.nan
    after = before.copy()
    after[:, :60] = 9
    assert image_pairs.background_change(before, after, shown) == 0
    after[:, 60:] += 0.25
    assert image_pairs.background_change(before, after, shown) == pytest.approx(0.25)
    assert np.isnan(image_pairs.background_change(before, after, np.ones_like(before)))


@pytest.mark.filterwarnings("error")
def test_a_broken_image_and_an_empty_set_have_no_score():
    x, truth = pictures(3), pictures(3, 1)
    x[1, 4] = np.nan
    assert np.isnan(image_pairs.l1(x, truth)) and np.isnan(image_pairs.ssim(x, truth, SHAPE))
    assert np.isnan(image_pairs.partner_ranks(x, truth)).all() and np.isnan(image_pairs.travel_cosine(x, truth))
    assert np.isnan(image_pairs.background_change(truth, x, np.zeros_like(x)))
    assert np.isnan(image_pairs.l1(x[:0], truth[:0])) and np.isnan(image_pairs.ssim(x[:0], truth[:0], SHAPE))


def test_the_mean_difference_is_that_of_all_pixels():
    truth = pictures(4)
    signs = np.where(np.arange(truth.shape[1]) % 2, 0.1, -0.1)
    assert image_pairs.l1(truth + signs, truth) == pytest.approx(0.1)


def test_outlines_are_blind_to_colour_and_contrast_and_see_the_direction_of_edges():
    across = np.zeros((1, 3, 16, 16))
    across[:, :, 8:] = 1
    faint, negative, along = 0.2 + 0.5 * across, 1 - across, across.transpose(0, 1, 3, 2)
    told = [image_pairs.outlines(image.reshape(1, -1), (3, 16, 16)) for image in (across, faint, negative, along)]
    np.testing.assert_allclose(told[0], told[1], atol=1e-9)
    np.testing.assert_allclose(told[0], told[2], atol=1e-9)
    assert float((told[0] * told[3]).sum()) < 0.2
    assert np.linalg.norm(told[0]) == pytest.approx(1)
    assert not image_pairs.outlines(np.full((1, 192), 0.5), (3, 8, 8)).any()


def test_outlines_of_an_image_depend_on_no_other_image():
    x = pictures(5)
    alone = [image_pairs.outlines(image[None], SHAPE) for image in x]
    np.testing.assert_allclose(image_pairs.outlines(x, SHAPE), np.concatenate(alone), atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 10.0, 40.0, 75.0, 100.0, 165.0, 190.0])
def test_outlines_of_a_slope_are_the_shares_of_its_two_nearest_directions(angle):
    """A plane has the same gradient everywhere, so every field has the two weights of its angle, in steps of 30."""
    down, right = np.meshgrid(np.arange(16.0), np.arange(16.0), indexing="ij")
    plane = np.sin(np.radians(angle)) * down + np.cos(np.radians(angle)) * right
    step, share = divmod((angle % 180) / 30, 1)
    expected = np.zeros(6)
    expected[int(step)], expected[int(step + 1) % 6] = 1 - share, share
    found = image_pairs.outlines(plane.reshape(1, -1), (1, 16, 16)).reshape(6, 8, 8)
    np.testing.assert_allclose(found, np.broadcast_to(np.sqrt(expected)[:, None, None] / 8, (6, 8, 8)), atol=1e-6)


def test_outlines_see_where_an_edge_is():
    left, right = (np.zeros((1, 1, 16, 16)) for _ in range(2))
    left[..., 3:], right[..., 12:] = 1, 1
    told = [image_pairs.outlines(image.reshape(1, -1), (1, 16, 16)) for image in (left, right)]
    assert float((told[0] * told[1]).sum()) < 0.5
