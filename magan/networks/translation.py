"""The four networks of a two-way translation, and the papers' symbols for them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from magan.networks.choose import Builder, Shape, discriminator, generator
from magan.recipe import Network

GENERATOR_HIDDEN = (200, 100, 50)  # the MAGAN authors' widths
DISCRIMINATOR_HIDDEN = (800, 400, 200, 100, 50)
ROLES = ("generator_12", "generator_21", "discriminator_1", "discriminator_2")


def translation(
    shapes: Mapping[str, Shape],
    generator_hidden: Sequence[int],
    discriminator_hidden: Sequence[int],
    features: bool = False,
    residual: bool = False,
) -> dict[str, Builder]:
    """Role -> builder: a generator each way and a discriminator of each domain.

    ``shapes`` is of one sample of each domain, ``{"x1": (M1,), "x2": (M2,)}``;
    ``features`` makes the discriminators return their hidden activations too,
    ``residual`` makes the generators start as the identity.
    """
    x1, x2 = shapes["x1"], shapes["x2"]
    return {
        "generator_12": generator(x1, x2, generator_hidden, residual),
        "generator_21": generator(x2, x1, generator_hidden, residual),
        "discriminator_1": discriminator(x1, discriminator_hidden, features),
        "discriminator_2": discriminator(x2, discriminator_hidden, features),
    }


def symbols(networks: Mapping) -> tuple:
    """G12, G21, D1, D2."""
    return tuple(networks[role] for role in ROLES)


def scores(D: Network, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """D(real) and D(fake) from one pass over both: its weights' gradient is then one product, not two."""
    real, fake = D(torch.cat([real, fake], dim=1)).chunk(2, dim=1)
    return real, fake
