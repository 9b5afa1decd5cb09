"""Adversarial losses on discriminator scores.

Every pair takes raw scores (no sigmoid) of any shape ``(R, B, ...)`` and
returns one value per replicate, ``(R,)``. Both sides are written to be
minimised.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.reduce import replicate_mean


class Adversarial(NamedTuple):
    """The two sides of one game."""

    discriminator: Callable[[Tensor, Tensor], Tensor]  # (real scores, fake scores) -> (R,)
    generator: Callable[[Tensor], Tensor]  # (fake scores) -> (R,)


def logistic_real(real: Tensor) -> Tensor:
    """-log D(x), with D = sigmoid(score)."""
    return replicate_mean(softplus(-real))


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), with D = sigmoid(score)."""
    return logistic_real(real) + replicate_mean(softplus(fake))


def minimax_generator(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))): saturates once the discriminator wins."""
    return -replicate_mean(softplus(fake))


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)): the same fixed point, with a gradient when G is losing."""
    return replicate_mean(softplus(-fake))


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """((D(x) - 1)^2 + D(G(z))^2) / 2."""
    return 0.5 * (replicate_mean((real - 1) ** 2) + replicate_mean(fake**2))


def least_squares_generator(fake: Tensor) -> Tensor:
    """(D(G(z)) - 1)^2: Zhu et al. 2017 halve only the discriminator's side."""
    return replicate_mean((fake - 1) ** 2)


ADVERSARIAL = {
    "minimax": Adversarial(logistic_discriminator, minimax_generator),
    "non_saturating": Adversarial(logistic_discriminator, non_saturating_generator),
    "least_squares": Adversarial(least_squares_discriminator, least_squares_generator),
}
