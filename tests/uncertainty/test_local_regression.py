import numpy as np
import pytest

from magan.uncertainty import local_regression
from magan.uncertainty.local_regression import NEIGHBOURS, Neighbours, blended, local_line, share

RNG = np.random.default_rng(0)
SEEN, QUERIES = RNG.normal(size=(300, 3)), RNG.normal(size=(20, 3))
MEASURED = RNG.normal(size=(300, 2))


def by_hand(query: np.ndarray) -> np.ndarray:
    """Weighted ridge regression by augmented least squares, around one cell."""
    distance = np.linalg.norm(SEEN - query, axis=1)
    nearest = np.argsort(distance)[:NEIGHBOURS]
    weight = np.exp(-0.5 * (distance[nearest] / distance[nearest][50]) ** 2)
    weight = np.sqrt(weight / weight.sum())[:, None]
    design = np.column_stack([np.ones(NEIGHBOURS), SEEN[nearest] - query])
    pull = np.sqrt(0.1) * np.eye(4)[1:]
    rows, values = np.vstack([weight * design, pull]), np.vstack([weight * MEASURED[nearest], np.zeros((3, 2))])
    return np.linalg.lstsq(rows, values, rcond=None)[0][0]


def test_the_local_line_is_a_weighted_ridge_regression_on_the_nearest_cells():
    np.testing.assert_allclose(local_line(SEEN, MEASURED, QUERIES), [by_hand(query) for query in QUERIES], rtol=1e-4)


def test_a_line_is_followed_where_a_mean_would_lag_behind_but_not_beyond_what_was_measured():
    seen = np.sort(RNG.uniform(-2, 2, size=(2000, 1)), axis=0)
    edge = np.array([[2.0], [5.0]])
    nearest = seen[-NEIGHBOURS:] * 3
    line = local_line(seen, 3 * seen, edge)
    assert nearest.mean() < line[0, 0] <= line[1, 0] == pytest.approx(nearest.max())


def test_a_marker_that_never_varies_and_cells_that_are_all_alike_stay_what_they_are():
    np.testing.assert_allclose(local_line(SEEN, np.full((300, 1), 2.5), QUERIES), 2.5, rtol=1e-6)
    np.testing.assert_allclose(local_line(np.ones((60, 2)), np.ones((60, 1)), np.ones((3, 2))), 1, rtol=1e-6)


def test_cells_told_a_few_at_a_time_are_told_the_same(monkeypatch):
    whole = local_line(SEEN, MEASURED, QUERIES)
    monkeypatch.setattr(local_regression, "ROWS", 7)
    np.testing.assert_array_equal(local_line(SEEN, MEASURED, QUERIES), whole)


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
    mixed, local = blended(predicted, one, QUERIES), local_line(SEEN, MEASURED, QUERIES)
    np.testing.assert_allclose(mixed[:, :, 0], 0.75 * predicted[:, :, 0] + 0.25 * local[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed[:, :, 1], np.stack([local[:, 1]] * 2), rtol=1e-5)


def test_a_blend_beats_both_where_a_smooth_and_a_local_opinion_err_apart():
    seen = RNG.uniform(-2, 2, size=(3000, 1))
    measured = np.sin(3 * seen) + 2 * seen + RNG.normal(0, 1, size=seen.shape)
    train, apart, test = np.split(np.arange(3000), [1000, 2000])
    smooth = np.polyval(np.polyfit(seen[train, 0], measured[train, 0], 2), seen)
    local = local_line(seen[train], measured[train], seen)
    w = share(smooth[apart], local[apart], measured[apart])
    errors = [np.mean((x - measured)[test] ** 2) for x in (smooth, local, (1 - w) * smooth + w * local)]
    assert 0 < w[0] <= 1 and errors[2] <= min(errors) * 1.01 and errors[2] == pytest.approx(1, abs=0.15)
