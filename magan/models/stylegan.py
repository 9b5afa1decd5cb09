"""A Style-Based Generator Architecture for Generative Adversarial Networks (Karras, Laine & Aila, CVPR 2019)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty
from magan.networks import stylegan as style
from magan.networks.counter_rng import normal, seeds
from magan.networks.progressive import (
    GrowingDiscriminator,
    grown_in_training,
    growth,
    levels,
    shares,
    shown,
    whole,
)
from magan.networks.resizing import unframed
from magan.option_types import Count, Rate, Share, Size, Weight, Whole, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def stylegan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    mixing_rate: Share = 0.9,
    truncation: Size = 0.7,
    penalty_weight: Weight = 10.0,
    start: Whole = 1,
    stable_steps: Count = 600,
    fade_steps: Whole = 600,
    n_noise: Count = 512,
    mapping_depth: Count = 8,
    mapping_rate: Rate = 0.01,
    width: Width = 64,
) -> Recipe:
    """Build progressive growing with styles: the non-saturating game with a penalty on D's slope at real samples.

    Images are framed, grown and sampled as in `progressive`. The paper samples from a running mean of the generator's
    weights: set ``training.average`` to 0.999.

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    mixing_rate
        Share of generated samples that change to a second style at some layer.
    truncation
        The paper's psi in `sample`: 1 leaves styles unchanged, 0 gives all samples the average style.
    penalty_weight
        gamma in R1, the mean of ``gamma / 2 |grad D(x)|^2``.
    start
        Level at which training begins: 1 is the paper's 8 x 8 pixels.
    stable_steps, fade_steps
        See `progressive`; the defaults end growth from 8 to 32 pixels after 2,400 steps.
    n_noise
        Length of z, standard normal, and of a style.
    mapping_depth, mapping_rate
        Number of layers from z to a style, and their learning rate relative to all further layers. Many slow layers
        suit long trainings: styles are almost equal at first, and 5,000 steps do not change that.
    width
        Channels at the largest size, doubled at each halving up to 512.

    Raises
    ------
    ValueError
        Samples are not images.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"stylegan needs images, not samples of shape {shapes['x']}; use gan for tables")
    game, n_levels, n_channels = ADVERSARIAL["non_saturating"], levels(shapes["x"]), shapes["x"][0]
    of_layers = [level for level in range(n_levels) for _ in range(style.LAYERS)]
    n_layers, n_pixels = len(of_layers), style.n_pixels(of_layers)

    def grown_at(step: int) -> float:
        return growth(step, n_levels, stable_steps, fade_steps, min(start, n_levels - 1))

    def generated(networks, batch, faded):
        M, G = networks["mapping"], networks["generator"]
        w = style.mix_styles(M(batch["z"]), M(batch["z_other"]), batch["mixing"], n_layers, mixing_rate)
        return G(w, pixels(batch), faded)

    def pixels(batch):
        return normal(seeds(batch["pixels"], batch["pixels"].shape[1], 0), (n_pixels,))

    def discriminators(networks, batch, carry):
        D, faded = networks["discriminator"], shares(grown_at(int(carry["step"])), batch["x"])
        real = shown(batch["x"], faded, n_levels)
        fake = generated(networks, batch, faded).detach()
        return {
            "adversarial": game.discriminator(D(real, faded), D(fake, faded)),
            "penalty": penalty_weight / 2 * gradient_penalty(lambda x: D(x, faded), real, target=0),
        }

    def generators(networks, batch, carry):
        D, faded = networks["discriminator"], shares(grown_at(int(carry["step"])), batch["x"])
        return {"adversarial": game.generator(D(generated(networks, batch, faded), faded))}

    def note(networks, step):
        grown_in_training(networks["discriminator"]).fill_(grown_at(step))

    def sample(networks, batch):
        faded = shares(grown_in_training(networks["discriminator"])[0].item(), batch["z"])
        w = style.truncated(networks["mapping"](batch["z"]), style.average(networks["mapping"], batch["z"]), truncation)
        w = w[:, :, None].expand(-1, -1, n_layers, -1)
        images = whole(networks["generator"](w, pixels(batch), faded), n_levels)
        return unframed(images, shapes["x"]).clamp(-1, 1)

    return Recipe(
        networks={
            "mapping": partial(style.Mapping, n_noise, mapping_depth, mapping_rate),
            "generator": partial(style.StyleGenerator, n_noise, n_channels, n_levels, width),
            "discriminator": partial(GrowingDiscriminator, n_channels, n_levels, width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators, after=note),
            Phase("generator", trains=("mapping", "generator"), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-3, betas=(0.0, 0.99)),
        noise={
            "z": Noise((n_noise,)),
            "z_other": Noise((n_noise,)),
            "mixing": Noise((2,), "uniform"),
            "pixels": Noise((2,), "uniform"),
        },
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=sample,
    )
