"""Formulas that circulate in slides and tables with a slip, beside the right ones."""

import math

import numpy as np
import pytest
import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty, interpolate, perturb


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REAL, FAKE = 0.5 + draw(1, 50, 1).numpy(), draw(1, 50, 1, seed=1).numpy()


def log_belief(score: np.ndarray) -> np.ndarray:
    """log sigmoid."""
    return -np.log1p(np.exp(-score))


RIGHT_AND_WRONG = {
    # side, game: (as it should be, as it is printed)
    ("discriminator", "minimax"): (
        -log_belief(REAL).mean() - log_belief(-FAKE).mean(),
        -log_belief(REAL).mean() + log_belief(-FAKE).mean(),
    ),
    ("generator", "non_saturating"): (-log_belief(FAKE).mean(), log_belief(FAKE).mean()),
    ("generator", "wasserstein"): (-FAKE.mean(), REAL.mean() - FAKE.mean()),  # minus the other side's loss
    ("discriminator", "least_squares"): (
        (((REAL - 1) ** 2).mean() + (FAKE**2).mean()) / 2,
        (-((REAL - 1) ** 2).mean() + (FAKE**2).mean()) / 2,
    ),
    ("generator", "least_squares"): (((FAKE - 1) ** 2).mean(), -((FAKE - 1) ** 2).mean()),
    ("generator", "likelihood"): (-0.5 * np.exp(FAKE).mean(), 0.5 * np.exp(FAKE).mean()),
}


@pytest.mark.parametrize("side, game", RIGHT_AND_WRONG, ids=map(" ".join, RIGHT_AND_WRONG))
def test_a_side_of_a_game_is_not_its_misprint(side, game):
    right, wrong = RIGHT_AND_WRONG[side, game]
    scores = (torch.as_tensor(REAL), torch.as_tensor(FAKE)) if side == "discriminator" else (torch.as_tensor(FAKE),)
    paid = getattr(ADVERSARIAL[game], side)(*scores).item()
    assert paid == pytest.approx(right) and abs(paid - wrong) > 0.1


def test_with_the_sign_turned_least_squares_would_drive_real_scores_away_without_end():
    game = ADVERSARIAL["least_squares"]
    scores = torch.tensor([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    paid, wrong = game.real(scores), -0.5 * (scores - 1) ** 2
    assert (paid.diff(dim=0) > 0).all() and (wrong.diff(dim=0) < 0).all()


def test_the_square_is_of_the_score_less_one_and_not_of_the_score_of_the_sample_less_one():
    x, slope = draw(1, 20, 1), 3.0
    paid = ADVERSARIAL["least_squares"].generator(slope * x)
    assert paid.item() == pytest.approx(((slope * x - 1) ** 2).mean().item())
    assert abs(paid.item() - ((slope * (x - 1)) ** 2).mean().item()) > 0.1


def test_interpolation_brackets_the_fake_sample_with_one_minus_alpha():
    real, fake, alpha = draw(1, 20, 2), draw(1, 20, 2, seed=1), draw(1, 20, seed=2).sigmoid()
    a = alpha.numpy()[..., None]
    right, wrong = a * real.numpy() + (1 - a) * fake.numpy(), a * real.numpy() + (1 - a * fake.numpy())
    np.testing.assert_allclose(interpolate(real, fake, alpha), right)
    assert np.abs(interpolate(real, fake, alpha).numpy() - wrong).max() > 0.5


def test_the_gradient_penalty_is_on_the_norm_over_inputs_of_each_sample():
    slope = np.array([3.0, 4.0])
    paid = gradient_penalty(lambda x: x @ torch.as_tensor(slope)[:, None], draw(1, 20, 2)).item()
    assert paid == pytest.approx((np.linalg.norm(slope) - 1) ** 2)
    assert paid != pytest.approx(((slope - 1) ** 2).sum())  # without the bars: every coordinate at 1
    assert paid != pytest.approx((slope @ slope - 1) ** 2)  # without the root


def test_dragans_noise_is_uniform_upwards_and_not_gaussian():
    real, uniform = draw(1, 4000, 1), torch.rand(1, 4000, 1, generator=torch.Generator().manual_seed(3)).double()
    noise = (perturb(real, uniform) - real).numpy()
    assert noise.min() >= 0 and noise.max() <= 0.5 * real.numpy().std()
    assert noise.mean() == pytest.approx(real.numpy().std() / 4, rel=0.05)  # a Gaussian's would be 0


# The optimal discriminator of known p and q: its score is log(p / q)
P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
BEST = torch.as_tensor(np.log(P / Q))


def value(scores: torch.Tensor, p: np.ndarray = P, q: np.ndarray = Q) -> float:
    """V(D) = E_p log D + E_q log(1 - D): minus what the logistic discriminator pays."""
    game = ADVERSARIAL["minimax"]
    return -(torch.as_tensor(p) * game.real(scores) + torch.as_tensor(q) * game.fake(scores)).sum().item()


def test_the_value_of_the_game_is_minus_log_four_plus_twice_jensen_shannon():
    m = (P + Q) / 2
    jensen_shannon = 0.5 * (P * np.log(P / m)).sum() + 0.5 * (Q * np.log(Q / m)).sum()
    assert value(BEST) == pytest.approx(-2 * math.log(2) + 2 * jensen_shannon)
    assert value(BEST) != pytest.approx(jensen_shannon)
    assert value(BEST + 0.1) < value(BEST) > value(0.9 * BEST)


def test_at_equal_distributions_the_belief_is_a_half_and_the_value_minus_log_four():
    assert value(torch.zeros(3).double(), P, P) == pytest.approx(-math.log(4))
    assert torch.sigmoid(torch.zeros(1)).item() == 0.5


def test_a_perfect_discriminator_estimates_the_largest_jensen_shannon_not_none():
    sure = torch.tensor([40.0, -40.0]).double()
    apart = value(sure, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert (apart + math.log(4)) / 2 == pytest.approx(math.log(2))


def slope_in_score(name: str, score: float) -> float:
    scores = torch.tensor([score], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(ADVERSARIAL[name].fooled(scores).sum(), scores)[0].item()


@pytest.mark.parametrize("score", [-8.0, -1.0, 0.0, 2.0])
def test_slopes_of_both_logistic_generators_are_in_beliefs_not_in_their_derivatives(score):
    belief = 1 / (1 + math.exp(-score))
    assert slope_in_score("minimax", score) == pytest.approx(-belief)
    assert slope_in_score("non_saturating", score) == pytest.approx(-(1 - belief))
    derivative = belief * (1 - belief)
    assert slope_in_score("non_saturating", score) != pytest.approx(-derivative / (1 - derivative))


def test_both_logistic_generators_push_the_same_way_with_different_strength():
    one, other = slope_in_score("minimax", -6.0), slope_in_score("non_saturating", -6.0)
    assert one < 0 and other < 0 and other / one > 100


def test_against_the_best_discriminator_the_likelihood_game_descends_kl():
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)  # of the generator's q
    q = logits.softmax(0)
    best = torch.as_tensor(np.log(P)) - q.detach().log()
    (slope,) = torch.autograd.grad((q * ADVERSARIAL["likelihood"].fooled(best)).sum(), logits)
    kl = (torch.as_tensor(P) * (torch.as_tensor(np.log(P)) - logits.log_softmax(0))).sum()
    torch.testing.assert_close(slope, torch.autograd.grad(kl, logits)[0] / 2)
