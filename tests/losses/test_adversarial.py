import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from magan.losses.adversarial import ADVERSARIAL

GAMES = sorted(ADVERSARIAL)


def scores(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", GAMES)
def test_both_sides_pay_one_value_per_replicate(name):
    game, real, fake = ADVERSARIAL[name], scores(3, 5, 1), scores(3, 5, 1, seed=1)
    assert game.discriminator(real, fake).shape == game.generator(fake).shape == (3,)


@pytest.mark.parametrize("name", GAMES)
def test_a_replicate_pays_the_same_alone(name):
    game, real, fake = ADVERSARIAL[name], scores(3, 5, 1), scores(3, 5, 1, seed=1)
    torch.testing.assert_close(game.discriminator(real, fake)[1:2], game.discriminator(real[1:2], fake[1:2]))
    torch.testing.assert_close(game.generator(fake)[1:2], game.generator(fake[1:2]))


@pytest.mark.parametrize("name", GAMES)
def test_gradients_are_those_of_the_values(name):
    game, real, fake = ADVERSARIAL[name], scores(2, 4, 1).requires_grad_(), scores(2, 4, 1, seed=1).requires_grad_()
    assert gradcheck(game.discriminator, (real, fake))
    assert gradcheck(game.generator, (fake,))


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_a_discriminator_at_zero_pays_log_two_per_side(name):
    zero = torch.zeros(2, 8, 1)
    paid = ADVERSARIAL[name].discriminator(zero, zero)
    torch.testing.assert_close(paid, torch.full((2,), 2 * math.log(2)))


def test_the_logistic_discriminator_is_minus_the_log_likelihood():
    real, fake = scores(2, 6, 1), scores(2, 6, 1, seed=1)
    paid = ADVERSARIAL["non_saturating"].discriminator(real, fake)
    expected = [-np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean() for r, f in zip(real.numpy(), fake.numpy())]
    np.testing.assert_allclose(paid, expected)


def test_the_real_side_alone_is_minus_the_log_of_the_belief():
    real = scores(2, 6, 1)
    paid = ADVERSARIAL["non_saturating"].real_cost(real)
    np.testing.assert_allclose(paid, [-np.log(sigmoid(r)).mean() for r in real.numpy()])


def test_the_logistic_generators_are_their_formulas():
    fake = scores(2, 6, 1)
    beliefs = sigmoid(fake.numpy())
    np.testing.assert_allclose(ADVERSARIAL["non_saturating"].generator(fake), -np.log(beliefs).mean((1, 2)))
    np.testing.assert_allclose(ADVERSARIAL["minimax"].generator(fake), np.log(1 - beliefs).mean((1, 2)))


def test_only_the_minimax_generator_saturates_when_the_discriminator_wins():
    slopes = {}
    for name in ("minimax", "non_saturating"):
        fake = torch.full((1, 4, 1), -20.0, requires_grad=True)
        ADVERSARIAL[name].generator(fake).sum().backward()
        slopes[name] = fake.grad.sum().item()
    assert slopes["minimax"] == pytest.approx(0, abs=1e-6)
    assert slopes["non_saturating"] == pytest.approx(-1)


def test_logistic_losses_stay_finite_for_huge_scores():
    huge = torch.tensor([[[-1e4]], [[1e4]]])
    for name in ("minimax", "non_saturating"):
        game = ADVERSARIAL[name]
        assert game.discriminator(huge, huge).isfinite().all() and game.generator(huge).isfinite().all()


def test_least_squares_is_zero_at_its_labels_and_positive_elsewhere():
    game, one, zero = ADVERSARIAL["least_squares"], torch.ones(1, 4, 1), torch.zeros(1, 4, 1)
    assert game.discriminator(one, zero) == 0 and game.generator(one) == 0
    assert game.discriminator(zero, one) == 1  # (1 + 1) / 2
    assert game.generator(zero) == 1
    assert game.discriminator(3 * one, zero) == 2  # too sure of itself: (2^2 + 0) / 2
    assert game.generator(-one) == 4


def test_least_squares_are_their_formulas():
    game, real, fake = ADVERSARIAL["least_squares"], scores(2, 6, 1), scores(2, 6, 1, seed=1)
    r, f = real.numpy(), fake.numpy()
    np.testing.assert_allclose(game.discriminator(real, fake), ((r - 1) ** 2 + f**2).mean((1, 2)) / 2)
    np.testing.assert_allclose(game.generator(fake), ((f - 1) ** 2).mean((1, 2)))


def test_wasserstein_pays_the_difference_of_mean_scores():
    game, real, fake = ADVERSARIAL["wasserstein"], scores(2, 6, 1), scores(2, 6, 1, seed=1)
    np.testing.assert_allclose(game.discriminator(real, fake), (fake - real).numpy().mean((1, 2)))
    np.testing.assert_allclose(game.generator(fake), -fake.numpy().mean((1, 2)))


@pytest.mark.parametrize("name", [name for name, game in ADVERSARIAL.items() if game.uninformed_loss is not None])
def test_a_blind_discriminator_pays_at_least_what_the_game_says(name):
    """The best of all scores that it could give to every sample; one that knows all pays 0."""
    game, score = ADVERSARIAL[name], torch.linspace(-3, 3, 6001, dtype=torch.float64).reshape(-1, 1)
    paid = game.discriminator(score, score)
    assert abs(paid.min() - game.uninformed_loss) < 1e-6
    assert (
        game.discriminator(torch.full((1, 1), 1.0 if name == "least_squares" else 50.0), -0.0 * score[:1])
        < game.uninformed_loss
    )
