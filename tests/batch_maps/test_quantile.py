import numpy as np

from magan.batch_maps.quantile import along, quantile_curve


def quantile_map(source, target, values):
    return along(values, *quantile_curve(source, target))


RNG = np.random.default_rng(0)


def test_a_rising_change_of_scale_is_recovered_exactly_on_training_values():
    source = RNG.normal(size=101)
    target = RNG.permutation(np.exp(source) + 2)
    np.testing.assert_allclose(quantile_map(source, target, source), np.exp(source) + 2, rtol=1e-12)


def test_zeros_that_stay_zeros_are_recovered_exactly_too():
    source = np.maximum(RNG.normal(size=200), 0)
    np.testing.assert_allclose(quantile_map(source, 3 * source, source), 3 * source, atol=1e-12)


def test_mapped_training_values_have_the_distribution_of_the_target():
    source, target = RNG.normal(size=4000), RNG.gamma(2, size=3000)
    mapped = quantile_map(source, target, source)
    grid = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(np.quantile(mapped, grid), np.quantile(target, grid), atol=0.01)


def test_the_map_never_falls_even_with_ties_on_either_side():
    source, target = np.maximum(RNG.normal(size=300), 0), np.maximum(RNG.normal(size=500), 0.5).round(1)
    values = np.linspace(-2, 6, 1001)
    assert (np.diff(quantile_map(source, target, values)) >= -1e-12).all()


def test_surplus_zeros_land_together_on_the_middle_of_their_ranks():
    source = np.concatenate([np.zeros(50), np.linspace(1, 2, 50)])
    target = np.linspace(0, 1, 100)
    assert quantile_map(source, target, np.zeros(1)) == np.quantile(target, 0.25, method="hazen")


def test_beyond_the_training_range_a_value_keeps_its_distance_from_the_end():
    source, target = np.linspace(0, 1, 11), np.linspace(10, 30, 11)
    np.testing.assert_allclose(quantile_map(source, target, np.array([-0.5, 0, 1, 1.25])), [9.5, 10, 30, 30.25])
