"""Predictions stacked with regressors and calibrated: recovered truths and closed forms."""

import numpy as np
import pytest

from magan import keys
from magan.uncertainty import calibrated, conformal


def cells(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Four markers of one state, the last with noise of sd .5; ``shift`` moves each of the first three elsewhere."""
    draw = np.random.default_rng(seed)
    z = draw.gamma(2, 1, (n, 1))
    values = z * [[1.0, 0.8, 1.2, 1.0]] + draw.normal(size=(n, 4)) * [[0.2, 0.2, 0.2, 0.5]]
    return (values + shift * np.array([[0.0, 1.0, -1.0, 0.0]])).astype(np.float32)


def stacked(shift: float = 0.0):
    target, held_out = cells(900, 1), cells(200, 2)
    maps = np.repeat(held_out.mean(axis=0)[None, None], 200, axis=1)  # a network that learned nothing
    return calibrated.stacked(cells(800, 0, shift)[:, :3], target, held_out, maps, [0, 1, 2])


def test_the_weights_of_a_marker_sum_to_one_and_a_network_that_learned_nothing_has_little():
    stack, _ = stacked()
    table = stack.table()
    np.testing.assert_allclose(sum(table.values()), 1, rtol=1e-5)
    assert table["network"][0] < 0.2 and stack.columns.tolist() == [3]


def test_shared_markers_stay_the_prediction_of_the_network_and_lacking_markers_are_stacked():
    _, calibration = stacked()
    held_out = cells(200, 2)
    np.testing.assert_allclose(calibration.predicted[:, :3], np.tile(held_out[:, :3].mean(0), (200, 1)), rtol=1e-5)
    assert np.corrcoef(calibration.predicted[:, 3], held_out[:, 3])[0, 1] > 0.85
    np.testing.assert_array_equal(calibration.measured, held_out)


def test_panels_of_one_batch_get_hardly_a_margin_and_panels_of_two_get_a_wide_one():
    """Offsets that differ from marker to marker are a batch effect in units, which intervals must bridge."""
    same, shifted = (stacked(shift)[1].margin for shift in (0.0, 1.5))
    assert (same[:3] == 0).all() and same[3] < 0.1 < 0.5 < shifted[3]


@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_a_margin_moves_both_ends(margin):
    draw = np.random.default_rng(0)
    predicted, measured = draw.normal(size=(2, 300, 2))
    known = conformal.Calibration(predicted, measured)
    wide = conformal.Calibration(predicted, measured, np.array([0.0, margin]))
    (low, high), (lower, higher) = (conformal.bounds(x, predicted[:50]) for x in (known, wide))
    np.testing.assert_allclose(low - lower, np.tile([0, margin], (50, 1)), atol=1e-6)
    np.testing.assert_allclose(higher - high, np.tile([0, margin], (50, 1)), atol=1e-6)


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
