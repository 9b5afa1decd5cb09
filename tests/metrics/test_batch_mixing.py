import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from magan.metrics import batch_mixing

RNG = np.random.default_rng(4)
TARGET = RNG.normal(size=(900, 4)) * [1, 2, 3, 1]
LABELS = np.resize(["a", "b", "b"], 900)


def draw(n=900, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 4)) * [1, 2, 3, 1]


def test_cells_of_one_distribution_cannot_be_told_apart_and_shifted_ones_can():
    values = batch_mixing.batch_auc(np.stack([draw(), draw() + 4]), TARGET)
    assert 0.44 < values[0] < 0.56 and values[1] > 0.97


def test_the_auc_of_a_shift_is_that_of_the_best_classifier():
    # Two normals one sd apart: Phi(1 / sqrt(2)).
    x, y = RNG.normal(1, 1, size=(1, 2000, 1)), RNG.normal(size=(2000, 1))
    np.testing.assert_allclose(batch_mixing.batch_auc(x, y), 0.760, atol=0.02)


def test_chance_scores_a_half_on_average_even_with_few_cells():
    draws = np.stack([draw(60, seed) for seed in range(60)])
    values = np.array([batch_mixing.batch_auc(x[None], draw(60, 100 + i))[0] for i, x in enumerate(draws)])
    assert abs(values.mean() - 0.5) < 4 * values.std() / np.sqrt(60)


def test_spread_correlation_shape_and_zeros_each_give_a_batch_away():
    n = 900
    wide = draw() * [1, 1, 2, 1]
    correlated = multivariate_normal.rvs(cov=[[1, 0.8], [0.8, 1]], size=n, random_state=0)
    two_peaks = draw()
    two_peaks[:, 0] = RNG.choice([-0.95, 0.95], n) + RNG.normal(0, 0.3, n)  # mean 0 and sd 1, as in the target
    for mapped, target in (
        (wide, TARGET),
        (correlated, RNG.normal(size=(n, 2))),
        (two_peaks, TARGET),
        (np.maximum(draw(), 0) - 0.01, np.maximum(TARGET, 0)),
    ):
        assert batch_mixing.batch_auc(mapped[None], target) > 0.6


def test_the_auc_does_not_depend_on_the_units_of_a_marker():
    x = draw()[None] + 0.2
    scale = np.array([1, 1000, 0.001, -1])
    np.testing.assert_allclose(
        batch_mixing.batch_auc(x * scale, TARGET * scale), batch_mixing.batch_auc(x, TARGET), atol=0.01
    )


def test_area_under_the_curve_counts_ties_by_half():
    score, positive = RNG.normal(size=200).round(1), RNG.random(200) < 0.4
    np.testing.assert_allclose(batch_mixing._auc(score, positive), roc_auc_score(positive, score))


@pytest.mark.filterwarnings("error")
def test_constants_are_chance_and_few_cells_or_a_nan_are_nan():
    ones = np.ones((1, 40, 3), dtype=np.float32) * np.float32(0.1)
    assert batch_mixing.batch_auc(ones, ones[0]) == 0.5
    assert batch_mixing.batch_auc(ones + 1, ones[0]) == 1
    for x, y in ((ones[:, :4], ones[0]), (ones, ones[0, :4]), (ones[:, :0], ones[0]), (ones, ones[0, :1])):
        assert np.isnan(batch_mixing.batch_auc(x, y)).all()
    broken = np.stack([TARGET, np.full_like(TARGET, np.nan)])
    np.testing.assert_array_equal(np.isnan(batch_mixing.batch_auc(broken, TARGET)), [False, True])


def test_many_markers_are_scored_without_their_pairs():
    x, y = RNG.normal(size=(1, 300, 60)), RNG.normal(size=(300, 60))
    x[:, :, 7] *= 4
    assert batch_mixing.batch_auc(x, y) > 0.65


def test_batch_r2_equals_a_linear_model_within_each_population():
    mapped = draw()[None] + [0.5, 0, 1, 0]
    expected = np.zeros(4)
    for name in "ab":
        x, y = mapped[0, name == LABELS], TARGET[name == LABELS]
        both, side = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])[:, None]
        expected += [LinearRegression().fit(side, both[:, m]).score(side, both[:, m]) / 2 for m in range(4)]
    np.testing.assert_allclose(batch_mixing.batch_r2(mapped, LABELS, TARGET, LABELS), [expected])


def test_populations_that_change_places_are_seen_within_and_not_over_all_cells():
    target = np.where(LABELS == "a", 3.0, 0.0)[:, None] + RNG.normal(0, 0.1, size=(900, 1))
    labels = np.full(900, "all")
    swapped = 3 - target
    assert batch_mixing.batch_r2(swapped[None], LABELS, target, LABELS) > 0.99
    assert batch_mixing.batch_r2(swapped[None], labels, target, labels) < 0.15


@pytest.mark.filterwarnings("error")
def test_batch_r2_of_constants_is_zero_where_they_agree_and_one_where_they_differ():
    target = np.full((40, 2), 0.1, dtype=np.float32)
    mapped = np.stack([target, target + np.float32([0, 1])])
    labels = np.full(40, "a")
    np.testing.assert_array_equal(batch_mixing.batch_r2(mapped, labels, target, labels), [[0, 0], [0, 1]])
    assert np.isnan(batch_mixing.batch_r2(mapped[:, :1], labels[:1], target, labels)).all()


def test_variance_ratio_is_one_for_the_same_spread_and_four_for_twice_the_sd():
    mapped = np.stack([TARGET + 9, 2 * TARGET, TARGET * [1, 0, 1, 0.5]])
    expected = [[1] * 4, [4] * 4, [1, 0, 1, 0.25]]
    np.testing.assert_allclose(batch_mixing.population_variance(mapped, LABELS, TARGET, LABELS), expected, atol=1e-12)


def test_variance_ratio_does_not_depend_on_the_unit():
    mapped, target = np.stack([TARGET * 2, TARGET[::-1]]), TARGET
    expected = batch_mixing.population_variance(mapped, LABELS, target, LABELS)
    for unit in (1e-3, 1e3):
        values = batch_mixing.population_variance(unit * mapped, LABELS, unit * target, LABELS)
        np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_variance_is_that_within_populations_not_between_them():
    target = TARGET + np.where(LABELS == "a", 50, 0)[:, None]
    np.testing.assert_allclose(batch_mixing.population_variance(TARGET[None], LABELS, target, LABELS), 1)


@pytest.mark.filterwarnings("error")
def test_variance_ratio_of_constants_is_zero_after_the_map_and_nan_in_the_target():
    target = TARGET.copy()
    target[:, 0] = 0.1
    mapped = np.full_like(TARGET, 0.1)[None]
    values = batch_mixing.population_variance(mapped, LABELS, target, LABELS)
    np.testing.assert_array_equal(values, [[np.nan, 0, 0, 0]])
    assert np.isnan(batch_mixing.population_variance(mapped[:, :1], LABELS[:1], target, LABELS)).all()


@pytest.mark.parametrize("score", [batch_mixing.batch_r2, batch_mixing.population_variance])
def test_a_broken_replicate_is_nan_and_its_neighbour_is_not(score):
    broken = np.stack([TARGET, np.full_like(TARGET, np.nan)])
    np.testing.assert_array_equal(np.isnan(score(broken, LABELS, TARGET, LABELS)), [[False] * 4, [True] * 4])
