"""Wasserstein GAN (Arjovsky, Chintala & Bottou, ICML 2017): a discriminator held flat by clipping its weights."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import clip
from magan.networks.gan_networks import discriminator, generator
from magan.recipe import Adam, Noise, Phase, Recipe, RMSprop

OPTIMISERS = {"rmsprop": RMSprop(learning_rate=5e-5), "adam": Adam(learning_rate=5e-5, betas=(0.5, 0.999))}


def wgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    bound: float = 0.01,
    n_discriminator: int = 5,
    n_warm: int = 100,
    optimiser: str = "rmsprop",
    n_noise: int = 100,
    architecture: str = "auto",
    width: int = 64,
    normalised: bool = True,
) -> Recipe:
    """D's mean score of real samples less that of generated ones estimates their distance, up to a factor.

    In the logs ``discriminator/adversarial`` is minus the estimate.

    Parameters
    ----------
    shapes
        Of one sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    bound
        The paper's c: every weight of D is brought back into [-c, c] after each of its updates.
    n_discriminator
        Updates of D for each of G.
    n_warm
        So many instead during the first 25 steps and at every 500th after, as the authors' code does to
        bring D near its best; as many as ``n_discriminator`` for the paper's algorithm without it.
    optimiser
        "rmsprop" is the paper's, which found that momentum did harm; "adam" is that of Lucic et al. 2018.
    n_noise
        Length of z, standard normal.
    architecture, width
        See `magan.networks.gan_networks`.
    normalised
        Batch normalisation in both networks, by the statistics of each minibatch. D's is clipped as well.

    Raises
    ------
    ValueError
        An unknown optimiser or architecture.
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
