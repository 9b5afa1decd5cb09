import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import wrightomega
from torch.autograd import gradcheck

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.f_divergence import DIVERGENCES, game, jeffrey_conjugate, wright_omega

NAMES = sorted(DIVERGENCES)
RATIOS = np.array([0.05, 0.3, 0.9, 1.0, 1.7, 4.0, 20.0])  # u = p / q
# f written out once more, in numpy
BY_HAND = {
    "kl": lambda u: u * np.log(u),
    "reverse_kl": lambda u: -np.log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "jeffrey": lambda u: (u - 1) * np.log(u),
    "js": lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
    "gan": lambda u: u * np.log(u) - (u + 1) * np.log(u + 1),
}
THRESHOLDS = {"kl": 1, "reverse_kl": -1, "pearson": 0, "hellinger": 0, "jeffrey": 0, "js": 0, "gan": -math.log(2)}
# f* is finite below
DOMAINS = {"reverse_kl": 0.0, "hellinger": 1.0, "js": math.log(2), "gan": 0.0}


def double(values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_f_is_the_formula_of_its_row(name):
    np.testing.assert_allclose(DIVERGENCES[name].f(double(RATIOS)), BY_HAND[name](RATIOS), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_is_that_of_f_and_its_value_at_one_is_the_threshold(name):
    u = double(RATIOS).requires_grad_()
    (slope,) = torch.autograd.grad(DIVERGENCES[name].f(u).sum(), u)
    torch.testing.assert_close(DIVERGENCES[name].slope(u.detach()), slope)
    assert DIVERGENCES[name].slope(double(1.0)).item() == pytest.approx(THRESHOLDS[name], abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_the_conjugate_is_the_largest_gap_between_a_line_and_f(name):
    for t in DIVERGENCES[name].slope(double(RATIOS)).tolist():
        gap = minimize_scalar(
            lambda log_u, t=t: BY_HAND[name](np.exp(log_u)) - t * np.exp(log_u),
            bounds=(-6, 6),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert DIVERGENCES[name].conjugate(double(t)).item() == pytest.approx(-gap.fun, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_of_the_conjugate_undoes_the_slope_of_f(name):
    t = DIVERGENCES[name].slope(double(RATIOS)).requires_grad_()
    (u,) = torch.autograd.grad(DIVERGENCES[name].conjugate(t).sum(), t)
    np.testing.assert_allclose(u, RATIOS, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_activation_rises_and_takes_every_score_into_the_domain_of_the_conjugate(name):
    t = DIVERGENCES[name].activation(torch.linspace(-8, 8, 1001, dtype=torch.float64))
    assert (t.diff() > 0).all()
    assert (t < DOMAINS.get(name, math.inf)).all()
    assert DIVERGENCES[name].conjugate(t).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_activated_conjugate_is_the_conjugate_of_the_activation_without_its_overflow(name):
    v = torch.linspace(-8, 8, 101, dtype=torch.float64)
    row = DIVERGENCES[name]
    torch.testing.assert_close(row.activated(v), row.conjugate(row.activation(v)), rtol=1e-6, atol=1e-9)
    far = torch.tensor([-60.0, 60.0])
    assert row.activated(far).isfinite().all() and row.activation(far).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_best_score_reaches_the_divergence_of_two_known_distributions(name):
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    row = DIVERGENCES[name]
    best = row.slope(double(p / q))
    bound = (double(p) * best).sum() - (double(q) * row.conjugate(best)).sum()
    assert bound.item() == pytest.approx((q * BY_HAND[name](p / q)).sum())
    worse = best - 0.1  # stays in the domain
    assert (double(p) * worse).sum() - (double(q) * row.conjugate(worse)).sum() < bound


def test_kl_in_its_variational_form_is_that_of_two_gaussians():
    """P = N(1, 1), Q = N(0, 1): u = exp(x - 1/2), KL = 1/2."""
    row, lines = DIVERGENCES["kl"], lambda x, mean: math.exp(-((x - mean) ** 2) / 2) / math.sqrt(2 * math.pi)
    score = lambda x: row.slope(double(math.exp(x - 0.5)))  # noqa: E731
    real = quad(lambda x: lines(x, 1) * score(x).item(), -10, 10)[0]
    fake = quad(lambda x: lines(x, 0) * row.conjugate(score(x)).item(), -10, 10)[0]
    assert real - fake == pytest.approx(0.5)


@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_both_sides_of_a_game_are_those_of_the_bound(name, saturating):
    real, fake = scores(3, 5, 1), scores(3, 5, 1, seed=1)
    row, played = DIVERGENCES[name], game(DIVERGENCES[name], saturating)
    g_real, g_fake = row.activation(real).numpy(), row.activation(fake).numpy()
    bound = g_real.mean((1, 2)) - row.conjugate(torch.as_tensor(g_fake)).numpy().mean((1, 2))
    np.testing.assert_allclose(played.discriminator(real, fake), -bound, rtol=1e-7)
    generated = -row.conjugate(torch.as_tensor(g_fake)).numpy() if saturating else -g_fake
    np.testing.assert_allclose(played.generator(fake), generated.mean((1, 2)), rtol=1e-7)


@pytest.mark.parametrize("saturating", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_values(name, saturating):
    played = game(DIVERGENCES[name], saturating)
    real, fake = scores(2, 4, 1).requires_grad_(), scores(2, 4, 1, seed=1).requires_grad_()
    assert gradcheck(played.discriminator, (real, fake))
    assert gradcheck(played.generator, (fake,))


def test_the_gan_divergence_is_the_logistic_game():
    real, fake = scores(2, 6, 1), scores(2, 6, 1, seed=1)
    for saturating, name in ((False, "non_saturating"), (True, "minimax")):
        played = game(DIVERGENCES["gan"], saturating)
        torch.testing.assert_close(played.discriminator(real, fake), ADVERSARIAL[name].discriminator(real, fake))
        torch.testing.assert_close(played.generator(fake), ADVERSARIAL[name].generator(fake))


def test_jensen_shannon_here_is_twice_the_usual_one_and_the_gan_bound_less_by_log_four():
    p, q = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    m = (p + q) / 2
    usual = 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()
    paid = {name: (double(q) * DIVERGENCES[name].f(double(p / q))).sum().item() for name in ("js", "gan")}
    assert paid["js"] == pytest.approx(2 * usual)
    assert paid["gan"] == pytest.approx(2 * usual - math.log(4))


def test_jeffrey_is_kl_both_ways():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    u, cycle = double(p / q), (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
    assert (double(q) * DIVERGENCES["jeffrey"].f(u)).sum().item() == pytest.approx(cycle)


def test_wright_omega_is_scipys_with_the_derivative_of_its_equation():
    y = torch.linspace(-60, 60, 241, dtype=torch.float64).requires_grad_()
    w = wright_omega(y)
    np.testing.assert_allclose(w.detach(), wrightomega(y.detach().numpy()), rtol=1e-13)
    (slope,) = torch.autograd.grad(w.sum(), y)
    torch.testing.assert_close(slope, w / (1 + w))
    assert gradcheck(wright_omega, (scores(10).requires_grad_(),))
    assert wright_omega(torch.tensor([-1e5, 1e6])).tolist() == pytest.approx([0, 1e6 - math.log(1e6)], rel=1e-6)


def test_jeffreys_conjugate_with_the_sign_of_the_exponent_turned_is_another_function():
    t = double([-1.0, 0.5, 2.0])
    w = wrightomega(t.numpy() - 1)  # W(e^(t-1))
    assert not np.allclose(jeffrey_conjugate(t), w + 1 / w + t.numpy() - 2)
