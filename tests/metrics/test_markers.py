import numpy as np
import pytest
from scipy import stats

from magan.metrics.markers import (
    MARKERS,
    auc_positive,
    correlation_error,
    coverage,
    interval_width,
    pearson,
    positive,
    rmse,
    spearman,
    variance_ratio,
    wasserstein,
)

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(60, 3))
MAPPED = RNG.normal(size=(2, 60, 3)) + TRUTH


def test_pearson_ignores_scale_and_offset_but_not_sign():
    mapped = np.stack([2 * TRUTH + 1, -TRUTH])
    np.testing.assert_allclose(pearson(TRUTH, mapped), [[1, 1, 1], [-1, -1, -1]])


@pytest.mark.parametrize("ours, theirs", [(pearson, stats.pearsonr), (spearman, stats.spearmanr)])
def test_correlations_equal_scipy_marker_by_marker(ours, theirs):
    rounded = MAPPED.round(0)  # with ties
    expected = [[theirs(TRUTH[:, m], x[:, m])[0] for m in range(3)] for x in rounded]
    np.testing.assert_allclose(ours(TRUTH, rounded), expected)


def test_spearman_is_one_for_any_rising_map():
    np.testing.assert_allclose(spearman(TRUTH, np.exp(TRUTH)[None] ** 3), 1)


def test_a_shift_costs_its_size_in_rmse_and_wasserstein_and_nothing_in_variance():
    mapped = (TRUTH - 0.75)[None]
    np.testing.assert_allclose(rmse(TRUTH, mapped), 0.75)
    np.testing.assert_allclose(wasserstein(TRUTH, mapped), 0.75)
    np.testing.assert_allclose(variance_ratio(TRUTH, mapped), 1)


def test_wasserstein_equals_scipy_and_forgets_which_cell_is_which():
    expected = [[stats.wasserstein_distance(TRUTH[:, m], x[:, m]) for m in range(3)] for x in MAPPED]
    np.testing.assert_allclose(wasserstein(TRUTH, MAPPED), expected)
    np.testing.assert_array_equal(wasserstein(TRUTH, TRUTH[::-1][None]), 0)


def test_a_map_shrunk_by_half_keeps_a_quarter_of_the_variance():
    np.testing.assert_allclose(variance_ratio(TRUTH, 0.5 * TRUTH[None]), 0.25)


@pytest.mark.parametrize("constant", [0.1, 3.3])
def test_a_constant_truth_has_no_correlation_and_no_variance_ratio(constant):
    truth = np.full((60, 3), constant, dtype=np.float32)
    for metric in (pearson, spearman, variance_ratio):
        assert np.isnan(metric(truth, MAPPED)).all()
    np.testing.assert_allclose(rmse(truth, truth[None]), 0)


def test_a_constant_map_has_no_correlation_and_no_variance():
    mapped = np.full((1, 60, 3), 0.1)
    assert np.isnan(pearson(TRUTH, mapped)).all() and np.isnan(spearman(TRUTH, mapped)).all()
    np.testing.assert_allclose(variance_ratio(TRUTH, mapped), 0, atol=1e-30)


def two_groups(n_negative: int = 40, n_positive: int = 20) -> np.ndarray:
    """Two markers whose first cells are negative; the second marker is rarer and turned round."""
    low, high = RNG.normal(0, 0.3, n_negative), RNG.normal(5, 0.5, n_positive)
    one = np.concatenate([low, high])
    return np.stack([one, -one], axis=1)


def test_positive_cells_are_those_of_the_upper_group():
    truth = two_groups()
    np.testing.assert_array_equal(positive(truth)[:, 0], np.arange(60) >= 40)
    np.testing.assert_array_equal(positive(truth)[:, 1], np.arange(60) < 40)
    assert not positive(np.full((9, 1), 0.1)).any()
    # Of 0, 0, 1, 9: the cut after 1 leaves 3 * 1 * (9 - 1 / 3)^2 = 225.3 between, after 0, 0 only 2 * 2 * 5^2 = 100.
    np.testing.assert_array_equal(positive(np.array([[9.0], [0], [1], [0]]))[:, 0], [True, False, False, False])


def test_auc_is_the_share_of_pairs_in_the_right_order_with_ties_as_halves():
    truth = two_groups()
    mapped = (truth + RNG.normal(0, 3, size=(2, 60, 2))).round(0)
    is_positive = positive(truth)
    for r in range(2):
        for m in range(2):
            above, below = mapped[r, is_positive[:, m], m], mapped[r, ~is_positive[:, m], m]
            gap = above[:, None] - below[None]
            assert auc_positive(truth, mapped)[r, m] == pytest.approx(((gap > 0) + (gap == 0) / 2).mean())
    np.testing.assert_array_equal(auc_positive(truth, np.stack([truth, -truth])), [[1, 1], [0, 0]])
    np.testing.assert_allclose(auc_positive(truth, np.ones((1, 60, 2))), 0.5)


def test_correlation_error_compares_with_the_other_markers_as_measured():
    cov = np.corrcoef(TRUTH.T)
    for r, x in enumerate(MAPPED):
        for m in range(3):
            errors = [abs(np.corrcoef(x[:, m], TRUTH[:, j])[0, 1] - cov[m, j]) for j in range(3) if j != m]
            assert correlation_error(TRUTH, MAPPED)[r, m] == pytest.approx(np.mean(errors))
    np.testing.assert_allclose(correlation_error(TRUTH, TRUTH[None] * 2 + 1), 0, atol=1e-12)
    assert np.isnan(correlation_error(TRUTH[:, :1], MAPPED[:, :, :1])).all()


def test_coverage_counts_ends_as_held_and_width_is_the_mean_length():
    truth = np.array([[0.0, 1], [0, 5], [2, 1], [3, 1]])
    low, high = np.zeros((4, 2)), np.array([[0.0, 4], [1, 4], [1, 4], [2, 0]])
    np.testing.assert_allclose(coverage(truth, low, high), [0.5, 0.5])
    np.testing.assert_allclose(interval_width(low, high), [1, 3])
    assert np.isnan(coverage(truth[:0], low[:0], high[:0])).all() and np.isnan(interval_width(low[:0], high[:0])).all()
    truth[0, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(coverage(truth, low, high)), [False, True])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MARKERS)
def test_no_cell_is_nan_without_a_warning(name):
    values = MARKERS[name](TRUTH[:0], MAPPED[:, :0])
    assert values.shape == (2, 3) and np.isnan(values).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MARKERS)
def test_one_cell_has_an_error_but_no_correlation(name):
    values = MARKERS[name](TRUTH[:1], MAPPED[:, :1])
    defined = name in ("rmse", "wasserstein")
    assert np.isnan(values).all() == (not defined)


@pytest.mark.parametrize("name", MARKERS)
def test_a_nan_spoils_its_own_replicate_and_marker_only(name):
    broken = MAPPED.copy()
    broken[1, 7, 2] = np.nan
    values, whole = MARKERS[name](TRUTH, broken), MARKERS[name](TRUTH, MAPPED)
    assert np.isnan(values[1, 2])
    values[1, 2] = whole[1, 2]
    np.testing.assert_array_equal(values, whole)


@pytest.mark.parametrize("name", MARKERS)
def test_single_precision_does_not_change_a_score(name):
    truth, mapped = (TRUTH + 8).astype(np.float32), (MAPPED + 8).astype(np.float32)
    np.testing.assert_allclose(
        MARKERS[name](truth, mapped), MARKERS[name](truth.astype(float), mapped.astype(float)), rtol=1e-12
    )


def test_coverage_is_unknown_where_a_value_or_an_end_is_and_known_where_an_interval_has_no_end():
    truth, low, high = np.zeros((2, 4)), np.full((2, 4), -1.0), np.full((2, 4), 1.0)
    truth[1, 0], low[1, 1], high[1, 2], low[1, 3], high[1, 3] = np.nan, np.nan, np.nan, -np.inf, np.inf
    np.testing.assert_array_equal(coverage(truth, low, high), [np.nan, np.nan, np.nan, 1])


def test_a_marker_that_is_not_measured_in_a_cell_has_no_auc():
    truth = TRUTH.copy()
    truth[3, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(auc_positive(truth, MAPPED)), [[False, True, False]] * 2)
