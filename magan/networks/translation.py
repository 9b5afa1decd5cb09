"""The four networks of a two-way translation, and the papers' symbols for them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from magan.networks.architectures import Architecture, Builder, Shape
from magan.recipe import Network

ROLES = ("generator_12", "generator_21", "discriminator_1", "discriminator_2")


def translation(shapes: Mapping[str, Shape], kind: Architecture, features: bool = False) -> dict[str, Builder]:
    """Role -> builder: a generator each way and a discriminator of each domain.

    ``shapes`` is of one sample of each domain, ``{"x1": (M1,), "x2": (M2,)}``;
    ``features`` makes the discriminators return their hidden activations too.
    """
    x1, x2 = shapes["x1"], shapes["x2"]
    return {
        "generator_12": kind.generator(x1, x2),
        "generator_21": kind.generator(x2, x1),
        "discriminator_1": kind.discriminator(x1, features),
        "discriminator_2": kind.discriminator(x2, features),
    }


def symbols(networks: Mapping) -> tuple:
    """G12, G21, D1, D2."""
    return tuple(networks[role] for role in ROLES)


def uninformed_loss(loss: float | None, share: float = 1.0) -> dict[str, float | None]:
    """What either discriminator pays that scores all samples alike, where ``share`` of the game's loss counts."""
    return {f"discriminator/discriminator_{domain}": loss and share * loss for domain in (1, 2)}


def scores(D: Network, real: Tensor, fake: Tensor, apart: bool = False) -> tuple[Tensor, Tensor]:
    """D(real) and D(fake) from one pass over both: its weights' gradient is then one product, not two.

    A discriminator that normalises by the minibatch gets them ``apart``: it would see a mixture of both.
    """
    if apart or getattr(D, "apart", False):
        return D(real), D(fake)
    real, fake = D(torch.cat([real, fake], dim=1)).chunk(2, dim=1)
    return real, fake
