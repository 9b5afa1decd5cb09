import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import norm
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence

from magan.losses.information import categorical_information, gaussian_information, gaussian_kl


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def codes(*shape: int, n: int, seed: int = 2) -> torch.Tensor:
    return torch.randint(n, shape, generator=torch.Generator().manual_seed(seed))


def test_gaussians_are_as_far_from_the_standard_one_as_their_closed_form_says():
    mean, log_variance = draw(3, 5, 2), draw(3, 5, 2, seed=1)
    m, v = mean.numpy(), np.exp(log_variance.numpy())
    np.testing.assert_allclose(gaussian_kl(mean, log_variance), 0.5 * (m**2 + v - 1 - np.log(v)).sum(2).mean(1))
    library = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(2).double(), 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_variance), library.sum(2).mean(1))
    assert gradcheck(gaussian_kl, (mean.requires_grad_(), log_variance.requires_grad_()))
    assert not gaussian_kl(torch.zeros(2, 5, 2), torch.zeros(2, 5, 2)).any()


def test_a_categorical_code_shares_what_it_loses_of_its_entropy():
    logits, code = draw(3, 8, 4), codes(3, 8, n=4)
    said = log_softmax(logits.numpy(), axis=2)
    expected = [math.log(4) + np.mean([row[k] for row, k in zip(said[r], code[r])]) for r in range(3)]
    np.testing.assert_allclose(categorical_information(logits, code), expected)
    assert gradcheck(lambda logits: categorical_information(logits, code), (logits.requires_grad_(),))


def test_a_code_always_read_is_worth_log_k_and_a_guess_nothing():
    code = codes(2, 50, n=10)
    read = 100.0 * torch.nn.functional.one_hot(code, 10)
    torch.testing.assert_close(categorical_information(read, code), torch.full((2,), math.log(10)))
    guess = categorical_information(torch.zeros(2, 50, 10), code)
    torch.testing.assert_close(guess, torch.zeros(2), rtol=0, atol=1e-6)
    assert (categorical_information(read.roll(1, dims=2), code) < 0).all()  # confidently wrong


def test_the_bound_is_below_the_information_and_reaches_it_with_the_posterior():
    """A code of two values seen through a channel that flips it one time in five."""
    code = torch.tensor([[0] * 5 + [1] * 5])
    seen = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1, 0]])
    information = math.log(2) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2)
    posterior = torch.tensor([[0.8, 0.2], [0.2, 0.8]]).double().log()[seen]
    assert categorical_information(posterior, code).item() == pytest.approx(information)
    assert categorical_information(2 * posterior, code).item() < information


def test_a_continuous_code_is_read_by_unit_gaussians():
    mean, code = draw(3, 6, 2), draw(3, 6, 2, seed=1).tanh()
    said = norm.logpdf(code.numpy(), loc=mean.numpy(), scale=1).sum(2)
    np.testing.assert_allclose(gaussian_information(mean, code), 2 * math.log(2) + said.mean(1))
    assert gradcheck(gaussian_information, (mean.requires_grad_(), code.requires_grad_()))
