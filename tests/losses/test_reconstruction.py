import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from magan.losses.reconstruction import (
    absolute_error,
    bernoulli,
    feature_matching,
    gradient_difference,
    squared_error,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("loss, per_value", [(squared_error, np.square), (absolute_error, np.abs)])
@pytest.mark.parametrize("shape", [(3, 5, 2), (3, 5, 1, 4, 4)])
def test_errors_are_means_over_samples_and_features_of_each_replicate(loss, per_value, shape):
    x, y = draw(*shape), draw(*shape, seed=1)
    expected = [np.mean(per_value(a - b)) for a, b in zip(x.numpy(), y.numpy())]
    np.testing.assert_allclose(loss(x, y), expected)


@pytest.mark.parametrize("loss", [squared_error, absolute_error])
def test_a_perfect_reconstruction_is_free(loss):
    x = draw(2, 4, 3)
    assert not loss(x, x).any()


@pytest.mark.parametrize("loss", [squared_error, absolute_error])
def test_gradients_of_errors_are_those_of_the_values(loss):
    assert gradcheck(loss, (draw(2, 3, 2).requires_grad_(), draw(2, 3, 2, seed=1).requires_grad_()))


def test_feature_matching_compares_minibatch_means_layer_by_layer():
    real, fake = [draw(2, 5, 4), draw(2, 5, 3)], [draw(2, 5, 4, seed=1), draw(2, 5, 3, seed=2)]
    expected = [
        sum(np.mean((r[i].numpy().mean(0) - f[i].numpy().mean(0)) ** 2) for r, f in zip(real, fake)) for i in range(2)
    ]
    matched = feature_matching(real, fake)
    assert matched.shape == (2,)
    np.testing.assert_allclose(matched, expected)


def test_feature_matching_does_not_see_the_order_of_samples():
    real, fake = draw(1, 5, 4), draw(1, 5, 4, seed=1)
    torch.testing.assert_close(feature_matching([real], [fake]), feature_matching([real.flip(1)], [fake]))


def test_feature_matching_moves_only_the_fake_side():
    real, fake = draw(2, 5, 3).requires_grad_(), draw(2, 5, 3, seed=1).requires_grad_()
    feature_matching([real], [fake]).sum().backward()
    assert real.grad is None and fake.grad.abs().sum() > 0
    assert gradcheck(lambda f: feature_matching([real.detach()], [f]), (fake,))


def test_coins_pay_the_log_of_their_chance_summed_over_pixels():
    logits, x = draw(3, 5, 1, 2, 2), draw(3, 5, 1, 2, 2, seed=1).sigmoid()
    chance = 1 / (1 + np.exp(-logits.numpy()))
    per_pixel = -(x.numpy() * np.log(chance) + (1 - x.numpy()) * np.log(1 - chance))
    np.testing.assert_allclose(bernoulli(logits, x), per_pixel.reshape(3, 5, -1).sum(2).mean(1))
    assert gradcheck(lambda logits: bernoulli(logits, x), (logits.requires_grad_(),))


def test_fair_coins_pay_log_two_a_pixel_and_huge_logits_stay_finite():
    x = torch.tensor([[[0.0, 1.0, 0.3]]])
    torch.testing.assert_close(bernoulli(torch.zeros(1, 1, 3), x), torch.tensor([3 * np.log(2)]).float())
    assert bernoulli(torch.full((1, 1, 3), 1e4), x).isfinite().all()


def test_gradient_difference_compares_steps_between_neighbours_and_not_their_sign():
    x, y = draw(2, 3, 1, 4, 5), draw(2, 3, 1, 4, 5, seed=1)
    steps = [
        np.abs(np.abs(np.diff(x.numpy(), axis=a)) - np.abs(np.diff(y.numpy(), axis=a))).mean((1, 2, 3, 4))
        for a in (3, 4)
    ]
    np.testing.assert_allclose(gradient_difference(x, y), sum(steps))
    torch.testing.assert_close(gradient_difference(x, 7 - x), torch.zeros(2).to(x), atol=1e-12, rtol=0)
    assert gradcheck(lambda y: gradient_difference(x, y), (y.requires_grad_(),))
