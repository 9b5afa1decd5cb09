"""Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., ICLR 2018)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty, interpolate
from magan.losses.reduce import replicate_mean
from magan.networks.progressive import (
    GrowingDiscriminator,
    GrowingGenerator,
    grown_in_training,
    growth,
    levels,
    shares,
    shown,
    whole,
)
from magan.networks.resizing import unframed
from magan.option_types import Count, Weight, Whole, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def progressive(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    stable_steps: Count = 600,
    fade_steps: Whole = 600,
    penalty_weight: Weight = 10.0,
    drift_weight: Weight = 1e-3,
    n_noise: Count = 512,
    width: Width = 64,
) -> Recipe:
    """Build WGAN-GP between networks that start at 4 x 4 pixels and grow level by level.

    An image is framed in black to the next of 4, 8, 16, 32, ... pixels; generated images are cut to the image's size.
    `sample` generates images of the level that training reached and enlarges them. They are sharp only if growth is
    complete. The paper samples from a running mean of G's weights: set ``training.average`` to 0.999.

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    stable_steps, fade_steps
        Steps at a level before the next level begins, and steps in which the next level is blended in. The paper uses
        600,000 images for each. With the defaults growth to 32 pixels ends after 3,600 steps.
    penalty_weight
        Weight of the penalty on D's slope between real and generated samples.
    drift_weight
        Weight of the mean square of D's real scores, whose level is otherwise free.
    n_noise
        Length of z, standard normal.
    width
        Channels at the largest size, doubled at each halving up to 512.

    Raises
    ------
    ValueError
        Samples are not images.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"progressive needs images, not samples of shape {shapes['x']}; use wgan_gp for tables")
    game, n_levels, n_channels = ADVERSARIAL["wasserstein"], levels(shapes["x"]), shapes["x"][0]

    def grown_at(step: int) -> float:
        return growth(step, n_levels, stable_steps, fade_steps)

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        faded = shares(grown_at(int(carry["step"])), batch["x"])
        real, fake = shown(batch["x"], faded, n_levels), G(batch["z"], faded).detach()
        scores = D(real, faded)
        between = interpolate(real, fake, batch["alpha"])
        return {
            "adversarial": game.discriminator(scores, D(fake, faded)),
            # As in the paper, a score depends slightly on the rest of the minibatch, through the minibatch's deviation.
            "penalty": penalty_weight * gradient_penalty(lambda x: D(x, faded), between),
            "drift": drift_weight * replicate_mean(scores**2),
        }

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        faded = shares(grown_at(int(carry["step"])), batch["x"])
        return {"adversarial": game.generator(D(G(batch["z"], faded), faded))}

    def note(networks, step):
        grown_in_training(networks["discriminator"]).fill_(grown_at(step))

    def sample(networks, batch):
        faded = shares(grown_in_training(networks["discriminator"])[0].item(), batch["z"])
        images = whole(networks["generator"](batch["z"], faded), n_levels)
        return unframed(images, shapes["x"]).clamp(-1, 1)

    return Recipe(
        networks={
            "generator": partial(GrowingGenerator, n_noise, n_channels, n_levels, width),
            "discriminator": partial(GrowingDiscriminator, n_channels, n_levels, width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators, after=note),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-3, betas=(0.0, 0.99)),
        noise={"z": Noise((n_noise,)), "alpha": Noise((), "uniform")},
        sample=sample,
    )
