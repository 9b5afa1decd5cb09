"""WGAN-GP: Improved Training of Wasserstein GANs (Gulrajani et al., NIPS 2017)."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty, interpolate
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, SampleArchitectureName, Weight, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def wgan_gp(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    penalty_weight: Weight = 10.0,
    n_discriminator: Count = 5,
    n_noise: Count = 128,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = False,
) -> Recipe:
    """Build the Wasserstein game with a penalty that drives D's slope to 1 between real and generated samples.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    penalty_weight
        The paper's lambda.
    n_discriminator
        Updates of D per update of G.
    n_noise
        Length of z, standard normal.
    architecture, width
        See `magan.networks.gan_networks`.
    normalised
        Use batch normalisation in G. The authors' network for MNIST has none. D never has it, because the penalty needs
        the slope at each single sample.
    """
    game = ADVERSARIAL["wasserstein"]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        real, fake = batch["x"], G(batch["z"]).detach()
        between = interpolate(real, fake, batch["alpha"])
        return {
            "adversarial": game.discriminator(D(real), D(fake)),
            "penalty": penalty_weight * gradient_penalty(D, between),
        }

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.generator(D(G(batch["z"])))}

    return Recipe(
        networks={
            "generator": generator(n_noise, shapes["x"], architecture, width, normalised=normalised, activation="relu"),
            "discriminator": discriminator(shapes["x"], architecture, width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators, repeats=n_discriminator),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-4, betas=(0.5, 0.9)),
        noise={"z": Noise((n_noise,)), "alpha": Noise((), "uniform")},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
