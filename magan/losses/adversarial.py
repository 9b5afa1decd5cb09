"""Adversarial losses on discriminator scores.

A game is what one score costs, three times: a real sample's to the discriminator, a generated
one's to the discriminator, and a generated one's to the generator. Scores are raw (no sigmoid);
all three are written to be minimised.
"""

from collections.abc import Callable
from math import log
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.reduce import replicate_mean

Cost = Callable[[Tensor], Tensor]  # of each score, any shape


class Adversarial(NamedTuple):
    """The two sides of one game, on scores of any shape ``(R, B, ...)``; each pays ``(R,)``."""

    real: Cost
    fake: Cost
    fooled: Cost  # what a generated sample's score costs the generator
    uninformed_loss: float | None = (
        None  # least cost of a D that scores all samples alike, where 0 is the least there is
    )

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Mean cost of the real scores plus that of the generated ones."""
        return replicate_mean(self.real(real)) + replicate_mean(self.fake(fake))

    def generator(self, fake: Tensor) -> Tensor:
        """Mean cost of the generated scores to the generator."""
        return replicate_mean(self.fooled(fake))


def logistic_real(real: Tensor) -> Tensor:
    """Mean of -log D(x), with D = sigmoid(score): ``(R, B, ...) -> (R,)``."""
    return replicate_mean(softplus(-real))


ADVERSARIAL = {
    # -log D(x) - log(1 - D(G(z))), with D = sigmoid(score), against log(1 - D(G(z))), which saturates once the
    # discriminator wins
    "minimax": Adversarial(lambda s: softplus(-s), softplus, lambda s: -softplus(s), 2 * log(2)),
    # against -log D(G(z)): the same fixed point, with a gradient when the generator is losing
    "non_saturating": Adversarial(lambda s: softplus(-s), softplus, lambda s: softplus(-s), 2 * log(2)),
    # against -exp(score) / 2: at the best discriminator, the slope of half of KL(real || generated) (Goodfellow 2014)
    "likelihood": Adversarial(lambda s: softplus(-s), softplus, lambda s: -0.5 * s.exp(), 2 * log(2)),
    # ((D(x) - 1)^2 + D(G(z))^2) / 2 against (D(G(z)) - 1)^2: Zhu et al. 2017 halve only the discriminator's side
    "least_squares": Adversarial(lambda s: 0.5 * (s - 1) ** 2, lambda s: 0.5 * s**2, lambda s: (s - 1) ** 2, 0.25),
    # -D(x) + D(G(z)) against -D(G(z)): minus the distance, where something holds the slope of D
    "wasserstein": Adversarial(lambda s: -s, lambda s: s, lambda s: -s),
}
