import numpy as np
import pytest
from scipy import stats

from magan.uncertainty import conformal
from magan.uncertainty.conformal import Calibration, bounds, draws, level, lots, shortest, similar, spread

RNG = np.random.default_rng(0)


def normal(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions x in [0, 4), and values x + (0.2 + x / 2) times a normal number."""
    draw = np.random.default_rng(seed)
    predicted = draw.uniform(0, 4, size=(n, 1))
    return predicted, predicted + (0.2 + predicted / 2) * draw.normal(size=(n, 1))


def inflated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A marker that is exactly 0 with probability 1 - p and otherwise around 4; the prediction is its mean, 4 p."""
    draw = np.random.default_rng(seed)
    p = draw.beta(0.5, 0.5, size=(n, 1))
    return 4 * p, np.where(draw.random((n, 1)) < p, draw.normal(4, 0.3, size=(n, 1)), 0.0)


def held(case, n_apart: int = 800, n: int = 6000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    predicted, truth = case(n, seed + 1)
    low, high = bounds(Calibration(*case(n_apart, seed)), predicted)
    return predicted[:, 0], ((low <= truth) & (truth <= high))[:, 0], (high - low)[:, 0]


@pytest.mark.parametrize("case", [normal, inflated])
def test_nine_of_ten_values_lie_in_their_interval(case):
    """Over draws of the cells kept apart the coverage of a split has a standard deviation of about 1 %."""
    covered = [held(case, n=2000, seed=10 * seed)[1].mean() for seed in range(8)]
    assert abs(np.mean(covered) - 0.9) < 0.015
    assert np.all(np.abs(np.array(covered) - 0.9) < 0.04)


def test_intervals_are_as_long_as_a_normal_distribution_says_where_cells_are_alike():
    predicted, covered, width = held(normal, n_apart=4000)
    for start in (0.5, 1.5, 2.5):
        some = (start <= predicted) & (predicted < start + 1)
        assert abs(covered[some].mean() - 0.9) < 0.04
        assert width[some].mean() == pytest.approx(2 * 1.645 * (0.2 + (start + 0.5) / 2), rel=0.1)


def test_a_cell_that_is_surely_negative_gets_zero_and_one_between_two_groups_gets_both():
    predicted, truth = np.array([[0.001], [2.0]]), inflated(4000, 0)
    low, high = bounds(Calibration(*truth), predicted)
    assert low[0, 0] == high[0, 0] == 0
    assert low[1, 0] == 0 and high[1, 0] > 3.5


def test_a_prediction_that_knows_nothing_gets_an_honest_interval():
    measured = RNG.normal(5, 2, size=(1000, 1))
    guess = RNG.random((1000, 1))
    low, high = bounds(Calibration(guess, measured), RNG.random((3000, 1)))
    truth = RNG.normal(5, 2, size=(3000, 1))
    assert abs(((low <= truth) & (truth <= high)).mean() - 0.9) < 0.03


def test_draws_have_the_distribution_of_values_given_the_prediction():
    predicted, truth = inflated(20_000, 1)
    drawn = draws(Calibration(*inflated(20_000, 0)), predicted, RNG.normal(size=(20_000, 2)))
    for p in (0.1, 0.5, 0.9):
        some = np.abs(predicted[:, 0] / 4 - p) < 0.05
        assert np.mean(drawn[some] == 0) == pytest.approx(1 - p, abs=0.05)
    assert stats.wasserstein_distance(drawn[:, 0], truth[:, 0]) < 0.05
    assert stats.wasserstein_distance(predicted[:, 0], truth[:, 0]) > 0.4  # of the mean, which is never 0


def test_the_spread_is_that_of_many_draws():
    apart, predicted = Calibration(*normal(400, 0)), np.array([[1.0], [3.0]])
    cells = RNG.normal(size=(20_000, 1))
    for row in predicted:
        drawn = draws(apart, np.repeat(row[None], 20_000, axis=0), cells)
        assert spread(apart, row[None])[0, 0] == pytest.approx(drawn.std(), rel=0.03)


def test_the_lot_of_a_cell_is_its_own():
    apart = Calibration(*(np.repeat(x, 2, axis=1) for x in normal(400, 0)))
    predicted, cells = RNG.uniform(0, 4, size=(500, 2)), RNG.normal(size=(500, 3))
    drawn, order = draws(apart, predicted, cells), RNG.permutation(500)
    np.testing.assert_array_equal(draws(apart, predicted[order], cells[order]), drawn[order])
    assert np.mean(draws(apart, predicted, cells, seed=1) == drawn) < 0.1


@pytest.mark.parametrize("together", [0.0, 0.9])
def test_markers_that_err_together_are_drawn_together(together):
    """Errors of two markers have a correlation that predictions do not know."""
    draw = np.random.default_rng(0)
    predicted = draw.uniform(0, 4, size=(1600, 2))
    errors = draw.normal(size=(1600, 2)) @ np.array([[1, together], [0, np.sqrt(1 - together**2)]])
    drawn = draws(Calibration(predicted[:800], (predicted + errors)[:800]), predicted[800:], draw.normal(size=(800, 3)))
    found = np.corrcoef((drawn - predicted[800:]).T)[0, 1]
    assert found == pytest.approx(together, abs=0.12)


def test_lots_are_uniform_and_change_with_the_last_bit_of_a_cell():
    cells = np.linspace(0, 1, 5000, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    for seed in (0, 1):
        assert stats.kstest(lots(cells, seed), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(lots(cells, 0), lots(cells, 1))[0, 1]) < 0.05
    nearby = np.nextafter(cells, np.float32(2))
    assert abs(np.corrcoef(lots(cells), lots(nearby))[0, 1]) < 0.05


def test_similar_cells_are_as_many_below_as_above_except_at_the_ends():
    known = RNG.permutation(1000) / 1000
    near = np.sort(known[similar(known, np.array([0.4995, -1.0, 5.0]))], axis=1)
    np.testing.assert_allclose(near[0], np.arange(450, 550) / 1000)
    np.testing.assert_allclose(near[1], np.repeat(np.arange(50), 2) / 1000)
    np.testing.assert_allclose(near[2], np.repeat(np.arange(950, 1000), 2) / 1000)


@pytest.mark.parametrize("n", [30, 400, 3000])
def test_over_all_cells_each_cell_kept_apart_counts_alike(n):
    known = RNG.permutation(n).astype(float)
    between = np.sort(known)[:, None] + np.array([-0.25, 0.25])
    near = similar(known, between.reshape(-1))
    np.testing.assert_array_equal(np.bincount(near.reshape(-1)), near.size / n)


@pytest.mark.parametrize("n, k", [(30, 30), (200, 50), (560, 70), (5000, 100)])
def test_the_number_of_similar_cells_grows_with_the_cells_kept_apart(n, k):
    assert similar(np.arange(n), np.array([3.0])).shape == (1, k)


def test_the_shortest_interval_is_the_best_of_all():
    values = np.sort(RNG.exponential(size=(20, 9)), axis=1)
    low, high = shortest(values, 6)
    for row, a, b in zip(values, low, high):
        assert b - a == min(row[i + 5] - row[i] for i in range(4)) and ((a <= row) & (row <= b)).sum() == 6


def test_the_level_is_the_least_that_holds_nine_of_ten_cells_by_the_others():
    known, measured = (x[:, 0] for x in normal(60, 3))

    def n_held(size: int) -> int:
        n = 0
        for i in range(60):
            others = np.delete(np.arange(60), i)
            ordered = others[np.argsort(known[others])]
            place = np.count_nonzero(known[others] < known[i])
            mirrored = np.concatenate([ordered[::-1], ordered, ordered[::-1]])
            near = mirrored[59 + place - 25 : 59 + place + 25]
            low, high = shortest(np.sort(measured[near])[None], size)
            n += low[0] <= measured[i] <= high[0]
        return n

    chosen = level(known, measured)
    assert n_held(chosen) >= 55 > n_held(chosen - 1)  # 0.9 * 61 = 54.9


def test_cells_judged_a_few_at_a_time_are_judged_the_same(monkeypatch):
    apart, predicted, cells = Calibration(*normal(200, 0)), RNG.uniform(0, 4, (50, 1)), RNG.normal(size=(50, 1))
    whole = (*bounds(apart, predicted), draws(apart, predicted, cells), spread(apart, predicted))
    monkeypatch.setattr(conformal, "ROWS", 7)
    parts = (*bounds(apart, predicted), draws(apart, predicted, cells), spread(apart, predicted))
    for one, other in zip(whole, parts):
        np.testing.assert_array_equal(one, other)


def test_a_margin_moves_both_ends_outwards():
    cells, asked = normal(200, 0), np.array([[1.0], [3.0]])
    (low, high), (lower, higher) = (
        bounds(Calibration(*cells, margin=np.float32([margin])), asked) for margin in (0, 0.25)
    )
    np.testing.assert_allclose([low - lower, higher - high], 0.25, atol=1e-6)
