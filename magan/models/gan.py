"""Generative Adversarial Nets (Goodfellow et al., NIPS 2014), and the games that have the same two phases."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, GameName, SampleArchitectureName, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def gan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    adversarial: GameName = "non_saturating",
    n_discriminator: Count = 1,
    n_noise: Count = 64,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build a generator G(z) of samples, and a discriminator D of real and generated samples.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    adversarial
        A key of ``ADVERSARIAL``: "minimax" is the paper's value function, "non_saturating" is the game that its
        authors train, "least_squares" is LSGAN (Mao et al. 2017).
    n_discriminator
        Updates of the discriminator per update of the generator; the paper's k.
    n_noise
        Length of z, uniform on [-1, 1), as in Lucic et al. 2018.
    architecture, width
        See `magan.networks.gan_networks`; at 64 the image networks are those of Lucic et al. 2018.
    normalised
        Use batch normalisation in both networks, by the statistics of each minibatch.

    Raises
    ------
    ValueError
        The game or the architecture is unknown.
    """
    if adversarial not in ADVERSARIAL:
        raise ValueError(f"adversarial '{adversarial}' is unknown; there are {', '.join(ADVERSARIAL)}")
    game = ADVERSARIAL[adversarial]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        # Real and generated samples pass separately, so each minibatch is normalised by its statistics.
        return {"adversarial": game.discriminator(D(batch["x"]), D(G(batch["z"]).detach()))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.generator(D(G(batch["z"])))}

    return Recipe(
        networks={
            "generator": generator(n_noise, shapes["x"], architecture, width, normalised=normalised),
            "discriminator": discriminator(shapes["x"], architecture, width, normalised=normalised),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators, repeats=n_discriminator),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed")},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
