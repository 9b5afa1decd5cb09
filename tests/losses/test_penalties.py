"""The slope of a discriminator, paid for where the caller says."""

import numpy as np
import pytest
import torch

from magan.losses.penalties import gradient_penalty

SLOPE = torch.tensor([[3.0, 4.0]])  # norm 5


def linear(x):
    return x @ SLOPE.to(x).T


@pytest.mark.parametrize(("target", "paid"), [(1.0, 16.0), (0.0, 25.0), (5.0, 0.0)])
def test_a_linear_discriminator_pays_for_its_slope(target, paid):
    value = gradient_penalty(linear, torch.randn(2, 8, 2), target)
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
