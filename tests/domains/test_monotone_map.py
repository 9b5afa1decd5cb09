"""The shrunken monotone map: nothing where nothing differs, everything where much does, and never out of order."""

import numpy as np
import pytest

from magan.domains.monotone_map import mapped, monotone_map, posterior


def sample(n: int, seed: int) -> np.ndarray:
    """A marker with negative cells, some of which read zero, and positive ones."""
    draw = np.random.default_rng(seed)
    values = np.where(draw.random(n) < 0.4, draw.normal(4, 0.5, n), draw.exponential(0.5, n))
    return np.where(draw.random(n) < 0.2, 0, np.maximum(values, 0))


def carried(source, target, values):
    return mapped(values, *monotone_map(source, target))


def test_two_samples_of_one_distribution_are_hardly_moved():
    source, target, new = sample(500, 0), sample(500, 1), sample(2000, 2)
    moved = np.abs(carried(source, target, new) - new)
    assert np.median(moved) < 0.02
    assert moved.mean() < 0.5 * np.abs(np.quantile(source, QUARTERS) - np.quantile(target, QUARTERS)).mean()


QUARTERS = (np.arange(100) + 0.5) / 100


@pytest.mark.parametrize(
    "effect, tolerance", [(lambda x: x + 1.0, 0.02), (lambda x: 0.6 * x, 0.05), (lambda x: x**2 / 5, 0.15)]
)
def test_a_clear_difference_is_followed_whatever_its_shape(effect, tolerance):
    new = sample(1000, 2)
    got = carried(sample(20_000, 0), effect(sample(20_000, 1)), new)
    assert np.abs(got - effect(new)).mean() < tolerance


def test_it_comes_closer_to_the_truth_than_the_quantile_map_of_as_few_cells():
    new, effect = sample(2000, 9), (lambda x: x + 0.3)
    shrunken, raw = [], []
    for seed in range(5):
        source, target = sample(400, 2 * seed), effect(sample(400, 2 * seed + 1))
        levels = (np.arange(400) + 0.5) / 400
        quantile = np.interp(new, np.quantile(source, levels), np.quantile(target, levels))
        raw.append(np.abs(quantile - effect(new)).mean())
        shrunken.append(np.abs(carried(source, target, new) - effect(new)).mean())
    assert np.mean(shrunken) < 0.7 * np.mean(raw)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_cells_is_kept(seed):
    knots, images = monotone_map(sample(300, seed), 5 - sample(300, seed + 10))
    assert (np.diff(knots) > 0).all() and (np.diff(images) >= -1e-9).all()


def test_beyond_the_knots_the_shift_stays_as_it_is_at_the_nearest():
    knots, images = np.array([1.0, 2.0]), np.array([1.5, 3.0])
    np.testing.assert_allclose(mapped(np.array([0.0, 1.0, 1.5, 2.0, 9.0]), knots, images), [0.5, 1.5, 2.25, 3.0, 10.0])


def test_shifts_and_units_belong_together():
    source, target = sample(1000, 0), sample(1000, 1) * 0.7 + 0.5
    there = monotone_map(source, target)
    moved = monotone_map(source + 3, target + 3)
    np.testing.assert_allclose(moved, np.array(there) + 3, atol=1e-6)


def test_the_posterior_follows_sure_observations_and_ignores_wild_ones():
    x, shift = np.linspace(0, 4, 9), np.sin(np.linspace(0, 4, 9))
    np.testing.assert_allclose(posterior(x, shift, 1e-6 * np.eye(9)), shift, atol=0.01)
    assert np.abs(posterior(x, 0.1 * shift, 25 * np.eye(9))).max() < 0.05


def test_a_marker_without_spread_is_shifted():
    got = carried(np.zeros(200), np.full(200, 2.0), np.array([0.0, 1.0]))
    np.testing.assert_allclose(got, [2, 3], atol=0.01)
