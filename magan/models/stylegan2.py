"""Analyzing and Improving the Image Quality of StyleGAN (Karras et al., CVPR 2020)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.path_length import path_lengths
from magan.losses.penalties import gradient_penalty
from magan.losses.reduce import replicate_mean
from magan.networks import stylegan as style
from magan.networks.counter_rng import normal, seeds
from magan.networks.progressive import FIRST, levels
from magan.networks.resizing import framed, unframed
from magan.networks.stylegan2 import ResidualDiscriminator, SkipGenerator, levels_of_layers
from magan.option_types import Count, Rate, Share, Size, Weight, Width
from magan.recipe import Adam, Noise, Phase, Recipe

MEMORY = 0.99  # weight of the past in the running mean of path lengths
SHARE = 2  # 1 / SHARE of the minibatch's samples measure path lengths


def stylegan2(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    mixing_rate: Share = 0.9,
    truncation: Size = 0.7,
    penalty_weight: Weight = 10.0,
    penalty_every: Count = 16,
    path_weight: Weight = 2.0,
    path_every: Count = 4,
    n_noise: Count = 512,
    mapping_depth: Count = 8,
    mapping_rate: Rate = 0.01,
    width: Width = 64,
) -> Recipe:
    """Build the non-saturating game at full size from the start, with two penalties that enter only every few steps.

    A penalty that enters every k-th step is multiplied by k, so its mean over steps does not depend on k. It is part of
    the same update as the game, and shares the optimiser's moments with it. Images are framed in black to the next of
    4, 8, 16, 32, ... pixels. The paper samples from a running mean of the generator's weights: set ``training.average``
    to 0.999.

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    mixing_rate, truncation
        See `stylegan`.
    penalty_weight, penalty_every
        gamma in R1, the mean of ``gamma / 2 |grad D(x)|^2`` at real samples, and its period in steps.
    path_weight, path_every
        Weight of the squared distance of path lengths from their running mean, on half of the minibatch, and its period
        in steps. With lengths measured per layer and pixel, 2 is the paper's ``ln 2 / (r^2 (ln r - ln 2))`` at each
        size r.
    n_noise
        Length of z, standard normal, and of a style.
    mapping_depth, mapping_rate
        See `stylegan`.
    width
        Channels at the largest size, doubled at each halving up to 512.

    Raises
    ------
    ValueError
        Samples are not images.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"stylegan2 needs images, not samples of shape {shapes['x']}; use gan for tables")
    game, n_levels, n_channels = ADVERSARIAL["non_saturating"], levels(shapes["x"]), shapes["x"][0]
    side, of_layers = FIRST * 2 ** (n_levels - 1), levels_of_layers(n_levels)
    n_layers, n_pixels = len(of_layers), style.n_pixels(of_layers)

    def pixels(batch):
        return normal(seeds(batch["pixels"], batch["pixels"].shape[1], 0), (n_pixels,))

    def styles(networks, batch):
        M = networks["mapping"]
        return style.mix_styles(M(batch["z"]), M(batch["z_other"]), batch["mixing"], n_layers, mixing_rate)

    def lengths(networks, batch):
        n = max(1, batch["z"].shape[1] // SHARE)
        part = {name: batch[name][:, :n] for name in ("z", "z_other", "mixing", "pixels")}
        directions = normal(seeds(part["pixels"], n, 1), (n_channels, side, side))
        return path_lengths(lambda w: networks["generator"](w, pixels(part)), styles(networks, part), directions)

    def usual(carry, now):
        """Return the running mean of path lengths; it starts at the first lengths, as 0 would shorten paths."""
        return torch.where(carry["path_length"].isnan(), now.mean(1).detach(), carry["path_length"])

    def discriminators(networks, batch, carry):
        D = networks["discriminator"]
        real = framed(batch["x"], side)
        fake = networks["generator"](styles(networks, batch), pixels(batch)).detach()
        terms = {"adversarial": game.discriminator(D(real), D(fake))}
        if int(carry["step"]) % penalty_every == 0:
            terms["penalty"] = penalty_every * penalty_weight / 2 * gradient_penalty(D, real, target=0)
        return terms

    def generators(networks, batch, carry):
        D = networks["discriminator"]
        fake = networks["generator"](styles(networks, batch), pixels(batch))
        terms = {"adversarial": game.generator(D(fake))}
        if int(carry["step"]) % path_every == 0:
            now = lengths(networks, batch)
            gap = now - usual(carry, now)[:, None]
            terms["path"] = path_every * path_weight * replicate_mean(gap**2)
        return terms

    def remember(networks, batch, carry):
        """Update the running mean of path lengths by those of this minibatch."""
        if int(carry["step"]) % path_every:
            return carry
        now = lengths(networks, batch).detach()
        return {**carry, "path_length": torch.lerp(now.mean(1), usual(carry, now), MEMORY)}

    def sample(networks, batch):
        w = style.truncated(networks["mapping"](batch["z"]), style.average(networks["mapping"], batch["z"]), truncation)
        w = w[:, :, None].expand(-1, -1, n_layers, -1)
        return unframed(networks["generator"](w, pixels(batch)), shapes["x"]).clamp(-1, 1)

    return Recipe(
        networks={
            "mapping": partial(style.Mapping, n_noise, mapping_depth, mapping_rate),
            "generator": partial(SkipGenerator, n_noise, n_channels, n_levels, width),
            "discriminator": partial(ResidualDiscriminator, n_channels, n_levels, width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("mapping", "generator"), objective=generators, keep=remember),
        ),
        optimiser=Adam(learning_rate=2e-3, betas=(0.0, 0.99)),
        noise={
            "z": Noise((n_noise,)),
            "z_other": Noise((n_noise,)),
            "mixing": Noise((2,), "uniform"),
            "pixels": Noise((2,), "uniform"),
        },
        carry={"path_length": torch.full((1,), torch.nan)},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=sample,
    )
