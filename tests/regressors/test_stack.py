"""The stack: weights by a closed form, the better part preferred, and the same predictions after a refit."""

import numpy as np
import pytest

from magan.regressors import stack
from magan.regressors.stack import least_squares

DRAW = np.random.default_rng(0)


def test_weights_of_independent_errors_are_inverse_to_their_variances():
    truth = DRAW.normal(size=50_000)
    parts = truth[:, None] + DRAW.normal(size=(50_000, 3)) * [[1.0, np.sqrt(2), 2.0]]
    np.testing.assert_allclose(least_squares(parts, truth)[:2] / least_squares(parts, truth)[2], [4, 2], rtol=0.1)


def test_a_part_that_points_the_wrong_way_has_no_weight_and_few_cells_leave_weights_equal():
    truth = DRAW.normal(size=20_000)
    parts = np.column_stack([truth + 0.5 * DRAW.normal(size=20_000), -truth])
    assert least_squares(parts, truth).tolist() == [1.0, 0.0]
    few = least_squares(truth[:3, None] + DRAW.normal(size=(3, 4)), truth[:3])
    assert few.sum() == pytest.approx(1) and np.abs(few - 0.25).max() < 0.1


def panel(n: int, seed: int) -> np.ndarray:
    """Three shared markers, and one that bends with the first."""
    draw = np.random.default_rng(seed)
    shared = draw.gamma(2, 1, (n, 1)) * [[1.0, 0.8, 1.2]] + 0.3 * draw.normal(size=(n, 3))
    return np.column_stack([shared, np.abs(shared[:, 0] - 2) + 0.2 * draw.normal(size=n)])


def fitted(shared: int = 3) -> stack.Fitted:
    target, held_out = panel(500, 1), panel(150, 2)
    sides = [(cells[:, :shared], cells[:, 3:]) for cells in (target, held_out)]
    return stack.fit(panel(400, 0)[:, :shared], *sides, np.zeros((150, 1)), np.array([3]))


def test_a_stack_predicts_as_well_in_the_source_as_on_held_out_cells():
    found, query = fitted(), panel(300, 3)
    predicted = stack.predictor(found.stack)(query[:, :3])
    r = np.corrcoef(predicted[:, 0], query[:, 3])[0, 1], np.corrcoef(found.held_out[:, 0], panel(150, 2)[:, 3])[0, 1]
    assert min(r) > 0.9 and abs(r[0] - r[1]) < 0.05
    np.testing.assert_array_equal(stack.predictor(found.stack)(query[:9, :3]), predicted[:9])


def test_a_single_shared_marker_is_enough_and_tells_nothing_of_matchings():
    found = fitted(shared=1)
    weights = found.stack.weights[0]
    assert found.hidden is None and np.allclose(weights, weights[:, :1])
    assert np.isfinite(stack.predictor(found.stack)(panel(20, 3)[:, :1])).all()


def test_a_matching_that_loses_the_hidden_markers_has_no_weight():
    """The source has another gain and offset: only z-scores and quantiles can undo them."""
    target, held_out = panel(500, 1), panel(150, 2)
    sides = [(cells[:, :3], cells[:, 3:]) for cells in (target, held_out)]
    weights = stack.fit(4 * panel(400, 0)[:, :3] - 6, *sides, np.zeros((150, 1)), np.array([3])).stack.weights[0]
    assert weights[:, 0].sum() == 0 and weights[:, 1:].sum() > 0.8
