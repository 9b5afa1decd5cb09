"""The slope of a discriminator, paid for where the caller says."""

import numpy as np
import pytest
import torch

from magan.losses.penalties import clip, gradient_penalty, interpolate, perturb

SLOPE = torch.tensor([[3.0, 4.0]])  # norm 5


def linear(x):
    return x @ SLOPE.to(x).T


@pytest.mark.parametrize(("target", "paid"), [(1.0, 16.0), (0.0, 25.0), (5.0, 0.0)])
def test_a_linear_discriminator_pays_for_its_slope(target, paid):
    value = gradient_penalty(linear, torch.randn(2, 8, 2), target)
    torch.testing.assert_close(value, torch.full((2,), paid))


@pytest.mark.parametrize(("target", "paid"), [(1.0, 16.0), (4.0, 1.0), (7.0, 0.0)])
def test_one_sided_a_slope_below_the_target_is_free(target, paid):
    value = gradient_penalty(linear, torch.randn(2, 8, 2), target, one_sided=True)
    torch.testing.assert_close(value, torch.full((2,), paid))


def test_each_sample_pays_for_its_own_slope():
    x = torch.linspace(-2, 2, 10).reshape(1, 5, 2)
    value = gradient_penalty(lambda x: (x**2).sum(-1, keepdim=True) / 2, x, target=0.0)  # slope x
    np.testing.assert_allclose(value.detach().numpy(), (x[0].numpy() ** 2).sum(1).mean(keepdims=True), rtol=1e-6)


def test_the_penalty_trains_the_weights_and_stays_finite_at_slope_zero():
    weight = torch.zeros(1, 2, 1, dtype=torch.float64, requires_grad=True)
    for target in (0.0, 1.0):
        (gradient,) = torch.autograd.grad(
            gradient_penalty(lambda x: x @ weight, torch.ones(1, 4, 2, dtype=torch.float64), target).sum(), weight
        )
        assert gradient.isfinite().all()
    weight = torch.randn(1, 2, 1, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda w: gradient_penalty(lambda x: torch.tanh(x @ w), x), (weight,))


def test_each_sample_is_mixed_by_its_own_alpha():
    real, fake = torch.randn(2, 3, 1, 4, 4), torch.randn(2, 3, 1, 4, 4)
    alpha = torch.tensor([[0.0, 0.25, 1.0], [0.5, 0.75, 0.1]])
    mixed = interpolate(real, fake, alpha)
    for r in range(2):
        for i in range(3):
            a = alpha[r, i].item()
            expected = a * real[r, i].numpy() + (1 - a) * fake[r, i].numpy()
            np.testing.assert_allclose(mixed[r, i], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(interpolate(real.flatten(2), fake.flatten(2), alpha), mixed.flatten(2))


def test_the_penalty_between_two_samples_is_that_of_a_parabola_there():
    real, fake, alpha = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), -1.0), torch.tensor([[0.25]])
    between = interpolate(real, fake, alpha)  # 0.25 * 3 - 0.75 = 0, where x^2 / 2 is flat
    torch.testing.assert_close(gradient_penalty(lambda x: x**2 / 2, between), torch.ones(1))


def test_noise_around_real_samples_is_half_of_each_replicates_own_deviation():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(2, 40, 3, generator=generator) * torch.tensor([1.0, 5.0])[:, None, None]
    uniform = torch.rand(2, 40, 3, generator=generator)
    moved = perturb(real, uniform)
    for r in range(2):
        expected = real[r].numpy() + 0.5 * real[r].numpy().std() * uniform[r].numpy()
        np.testing.assert_allclose(moved[r], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(perturb(real[1:], uniform[1:])[0], moved[1])
    torch.testing.assert_close(perturb(real, uniform, scale=0.0), real)


def test_the_slope_of_the_penalty_is_that_of_its_value_where_both_papers_pay_it():
    draw = lambda *shape: torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)  # noqa: E731
    weight = draw(1, 2, 1).requires_grad_()
    for x in (interpolate(draw(1, 4, 2), -draw(1, 4, 2), draw(1, 4)), perturb(draw(1, 4, 2), draw(1, 4, 2))):
        assert torch.autograd.gradcheck(lambda w, x=x: gradient_penalty(lambda x: torch.tanh(x @ w), x), (weight,))


def test_clipping_bounds_every_weight_in_place_and_leaves_small_ones():
    weights = [torch.tensor([-3.0, -0.005, 0.0, 0.009, 2.0], requires_grad=True), torch.full((2, 2), -0.5)]
    clip(weights, 0.01)
    torch.testing.assert_close(weights[0].detach(), torch.tensor([-0.01, -0.005, 0.0, 0.009, 0.01]))
    torch.testing.assert_close(weights[1], torch.full((2, 2), -0.01))
