"""Tests of magan.metrics.image_sets: closed forms of Gaussians, and brute force where there is none."""

import math

import numpy as np
import pytest

from magan.metrics import image_sets


def gaussian(n: int, n_features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_features))


def with_moments(n: int, mean: np.ndarray, covariance: np.ndarray, seed: int = 0) -> np.ndarray:
    """Samples whose own mean and covariance (n - 1) are exactly those asked for."""
    x = gaussian(n, len(mean), seed)
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x, rowvar=False)), (x - x.mean(0)).T).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_the_sliced_distance_of_a_shift_is_its_length_times_the_mean_of_a_direction():
    x, shift = gaussian(300, 6), np.array([0.5, -1.0, 0.0, 2.0, 0.0, 1.0])
    factor = math.gamma(3.0) / (math.sqrt(math.pi) * math.gamma(3.5))
    found = image_sets.sliced_wasserstein(x + shift, x)
    assert found == pytest.approx(np.linalg.norm(shift) * factor, rel=0.08)  # 256 directions
    seeds = [image_sets.sliced_wasserstein(x + shift, x, seed) for seed in range(40)]
    assert np.mean(seeds) == pytest.approx(np.linalg.norm(shift) * factor, rel=0.01)


def test_the_sliced_distance_in_one_dimension_is_the_wasserstein_distance_of_sorted_values():
    x, real = gaussian(50, 1), gaussian(50, 1, seed=1) * 2
    assert image_sets.sliced_wasserstein(x, real) == pytest.approx(np.abs(np.sort(x, 0) - np.sort(real, 0)).mean())


def test_the_sliced_distance_sees_what_means_and_covariances_do_not():
    x = np.random.default_rng(0).choice([-1.0, 1.0], size=(2000, 2))
    assert image_sets.sliced_wasserstein(x, gaussian(2000, 2)) > 3 * image_sets.sliced_wasserstein(
        gaussian(2000, 2, 1), gaussian(2000, 2)
    )


def test_the_frechet_distance_of_commuting_covariances_has_a_closed_form():
    turn = np.linalg.qr(gaussian(4, 4))[0]
    a, b = np.array([1.0, 4.0, 9.0, 0.25]), np.array([4.0, 1.0, 9.0, 1.0])
    x = with_moments(200, np.zeros(4), turn @ np.diag(a) @ turn.T)
    real = with_moments(150, np.array([1.0, 2.0, 0.0, 0.0]), turn @ np.diag(b) @ turn.T, seed=1)
    expected = 5 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert image_sets.frechet(x, real) == pytest.approx(expected) and image_sets.frechet(real, x) == pytest.approx(
        expected
    )


def test_the_frechet_distance_is_that_of_the_root_of_the_product():
    from scipy.linalg import sqrtm

    x, real = gaussian(80, 5) @ gaussian(5, 5, 3), gaussian(90, 5, 1) @ gaussian(5, 5, 4) + 0.5
    c1, c2 = np.cov(x, rowvar=False), np.cov(real, rowvar=False)
    trace = np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert image_sets.frechet(x, real) == pytest.approx(((x.mean(0) - real.mean(0)) ** 2).sum() + trace)


def test_the_frechet_distance_is_finite_with_fewer_images_than_features_and_for_a_constant():
    x = gaussian(10, 64)
    assert image_sets.frechet(x, x) == pytest.approx(0, abs=1e-6)
    constant = np.tile(x[:1], (10, 1))
    expected = ((x[0] - x.mean(0)) ** 2).sum() + x.var(0, ddof=1).sum()
    assert image_sets.frechet(constant, x) == pytest.approx(expected)


def test_the_kernel_distance_equals_a_sum_over_pairs_and_is_unbiased():
    x, real = gaussian(7, 3), gaussian(6, 3, 1) + 0.3

    def kernel(u, v):
        return (u @ v / 3 + 1) ** 3

    own = np.mean([kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    target = np.mean([kernel(real[i], real[j]) for i in range(6) for j in range(6) if i != j])
    between = np.mean([kernel(u, v) for u in x for v in real])
    assert image_sets.kid(x, real) == pytest.approx(own + target - 2 * between)
    found = [image_sets.kid(gaussian(20, 3, s), gaussian(20, 3, 1000 + s)) for s in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300) and min(found) < 0


def by_counting(x: np.ndarray, real: np.ndarray) -> dict[str, float]:
    def distance(u, v):
        return np.sqrt(((u - v) ** 2).sum())

    def reach(points):
        return [sorted(distance(p, q) for j, q in enumerate(points) if j != i)[4] for i, p in enumerate(points)]

    balls, made = reach(real), reach(x)
    inside = np.array([[distance(u, r) < ball for r, ball in zip(real, balls)] for u in x])
    covered = np.array([[distance(u, r) < ball for u, ball in zip(x, made)] for r in real])
    return {
        "precision": inside.any(1).mean(),
        "recall": covered.any(1).mean(),
        "density": inside.sum() / 5 / len(x),
        "real_coverage": inside.any(0).mean(),
    }


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_neighbourhoods_equal_counting_ball_by_ball(shift):
    x, real = 0.7 * gaussian(40, 2) + shift, gaussian(30, 2, 1)
    assert image_sets.neighbourhoods(x, real) == pytest.approx(by_counting(x, real))


def test_two_samples_of_one_distribution_have_a_density_of_one():
    found = [image_sets.neighbourhoods(gaussian(200, 4, s), gaussian(200, 4, 100 + s))["density"] for s in range(20)]
    assert np.mean(found) == pytest.approx(1, abs=0.03)


def test_a_dropped_mode_costs_recall_and_coverage_and_outliers_cost_precision_and_density():
    real = np.concatenate([gaussian(200, 3), gaussian(200, 3, 1) + 10])
    one = image_sets.neighbourhoods(gaussian(400, 3, 2), real)
    assert one["precision"] > 0.8 and one["recall"] < 0.6 and one["real_coverage"] < 0.55
    far = image_sets.neighbourhoods(np.concatenate([gaussian(200, 3, 2) + 50, gaussian(200, 3, 3)]), real)
    assert far["precision"] < 0.55 and far["density"] < 0.6 * one["density"]


def test_the_entropy_score_counts_classes_that_are_sure_and_evenly_made():
    sure = np.eye(4)[np.arange(40) % 4]
    assert image_sets.entropy_score(sure) == pytest.approx(4)
    assert image_sets.entropy_score(np.full((40, 4), 0.25)) == pytest.approx(1)
    assert image_sets.entropy_score(np.tile(np.eye(4)[0], (40, 1))) == pytest.approx(1)
    p = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]])
    assert image_sets.entropy_score(p) == pytest.approx(np.sqrt(2))  # each .5 ln(.5 / .25) + .5 ln(.5 / .5)


def test_a_class_made_less_than_a_tenth_as_often_as_it_is_real_is_not_covered():
    real = np.array([0.5, 0.3, 0.2, 0.0])
    assert image_sets.modes(np.array([0.93, 0.03, 0.019, 0.021]), real) == 2
    assert image_sets.modes(np.array([0.4, 0.3, 0.3, 0.0]), real) == 3


def test_the_divergence_of_classes_is_that_of_their_histograms():
    real = np.array([0.5, 0.25, 0.25])
    assert image_sets.class_divergence(real, real) == 0
    assert image_sets.class_divergence(np.array([1.0, 0.0, 0.0]), real) == pytest.approx(np.log(2))
    assert np.isfinite(image_sets.class_divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0])))


def test_shares_count_the_most_probable_class():
    p = np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
    np.testing.assert_array_equal(image_sets.class_shares(p), [0.25, 0.75])


@pytest.mark.filterwarnings("error")
def test_a_set_with_a_nan_and_a_set_too_small_have_no_score():
    x, real = gaussian(20, 3), gaussian(20, 3, 1)
    x[3, 1] = np.nan
    for score in (image_sets.sliced_wasserstein, image_sets.frechet, image_sets.kid):
        assert np.isnan(score(x, real)) and np.isnan(score(real[:1], real))
    assert np.isnan(list(image_sets.neighbourhoods(x, real).values())).all()
    assert np.isnan(list(image_sets.neighbourhoods(real[:5], real).values())).all()
    assert np.isnan(image_sets.entropy_score(x)) and np.isnan(
        image_sets.modes(image_sets.class_shares(x), np.ones(3) / 3)
    )
