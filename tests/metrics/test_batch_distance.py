import numpy as np
import pytest
from scipy import stats

from magan.metrics import batch_distance

RNG = np.random.default_rng(1)
TARGET = RNG.normal(size=(80, 3)) * [1, 2, 3]


def groups(n, names=("a", "b")):
    return np.array(names)[np.arange(n) % len(names)]


def test_emd_of_a_shift_is_its_size():
    mapped = np.stack([TARGET + 0.3, TARGET - 2, TARGET])
    np.testing.assert_allclose(batch_distance.emd(mapped, TARGET), [[0.3] * 3, [2] * 3, [0] * 3], atol=1e-12)


def test_emd_equals_scipy_for_sides_of_different_size_with_ties():
    mapped = RNG.normal(size=(2, 33, 3)).round(1)
    target = TARGET.round(1)
    expected = [[stats.wasserstein_distance(x[:, m], target[:, m]) for m in range(3)] for x in mapped]
    np.testing.assert_allclose(batch_distance.emd(mapped, target), expected)


def test_emd_of_constants_is_their_distance_and_of_nothing_is_nan():
    np.testing.assert_allclose(batch_distance.emd(np.full((1, 5, 1), 2.0), np.full((9, 1), 0.5)), 1.5)
    assert np.isnan(batch_distance.emd(np.empty((2, 0, 3)), TARGET)).all()
    assert np.isnan(batch_distance.emd(TARGET[None], TARGET[:0])).all()


def test_emd_is_nan_where_a_map_is():
    mapped = TARGET[None].copy()
    mapped[0, 3, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(batch_distance.emd(mapped, TARGET)), [[False, True, False]])


def test_mmd_equals_its_definition():
    x, y = TARGET[:10] + 1, TARGET[10:22]
    a, b = ((z - y.mean(0)) / y.std(0) for z in (x, y))

    def distances(p, q):
        return np.sqrt(((p[:, None] - q[None]) ** 2).sum(-1))

    median = np.median(distances(b, b)[np.triu_indices(12, 1)])

    def kernel(p, q):
        return np.mean([np.exp(-(distances(p, q) ** 2) / (2 * (f * median) ** 2)) for f in (0.5, 1, 2)], axis=0)

    def off_diagonal(k):
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    expected = off_diagonal(kernel(a, a)) + off_diagonal(kernel(b, b)) - 2 * kernel(a, b).mean()
    np.testing.assert_allclose(batch_distance.mmd(x[None], y), [expected])


def test_mmd_of_one_distribution_is_zero_on_average_and_of_two_is_not():
    draws = RNG.normal(size=(200, 25, 2))
    values = batch_distance.mmd(draws, RNG.normal(size=(400, 2)))
    assert (values < 0).any()
    assert abs(values.mean()) < 0.01
    assert batch_distance.mmd(draws[:1] + 3, TARGET[:, :2])[0] > 0.2


def test_mmd_does_not_depend_on_the_units_of_a_marker():
    mapped = RNG.normal(size=(2, 30, 3))
    scale = np.array([1, 10, 0.01])
    np.testing.assert_allclose(batch_distance.mmd(mapped * scale, TARGET * scale), batch_distance.mmd(mapped, TARGET))


@pytest.mark.filterwarnings("error")
def test_mmd_survives_a_constant_marker_and_is_nan_for_one_cell_or_a_target_without_spread():
    constant = TARGET.copy()
    constant[:, 0] = 0.1
    assert np.isfinite(batch_distance.mmd(TARGET[None], constant)).all()
    assert np.isnan(batch_distance.mmd(TARGET[None, :1], TARGET)).all()
    assert np.isnan(batch_distance.mmd(TARGET[None], TARGET[:1])).all()
    assert np.isnan(batch_distance.mmd(TARGET[None], TARGET[:0])).all()
    assert np.isnan(batch_distance.mmd(TARGET[None], np.ones((20, 3)))).all()


def test_label_transfer_is_the_mean_over_populations_not_over_cells():
    target = np.concatenate([np.full((20, 1), -5.0), np.full((20, 1), 5.0)])
    target_labels = np.repeat(["a", "b"], 20)
    # 30 cells of "a" where they belong, 10 of "b" of which only 4 are.
    mapped = np.concatenate([np.full(30, -5.0), np.full(6, -5.0), np.full(4, 5.0)])[None, :, None]
    labels = np.repeat(["a", "b"], [30, 10])
    np.testing.assert_allclose(batch_distance.label_transfer(mapped, labels, target, target_labels), (1 + 0.4) / 2)


def test_label_transfer_takes_the_majority_of_fifteen():
    target = np.array([0.0] * 7 + [0.1] * 8 + [9.0] * 30)[:, None]
    target_labels = np.repeat(["a", "b", "a"], [7, 8, 30])
    mapped = np.zeros((1, 4, 1))
    assert batch_distance.label_transfer(mapped, np.array(["b"] * 4), target, target_labels) == 1
    assert batch_distance.label_transfer(mapped, np.array(["b"] * 4), target, target_labels, k=7) == 0


def test_label_transfer_leaves_out_cells_without_a_label_and_populations_the_target_lacks():
    target = np.repeat([[0.0], [9.0], [0.0]], 15, axis=0)
    target_labels = np.repeat(["a", "b", "unknown"], 15)
    mapped = np.array([0.0, 0.0, 0.0, 9.0])[None, :, None]
    labels = np.array(["a", "Unknown", "elsewhere", "b"])
    assert batch_distance.label_transfer(mapped, labels, target, target_labels) == 1
    assert np.isnan(batch_distance.label_transfer(mapped, np.array(["", "nan", "unknown", ""]), target, target_labels))
    assert np.isnan(batch_distance.label_transfer(mapped, labels, target, np.full(45, "")))


def test_an_integer_label_and_its_word_are_the_same_population():
    mapped, words = TARGET[None], groups(80, ("0", "1"))
    numbers = words.astype(int)
    assert batch_distance.label_transfer(mapped, numbers, TARGET, words) == batch_distance.label_transfer(
        mapped, words, TARGET, words
    )
    assert batch_distance.populations(numbers, words) == ["0", "1"]


def test_label_transfer_of_a_broken_replicate_is_nan_and_its_neighbour_is_not():
    mapped = np.stack([TARGET, np.full_like(TARGET, np.nan)])
    values = batch_distance.label_transfer(mapped, groups(80), TARGET, groups(80))
    np.testing.assert_array_equal(np.isnan(values), [False, True])


def test_rank_kept_is_one_for_a_rising_map_whatever_becomes_of_the_zeros():
    original = np.maximum(TARGET, 0)
    mapped = np.where(original > 0, original**3 + 1, RNG.normal(size=original.shape) * 50)
    np.testing.assert_allclose(batch_distance.rank_kept(original, mapped[None]), 1)
    np.testing.assert_allclose(batch_distance.rank_kept(original, -mapped[None]), -1)


@pytest.mark.filterwarnings("error")
def test_rank_kept_of_a_marker_without_signal_is_nan():
    original = np.maximum(TARGET, 0)
    original[:, 1] = 0
    original[:, 2] = 0.1
    np.testing.assert_array_equal(np.isnan(batch_distance.rank_kept(original, TARGET[None])), [[False, True, True]])


def test_emd_reduction_is_the_share_of_the_distance_that_is_gone():
    labels = groups(80)
    original = TARGET + 2.0
    mapped = np.stack([original, TARGET, TARGET + 0.5, TARGET - 4.0])
    values = batch_distance.emd_reduction(original, mapped, labels, TARGET, labels)
    np.testing.assert_allclose(values, [0, 1, 0.75, -1], atol=0.01)


def test_emd_reduction_counts_bins_and_leaves_out_pairs_below_two_before_and_after():
    target, labels = np.full((20, 2), 1.05), np.full(20, "a")
    original = target + np.array([1.0, 0.1])  # 10 bins away, and 1, which is negligible
    mapped = target + np.array([0.3, 0.1])
    values = batch_distance.emd_reduction(original, mapped[None], labels, target, labels)
    np.testing.assert_allclose(values, (10 - 3) / 10)


def test_exact_zeros_do_not_share_a_bin_with_the_smallest_signals():
    zeros, signals, labels = np.zeros((20, 1)), np.full((20, 1), 0.15), np.full(20, "a")
    assert batch_distance.emd_reduction(signals, zeros[None], labels, zeros, labels) == 1  # 2 bins, not 1


@pytest.mark.filterwarnings("error")
def test_emd_reduction_is_nan_where_nothing_was_to_be_reduced_or_no_population_is_large_enough():
    labels = groups(80)
    assert np.isnan(batch_distance.emd_reduction(TARGET, TARGET[None], labels, TARGET, labels)).all()
    few = np.array([f"p{i // 9}" for i in range(80)])
    assert np.isnan(batch_distance.emd_reduction(TARGET + 2, TARGET[None], few, TARGET, labels)).all()


def test_mad_is_the_median_change_of_spread():
    labels = np.full(80, "a")
    spread = stats.median_abs_deviation(TARGET, axis=0) * 1.4826
    mapped = np.stack([TARGET + 7, TARGET * 0.5, TARGET * [1, 1, 0]])
    np.testing.assert_allclose(batch_distance.mad(TARGET, mapped, labels), [0, 0.5 * np.median(spread), 0], atol=1e-4)


def test_populations_need_ten_labelled_cells_on_both_sides():
    labels = np.repeat(["a", "b", "unknown", "c"], [10, 9, 50, 30])
    others = np.repeat(["a", "b", "unknown", "c"], [30, 30, 50, 9])
    assert batch_distance.populations(labels, others) == ["a"]


def test_halves_are_disjoint_complete_and_always_the_same():
    first, second = batch_distance.split_half(TARGET[:31])
    assert sorted([*first, *second]) == list(range(31))
    np.testing.assert_array_equal(first, batch_distance.split_half(TARGET[:31])[0])


def test_mmd_is_the_same_whether_its_cells_come_in_blocks_or_at_once(monkeypatch):
    mapped = RNG.normal(size=(2, 70, 3)) + 0.2
    whole = batch_distance.mmd(mapped, TARGET), batch_distance.mmd_floor(TARGET)
    monkeypatch.setattr(batch_distance, "BLOCK", 7)
    np.testing.assert_allclose((batch_distance.mmd(mapped, TARGET)), whole[0])
    np.testing.assert_allclose(batch_distance.mmd_floor(TARGET), whole[1])


def test_the_floor_of_mmd_is_the_size_that_sampling_gives_it():
    draws = np.random.default_rng(6).normal(size=(120, 200, 4))
    values = [batch_distance.mmd(x[None], y)[0] for x, y in zip(draws[::2], draws[1::2])]
    expected = np.sqrt(np.mean(np.square(values)))
    assert 0.6 < batch_distance.mmd_floor(draws[0], n_splits=60) / expected < 1.6


def test_the_floor_of_mmd_is_nan_where_mmd_is():
    assert np.isnan(batch_distance.mmd_floor(TARGET[:3])) and np.isnan(batch_distance.mmd_floor(TARGET[:0]))
    assert np.isnan(batch_distance.mmd_floor(np.ones((20, 3))))


@pytest.mark.parametrize(("n", "m"), [(50, 400), (300, 300)])
def test_sampling_is_the_expected_emd_of_two_samples_of_one_distribution(n, m):
    random = np.random.default_rng(7)
    draws = [np.stack([random.normal(size=n + m), np.maximum(random.normal(size=n + m), 0)], 1) for _ in range(150)]
    measured = np.mean([batch_distance.emd(x[None, :n], x[n:])[0] for x in draws], axis=0)
    expected = np.mean([batch_distance.sampling(x[n:], n) for x in draws], axis=0)
    np.testing.assert_allclose(expected, measured, rtol=0.1)


def test_sampling_of_a_constant_is_zero_and_without_cells_nan():
    np.testing.assert_array_equal(batch_distance.sampling(np.ones((30, 2)), 10), [0, 0])
    assert np.isnan(batch_distance.sampling(TARGET, 0)).all() and np.isnan(batch_distance.sampling(TARGET[:0], 5)).all()


def test_label_transfer_is_the_balanced_mean_of_its_hits():
    right, own = batch_distance.label_hits(TARGET[None] + 1, groups(80), TARGET, groups(80))
    expected = np.mean([right[0, own == name].mean() for name in "ab"])
    assert right.shape == (1, 80) and set(np.unique(right)) <= {0, 1}
    assert batch_distance.label_transfer(TARGET[None] + 1, groups(80), TARGET, groups(80)) == expected
