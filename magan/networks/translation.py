"""The four networks of a two-way translation, and their symbols in the papers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from magan.networks.architectures import Architecture, Builder, Shape
from magan.recipe import Network

ROLES = ("generator_12", "generator_21", "discriminator_1", "discriminator_2")


def translation(shapes: Mapping[str, Shape], kind: Architecture, features: bool = False) -> dict[str, Builder]:
    """Return role -> builder: a generator for each direction and a discriminator for each domain.

    ``shapes`` holds the shape of a sample of each domain, ``{"x1": (M1,), "x2": (M2,)}``. With ``features`` the
    discriminators also return their hidden activations.
    """
    x1, x2 = shapes["x1"], shapes["x2"]
    return {
        "generator_12": kind.generator(x1, x2),
        "generator_21": kind.generator(x2, x1),
        "discriminator_1": kind.discriminator(x1, features),
        "discriminator_2": kind.discriminator(x2, features),
    }


def symbols(networks: Mapping) -> tuple:
    """Return the networks G12, G21, D1, D2."""
    return tuple(networks[role] for role in ROLES)


def uninformed_loss(loss: float | None, share: float = 1.0) -> dict[str, float | None]:
    """Return the loss of each discriminator that scores all samples equally; the game's loss has weight ``share``."""
    return {f"discriminator/discriminator_{domain}": loss and share * loss for domain in (1, 2)}


def scores(D: Network, real: Tensor, fake: Tensor, separate: bool = False) -> tuple[Tensor, Tensor]:
    """Return D(real) and D(fake) from one pass over both: the gradient of the weights is then one product, not two.

    With ``separate``, or if D requires it, real and generated samples pass separately: a discriminator that normalises
    by the minibatch would otherwise normalise by a mixture of both.
    """
    if separate or getattr(D, "separate", False):
        return D(real), D(fake)
    real, fake = D(torch.cat([real, fake], dim=1)).chunk(2, dim=1)
    return real, fake
