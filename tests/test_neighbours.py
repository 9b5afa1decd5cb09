import numpy as np
import pytest

from magan import neighbours
from magan.neighbours import NEIGHBOURS, Neighbours, blended, local_mean, share

RNG = np.random.default_rng(0)
SEEN, QUERIES = RNG.normal(size=(300, 3)), RNG.normal(size=(20, 3))
MEASURED = RNG.normal(size=(300, 2))


def test_the_local_mean_is_that_of_the_nearest_cells():
    means = local_mean(SEEN, MEASURED, QUERIES)
    for query, mean in zip(QUERIES, means):
        nearest = np.argsort(np.linalg.norm(SEEN - query, axis=1))[:NEIGHBOURS]
        np.testing.assert_allclose(mean, MEASURED[nearest].mean(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        local_mean(SEEN[:5], MEASURED[:5], QUERIES), MEASURED[:5].mean(0)[None].repeat(20, 0), rtol=1e-5
    )


def test_cells_told_a_few_at_a_time_are_told_the_same(monkeypatch):
    whole = local_mean(SEEN, MEASURED, QUERIES)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    np.testing.assert_array_equal(local_mean(SEEN, MEASURED, QUERIES), whole)


def test_the_share_weighs_two_opinions_by_their_errors():
    """Of two unbiased opinions with independent errors the best share of the second is var 1 / (var 1 + var 2)."""
    truth = RNG.normal(size=(20_000, 3))
    one = truth + RNG.normal(size=truth.shape)
    other = truth + np.array([2.0, 1.0, 0.5]) * RNG.normal(size=truth.shape)
    np.testing.assert_allclose(share(one, other, truth), [1 / 5, 1 / 2, 4 / 5], atol=0.02)


def test_the_share_is_never_below_none_nor_above_all():
    truth = RNG.normal(size=(50, 2))
    opposite, right = truth[:, [0, 0]] * [-1, 1], truth[:, [0, 0]] * [1, -1]
    np.testing.assert_array_equal(share(right, opposite, truth[:, [0, 0]]), [0, 1])
    np.testing.assert_array_equal(share(truth, truth, truth + 1), [0, 0])


def test_every_seed_is_blended_with_the_same_neighbours():
    one = Neighbours(SEEN, MEASURED, np.array([0.25, 1.0]))
    predicted = RNG.normal(size=(2, 20, 2))
    mixed, local = blended(predicted, one, QUERIES), local_mean(SEEN, MEASURED, QUERIES)
    np.testing.assert_allclose(mixed[:, :, 0], 0.75 * predicted[:, :, 0] + 0.25 * local[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[:, :, 1], np.stack([local[:, 1]] * 2), rtol=1e-5)


def test_a_blend_beats_both_where_a_smooth_and_a_local_opinion_err_apart():
    seen = RNG.uniform(-2, 2, size=(3000, 1))
    measured = np.sin(3 * seen) + 2 * seen + RNG.normal(0, 1, size=seen.shape)
    train, apart, test = np.split(np.arange(3000), [1000, 2000])
    smooth = np.polyval(np.polyfit(seen[train, 0], measured[train, 0], 2), seen)
    local = local_mean(seen[train], measured[train], seen)
    w = share(smooth[apart], local[apart], measured[apart])
    errors = [np.mean((x - measured)[test] ** 2) for x in (smooth, local, (1 - w) * smooth + w * local)]
    assert 0 < w[0] <= 1 and errors[2] <= min(errors) * 1.01 and errors[2] == pytest.approx(1, abs=0.15)
