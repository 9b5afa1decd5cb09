"""DRAGAN: On Convergence and Stability of GANs (Kodali et al. 2017)."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty, perturb
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, SampleArchitectureName, Weight, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def dragan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    penalty_weight: Weight = 10.0,
    n_discriminator: Count = 1,
    n_noise: Count = 64,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build the non-saturating game with a penalty that drives D's slope to 1 around real samples.

    As in the authors' code, the slope is that of the raw score, not of its sigmoid.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    penalty_weight
        The paper's lambda.
    n_discriminator
        Updates of D per update of G.
    n_noise
        Length of z, uniform on [-1, 1), as in Lucic et al. 2018.
    architecture, width
        See `magan.networks.gan_networks`.
    normalised
        Use batch normalisation in G. D has none, because the penalty needs the slope at each single sample.
    """
    game = ADVERSARIAL["non_saturating"]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        real = batch["x"]
        around = perturb(real, batch["perturbation"])
        return {
            "adversarial": game.discriminator(D(real), D(G(batch["z"]).detach())),
            "penalty": penalty_weight * gradient_penalty(D, around),
        }

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.generator(D(G(batch["z"])))}

    return Recipe(
        networks={
            "generator": generator(n_noise, shapes["x"], architecture, width, normalised=normalised),
            "discriminator": discriminator(shapes["x"], architecture, width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators, repeats=n_discriminator),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-4, betas=(0.5, 0.9)),
        noise={"z": Noise((n_noise,), "signed"), "perturbation": Noise(shapes["x"], "uniform")},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
