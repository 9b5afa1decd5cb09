import numpy as np
import pytest

from magan.metrics.density_peaks import consistent_peaks, peaks

RNG = np.random.default_rng(2)


def mixture(n, *centres, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(np.resize(centres, n), 0.4)[:, None]


@pytest.mark.parametrize("n", [200, 1000, 20_000])
def test_one_two_and_three_populations_are_one_two_and_three_peaks(n):
    for centres in ((1,), (1, 4), (1, 4, 7)):
        assert peaks(mixture(n, *centres)) == len(centres)


def test_a_spike_of_zeros_at_the_edge_is_a_peak():
    values = np.concatenate([np.zeros((300, 1)), mixture(700, 3.0)])
    assert peaks(values) == 2


def test_a_line_changes_no_count_and_neither_does_the_order_of_the_cells():
    values = np.concatenate([mixture(400, 1, 4), RNG.normal(size=(400, 1))], axis=1)
    np.testing.assert_array_equal(peaks(values), [2, 1])
    np.testing.assert_array_equal(peaks(7 - 0.01 * values[::-1]), [2, 1])


def test_samples_of_one_normal_distribution_have_one_peak_whatever_their_size():
    for n in (10, 30, 100, 1000):
        assert (peaks(RNG.normal(size=(n, 200))) == 1).mean() > 0.99


def test_a_small_bump_is_a_peak_or_not_by_what_is_demanded():
    # 1.5 % of the cells, 6 sd away: a bump just above the thresholds.
    values = np.concatenate([mixture(5000, 0.0), mixture(400, 2.5)])
    counts = [peaks(values, demand)[0] for demand in (0.5, 20.0)]
    assert counts == [2, 1]


@pytest.mark.filterwarnings("error")
def test_constants_and_single_cells_have_one_peak_and_what_is_not_finite_none():
    values = np.full((50, 3), 0.1, dtype=np.float32)
    values[3, 1] = np.nan
    values[3, 2] = np.inf
    np.testing.assert_array_equal(peaks(values), [1, np.nan, np.nan])
    np.testing.assert_array_equal(peaks(values[:1]), [1, 1, 1])
    assert np.isnan(peaks(values[:0])).all() and peaks(values[:0]).shape == (3,)


def test_a_split_marker_and_a_merged_one_are_counted_among_those_that_should_stay():
    # Markers: one peak, two peaks, and one that differs between the batches and so does not count.
    original = np.concatenate([mixture(600, 2, seed=1), mixture(600, 1, 4, seed=2), mixture(600, 1, seed=3)], axis=1)
    target = np.concatenate([mixture(500, 2, seed=4), mixture(500, 1, 4, seed=5), mixture(500, 1, 4, seed=6)], axis=1)
    split, merged, both = original.copy(), original.copy(), original.copy()
    split[::2, 0] += 3
    merged[1::2, 1] -= 3
    both[::2, 0] += 3
    both[:, 1] = 5
    values = consistent_peaks(original, np.stack([original, original + 2, split, merged, both]), target)
    np.testing.assert_array_equal(values, [1, 1, 0.5, 0.5, 0])


@pytest.mark.filterwarnings("error")
def test_a_broken_replicate_or_no_comparable_marker_is_nan():
    one, two = mixture(300, 1), mixture(300, 1, 4)
    values = consistent_peaks(one, np.stack([one, np.full_like(one, np.nan)]), one)
    np.testing.assert_array_equal(values, [1, np.nan])
    assert np.isnan(consistent_peaks(one, one[None], two)).all()
    assert np.isnan(consistent_peaks(one, one[None], two[:0])).all()
    assert np.isnan(consistent_peaks(one[:0], one[None, :0], two)).all()
