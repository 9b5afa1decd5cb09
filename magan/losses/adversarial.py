"""Adversarial losses on discriminator scores.

A game consists of three costs of a score: the cost of a real sample's score to the discriminator, the cost of a
generated sample's score to the discriminator, and the cost of a generated sample's score to the generator. Scores are
raw (no sigmoid). All three costs are written to be minimised.
"""

from collections.abc import Callable
from math import log
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.reduce import replicate_mean

Cost = Callable[[Tensor], Tensor]  # elementwise cost of scores of any shape


class Adversarial(NamedTuple):
    """The discriminator's and the generator's loss of one game, ``(R, B, ...) -> (R,)`` each."""

    real: Cost
    fake: Cost
    fooled: Cost  # cost of a generated sample's score to the generator
    uninformed_loss: float | None = (
        None  # loss of a D with one constant score for all samples, where the game's minimum is 0
    )

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the mean cost of the real scores plus the mean cost of the generated scores."""
        return self.real_cost(real) + replicate_mean(self.fake(fake))

    def real_cost(self, scores: Tensor) -> Tensor:
        """Return the mean cost to the discriminator of scores of samples that count as real."""
        return replicate_mean(self.real(scores))

    def generator(self, fake: Tensor) -> Tensor:
        """Return the mean cost of the generated scores to the generator."""
        return replicate_mean(self.fooled(fake))


ADVERSARIAL = {
    # D: -log D(x) - log(1 - D(G(z))), with D = sigmoid(score). G: log(1 - D(G(z))), whose gradient vanishes when D
    # separates real from generated samples
    "minimax": Adversarial(lambda s: softplus(-s), softplus, lambda s: -softplus(s), 2 * log(2)),
    # D: as above. G: -log D(G(z)), with the same fixed point and a gradient also when D separates the samples
    "non_saturating": Adversarial(lambda s: softplus(-s), softplus, lambda s: softplus(-s), 2 * log(2)),
    # D: as above. G: -exp(score) / 2; at the optimal D its gradient is that of KL(real || generated) / 2
    # (Goodfellow 2014)
    "likelihood": Adversarial(lambda s: softplus(-s), softplus, lambda s: -0.5 * s.exp(), 2 * log(2)),
    # D: ((D(x) - 1)^2 + D(G(z))^2) / 2. G: (D(G(z)) - 1)^2. Zhu et al. 2017 halve only the discriminator's loss
    "least_squares": Adversarial(lambda s: 0.5 * (s - 1) ** 2, lambda s: 0.5 * s**2, lambda s: (s - 1) ** 2, 0.25),
    # D: -D(x) + D(G(z)), minus the Wasserstein distance if a constraint bounds the slope of D. G: -D(G(z))
    "wasserstein": Adversarial(lambda s: -s, lambda s: s, lambda s: -s),
}
