"""Every regressor: the shape it promises, a rule that it recovers, and the same result each time."""

import numpy as np
import pytest

from magan.regressors import REGRESSORS, local_line, nearest

DRAW = np.random.default_rng(0)
FEATURES, QUERIES = DRAW.normal(size=(600, 3)), 0.7 * DRAW.normal(size=(40, 3))


def rule(x: np.ndarray) -> np.ndarray:
    return np.stack([x[:, 0] + x[:, 1], np.abs(x[:, 2])], axis=1)


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("targets", [[0, 1], [1]])
def test_a_rule_is_recovered_for_several_targets_and_for_one(name, targets):
    known, asked = rule(FEATURES)[:, targets], rule(QUERIES)[:, targets]
    predicted = REGRESSORS[name](FEATURES, known)(QUERIES)
    assert predicted.shape == asked.shape
    for column in range(len(targets)):
        assert np.corrcoef(predicted[:, column], asked[:, column])[0, 1] > 0.8
    np.testing.assert_array_equal(REGRESSORS[name](FEATURES, known)(QUERIES[:7]), predicted[:7])


@pytest.mark.parametrize("name", REGRESSORS)
def test_predictions_stay_within_what_was_measured(name):
    known = rule(FEATURES)
    predicted = REGRESSORS[name](FEATURES, known)(20 * QUERIES)
    assert (predicted >= known.min(axis=0) - 0.5).all() and (predicted <= known.max(axis=0) + 0.5).all()


def test_the_nearest_cells_are_all_cells_of_a_small_panel():
    np.testing.assert_allclose(
        nearest.fit(FEATURES[:9], rule(FEATURES[:9]))(QUERIES[:1])[0], rule(FEATURES[:9]).mean(0)
    )


def test_a_local_line_passes_through_the_middle_of_symmetric_cells_and_ends_where_they_end():
    x = np.linspace(-1, 1, 21)[:, None]
    predicted = local_line.fit(x, x)(np.array([[0.0], [50.0], [-50.0]]))
    np.testing.assert_allclose(predicted[:, 0], [0, 1, -1], atol=1e-12)
