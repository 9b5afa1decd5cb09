"""BEGAN: Boundary Equilibrium GANs (Berthelot, Schumm & Metz 2017), whose discriminator is an autoencoder."""

from collections.abc import Mapping

import torch

from magan.losses.reconstruction import absolute_error
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, Rate, SampleArchitectureName, Share, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def began(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    gamma: Share = 0.5,
    balance_rate: Rate = 1e-3,
    n_noise: Count = 64,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build a GAN whose discriminator is an autoencoder that reconstructs real samples well, generated samples badly.

    With L(x) = |x - AE(x)| the discriminator's loss is L(x) - k L(G(z)) and the generator's loss is L(G(z)). k holds
    the balance ``gamma L(x) = L(G(z))``: ``k <- clip(k + balance_rate (gamma L(x) - L(G(z))), 0, 1)`` after each step.
    The logs contain k as ``carry/k`` and the measure of convergence ``M = L(x) + |gamma L(x) - L(G(z))|`` as
    ``carry/convergence``.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    gamma
        Desired diversity: 0.5 in the authors' experiments; lower values give cleaner and more similar samples.
    balance_rate
        The paper's lambda_k. With the default, k needs thousands of steps to reach its level; for a short training use
        a value ten times as large.
    n_noise
        Length of z, uniform on [-1, 1), and of the autoencoder's code.
    architecture, width
        See `magan.networks.gan_networks`; the decoder has the shape of the generator.
    normalised
        Use batch normalisation in all three networks, by the statistics of each minibatch. The paper's networks are
        much deeper and have none. Without it, G of these networks converges to a single grey image.
    """

    def autoencoded(networks, x):
        return networks["decoder"](networks["encoder"](x))

    def discriminators(networks, batch, carry):
        x, fake = batch["x"], networks["generator"](batch["z"]).detach()
        return {
            "real": absolute_error(x, autoencoded(networks, x)),
            "fake": -carry["k"] * absolute_error(fake, autoencoded(networks, fake)),
        }

    def generators(networks, batch, carry):
        fake = networks["generator"](batch["z"])
        return {"adversarial": absolute_error(fake, autoencoded(networks, fake))}

    def balanced(carry, terms):
        real, fake = terms["discriminator/real"], terms["generator/adversarial"]
        gap = gamma * real - fake
        return {**carry, "k": (carry["k"] + balance_rate * gap).clamp(0, 1), "convergence": real + gap.abs()}

    return Recipe(
        networks={
            "generator": generator(n_noise, shapes["x"], architecture, width, normalised=normalised),
            "encoder": discriminator(shapes["x"], architecture, width, n_out=n_noise, normalised=normalised),
            "decoder": generator(n_noise, shapes["x"], architecture, width, normalised=normalised),
        },
        phases=(
            Phase("discriminator", trains=("encoder", "decoder"), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed")},
        carry={"k": torch.zeros(1), "convergence": torch.full((1,), torch.nan)},
        advance=balanced,
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
