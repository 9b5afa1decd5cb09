import numpy as np
import pytest

from magan.metrics.markers import pearson
from magan.metrics.paired_gain import _weighted, gain

draw = np.random.default_rng(0)


def test_a_resample_scores_the_cells_as_often_as_they_were_drawn():
    truth, maps = draw.normal(size=(30, 2)) + 5, draw.normal(size=(3, 30, 2)) + 50
    rows = draw.integers(30, size=30)
    weights = np.bincount(rows, minlength=30)[None] / 30
    expected = pearson(truth[rows], maps[:, rows])
    np.testing.assert_allclose(_weighted(truth, maps, weights)[0], expected, atol=1e-9)


def test_the_interval_of_a_difference_is_as_wide_as_repetitions_of_the_study_differ():
    """One map against another, drawn anew many times: the interval holds the true difference in .95 of the studies."""

    def study():
        truth = draw.normal(size=(200, 1))
        return truth, truth + 0.6 * draw.normal(size=(200, 1)), truth + 0.8 * draw.normal(size=(200, 1))

    true = 1 / np.sqrt(1 + 0.36) - 1 / np.sqrt(1 + 0.64)
    found = [gain(truth, better[None], worse) for truth, better, worse in (study() for _ in range(100))]
    held = np.mean([each.low[0] <= true <= each.high[0] for each in found])
    assert 0.88 <= held <= 1
    assert np.mean([each.difference[0] for each in found]) == pytest.approx(true, abs=0.01)


def test_a_hair_is_no_gain_and_neither_is_a_gain_of_some_seeds_alone():
    truth = draw.normal(size=(400, 2))
    baseline = truth + draw.normal(size=truth.shape)
    hair = baseline + 0.02 * draw.normal(size=truth.shape)
    found = gain(truth, hair[None], baseline)
    assert (found.low < 0).all() and (found.high > 0).all() and abs(found.difference).max() < 0.01
    good, bad = truth + 0.5 * draw.normal(size=truth.shape), truth + 3 * draw.normal(size=truth.shape)
    assert gain(truth, good[None], baseline).low[-1] > 0 and gain(truth, bad[None], baseline).high[-1] < 0
    mixed = gain(truth, np.stack([good, bad]), baseline)
    assert mixed.low[-1] < 0 < mixed.high[-1]


def test_a_marker_that_does_not_vary_has_no_gain_and_leaves_the_mean():
    truth, baseline = draw.normal(size=(50, 2)), draw.normal(size=(50, 2))
    truth[:, 1] = 3
    found = gain(truth, draw.normal(size=(2, 50, 2)), baseline)
    assert np.isnan(found.difference[1]) and np.isnan(found.low[1])
    assert found.difference[2] == found.difference[0] and found.low[2] == pytest.approx(found.low[0])
