"""Wasserstein GAN (Arjovsky, Chintala & Bottou, ICML 2017): the slope of D is bounded by clipping its weights."""

from collections.abc import Mapping
from typing import Literal

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import clip
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, Positive, SampleArchitectureName, Whole, Width
from magan.recipe import Adam, Noise, Phase, Recipe, RMSprop

OPTIMISERS = {"rmsprop": RMSprop(learning_rate=5e-5), "adam": Adam(learning_rate=5e-5, betas=(0.5, 0.999))}


def wgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    bound: Positive = 0.01,
    n_discriminator: Count = 5,
    n_warm: Whole = 100,
    optimiser: Literal["rmsprop", "adam"] = "rmsprop",
    n_noise: Count = 100,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build the Wasserstein game: D's mean score of real minus generated samples estimates their distance (scaled).

    In the logs ``discriminator/adversarial`` is minus the estimate.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    bound
        The paper's c: every weight of D is clipped to [-c, c] after each update of D.
    n_discriminator
        Updates of D per update of G.
    n_warm
        Updates of D during the first 25 steps and at every 500th step, as in the authors' code, to bring D close to its
        optimum. Set it to ``n_discriminator`` for the paper's algorithm, which has no such steps.
    optimiser
        "rmsprop" is the paper's, which found that momentum is harmful; "adam" is that of Lucic et al. 2018.
    n_noise
        Length of z, standard normal.
    architecture, width
        See `magan.networks.gan_networks`.
    normalised
        Use batch normalisation in both networks, by the statistics of each minibatch. Its weights in D are clipped too.

    Raises
    ------
    ValueError
        The optimiser or the architecture is unknown.
    """
    if optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser '{optimiser}' of wgan is unknown; there are {', '.join(OPTIMISERS)}")
    game = ADVERSARIAL["wasserstein"]

    def repeats(step: int) -> int:
        return n_warm if step < 25 or step % 500 == 0 else n_discriminator

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
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
            Phase(
                "discriminator",
                trains=("discriminator",),
                objective=discriminators,
                repeats=repeats,
                after=lambda networks, step: clip(networks["discriminator"].parameters(), bound),
            ),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=OPTIMISERS[optimiser],
        noise={"z": Noise((n_noise,))},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
