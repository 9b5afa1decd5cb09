import numpy as np
import pytest
from scipy.stats import spearmanr

from magan.metrics.density_peaks import peaks
from magan.metrics.marker_pairs import Pairs, correlations, linear, pairs, partners


def cells(n: int, seed: int) -> np.ndarray:
    """Two populations; markers 0 and 1 rise together within each, marker 2 is by itself."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=n)
    x = np.stack([shared + 0.5 * random.normal(size=n), shared + 0.5 * random.normal(size=n), random.normal(size=n)])
    return x.T + 4 * (random.random(n) < 0.3)[:, None] * [1, 0, 1]


def test_correlations_are_spearmans_and_their_errors_those_of_resampling():
    x = cells(400, 0)
    r, error = correlations(x, np.array([0, 0]), np.array([1, 2]))
    np.testing.assert_allclose(r, [spearmanr(x[:, 0], x[:, k]).statistic for k in (1, 2)], atol=1e-12)
    random = np.random.default_rng(1)
    drawn = [correlations(x[random.integers(0, 400, 400)], np.array([0, 0]), np.array([1, 2]))[0] for _ in range(300)]
    np.testing.assert_allclose(error, np.std(drawn, axis=0), rtol=0.25)


def test_a_torn_correlation_with_right_marginals_is_found():
    x, y = cells(1500, 1), cells(1500, 2)
    torn = x.copy()
    torn[:, 1] = np.random.default_rng(3).permutation(torn[:, 1])
    found = pairs(x, torn, y)
    assert found.correlation.tolist() == [True, False, False]
    assert found.after[0] == pytest.approx(0, abs=0.1) and found.before[0] > 0.4


def test_a_population_split_along_a_diagonal_is_found_though_no_marker_has_two_peaks():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 2000, 2))
    side = random.choice([-1.0, 1.0], (2000, 1))
    across = random.normal(size=(2000, 1)) * [1.3, -1.3]
    split = 0.9 * side + across + random.normal(0, 0.1, (2000, 2))
    assert pairs(x, split, y).split.tolist() == [True]
    assert peaks(split, 2.0).tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(100))
def test_the_identity_tears_nothing(seed):
    x, y = cells(200, seed), cells(150, seed + 1000) + 0.5
    found = pairs(x, x, y)
    assert not found.correlation.any() and not found.split.any()


def test_rising_curves_tear_nothing_and_a_constant_marker_has_no_correlation():
    x, y = cells(800, 1), cells(800, 2)
    found = pairs(x, np.stack([np.sinh(x[:, 0]), 3 * x[:, 1] + 1, x[:, 2]], axis=1), y)
    assert not found.correlation.any()
    x[:, 2] = 1.0
    assert not pairs(x, x, y).after[[1, 2]].any()


def test_order_among_cells_without_a_marker_tears_nothing():
    x, y = cells(1500, 1), cells(1500, 2)
    for side in (x, y):
        side[:, 2] = np.where(np.arange(1500) % 5 == 0, 4.0 + side[:, 2] / 10, side[:, 2] / 100)  # 80 % without it
    mapped = x.copy()
    without = mapped[:, 2] < 1
    mapped[without, 2] += 0.05 * np.tanh(mapped[without, 0])
    found = pairs(x, mapped, y)
    assert found.after[1] - max(found.before[1], found.reference[1]) > 0.15 and not found.correlation.any()
    np.testing.assert_allclose(linear(x, found.first, found.second)[0], np.corrcoef(x.T)[0, 1])


def test_a_torn_pair_counts_for_the_marker_that_is_torn_from_most():
    first, second = np.triu_indices(5, 1)
    torn = np.array([(a, b) in {(0, 2), (1, 2), (2, 4), (0, 3)} for a, b in zip(first, second)])
    none = np.zeros(len(first))
    assert partners(Pairs(first, second, none, none, none, torn, none > 0), 5) == [[3], [], [0, 1, 4], [0], []]
    assert partners(Pairs(first, second, none, none, none, none > 0, none > 0), 5) == [[]] * 5
