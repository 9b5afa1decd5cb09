"""Adversarial Autoencoders (Makhzani et al. 2016, arXiv 1511.05644)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import squared_error
from magan.networks.mlp import MLP
from magan.option_types import Count, Positive, Widths
from magan.recipe import Adam, Noise, Phase, Recipe


def aae(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    prior_deviation: Positive = 5.0,
    hidden: Widths = (1000, 1000),
    n_noise: Count = 8,
) -> Recipe:
    """Build an autoencoder whose codes follow a prior; samples are decoded draws of the prior.

    The discriminator distinguishes draws of the prior (real) from codes of images (generated). The encoder has two
    training phases: with the decoder it learns to reconstruct images, and then it learns to fool the discriminator.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    prior_deviation
        Standard deviation of the prior, a normal distribution with mean 0.
    hidden
        Widths of the hidden layers of the encoder and of the discriminator; the decoder has the reverse order.
    n_noise
        Length of the code.
    """
    shape, game = shapes["x"], ADVERSARIAL["non_saturating"]

    def rebuilt(networks, batch, carry):
        E, G = networks["encoder"], networks["decoder"]
        return {"squared": squared_error(batch["x"], G(E(batch["x"])))}

    def discriminators(networks, batch, carry):
        E, D = networks["encoder"], networks["discriminator"]
        return {"adversarial": game.discriminator(D(prior_deviation * batch["z"]), D(E(batch["x"]).detach()))}

    def encoders(networks, batch, carry):
        E, D = networks["encoder"], networks["discriminator"]
        return {"adversarial": game.generator(D(E(batch["x"])))}

    final = torch.tanh if len(shape) > 1 else None
    return Recipe(
        networks={
            "encoder": partial(MLP, shape, (n_noise,), tuple(hidden)),
            "decoder": partial(MLP, (n_noise,), shape, tuple(hidden)[::-1], final=final),
            "discriminator": partial(MLP, (n_noise,), (1,), tuple(hidden)),
        },
        phases=(
            Phase("reconstruction", trains=("encoder", "decoder"), objective=rebuilt),
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("encoder", trains=("encoder",), objective=encoders),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,))},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["decoder"](prior_deviation * batch["z"]),
    )
