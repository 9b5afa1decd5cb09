"""Predictions with local regression and calibration: recovered truths and closed forms."""

import numpy as np

from magan import keys
from magan.uncertainty import calibrated, local_regression


def cells(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A shared column, and a marker that is twice the column without noise."""
    x = np.random.default_rng(seed).normal(size=(n, 1)).astype(np.float32)
    return x, 2 * x


def test_training_cells_are_searched_up_to_a_limit_and_each_once():
    rows = calibrated.training_rows(30_000)
    assert len(rows) == local_regression.MOST == len(set(rows.tolist())) and rows.max() > local_regression.MOST
    assert sorted(calibrated.training_rows(5)) == [0, 1, 2, 3, 4]


def test_local_regression_replaces_maps_that_learnt_nothing_and_leaves_maps_that_are_right():
    training, held_out = cells(2000, 0), cells(300, 1)
    blind = calibrated.fit_neighbours(training, held_out, np.zeros((300, 1)))
    right = calibrated.fit_neighbours(training, held_out, held_out[1])
    assert blind.share[0] > 0.95 and right.share[0] == 0
    queries, truth = cells(50, 2)
    seeds = np.stack([np.zeros_like(truth), truth])
    assert calibrated.weighted(seeds, None, queries) is seeds
    np.testing.assert_array_equal(calibrated.weighted(seeds, right, queries), seeds)
    inside = np.abs(queries[:, 0]) < 1.5
    np.testing.assert_allclose(calibrated.weighted(seeds, blind, queries)[0][inside], truth[inside], atol=0.2)


def test_a_calibration_pairs_the_mean_over_seeds_with_what_was_measured():
    maps = np.array([[[1.0], [5.0]], [[3.0], [7.0]]], np.float32)
    found = calibrated.calibration(maps, np.array([[0.0], [1.0]], np.float32))
    assert found.predicted.tolist() == [[2.0], [6.0]] and found.measured.tolist() == [[0.0], [1.0]]


def test_a_variance_is_that_of_the_held_out_cells_plus_that_over_seeds():
    """Held-out values are standard normal whatever is predicted; two seeds differ by 6, a variance of 9."""
    random = np.random.default_rng(0)
    predicted, measured = random.normal(size=(4000, 1)), random.normal(size=(4000, 1)).astype(np.float32)
    calibration = calibrated.calibration(predicted[None], measured)
    maps = np.stack([np.full((500, 1), 3.0), np.full((500, 1), -3.0)])
    layers = calibrated.uncertainty(calibration, maps, random.normal(size=(500, 2)))
    assert set(layers) == {keys.SAMPLED, keys.SPREAD, keys.LOW, keys.HIGH}
    alone = calibrated.uncertainty(calibration, maps[:1] * 0, random.normal(size=(500, 2)))
    np.testing.assert_allclose(layers[keys.SPREAD] ** 2, alone[keys.SPREAD] ** 2 + 9, rtol=1e-5)
    assert np.isin(layers[keys.SAMPLED], measured).all() and len(np.unique(layers[keys.SAMPLED])) > 50
    assert (layers[keys.LOW] < -1.2).all() and (layers[keys.HIGH] > 1.2).all()
