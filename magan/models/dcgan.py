"""DCGAN: Unsupervised Representation Learning with Deep Convolutional GANs (Radford, Metz & Chintala, ICLR 2016)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.convolution import Discriminator, Generator
from magan.option_types import Count, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def dcgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_noise: Count = 100,
    width: Width = 64,
) -> Recipe:
    """Build the non-saturating game between networks of strided convolutions.

    The paper's rules: strides instead of pooling; no dense layers except the first of G and the last of D; batch
    normalisation in all layers but G's last and D's first; ReLU in G and tanh at its end; leaky ReLU of slope 0.2 in D;
    weights from N(0, 0.02^2).

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    n_noise
        Length of z, uniform on [-1, 1).
    width
        Channels at half the image's size. The paper's networks halve an image of 64 pixels four times. These networks
        halve a smaller image twice, with 2 ``width`` channels at a quarter of its size.

    Raises
    ------
    ValueError
        Samples are not images, or their sides are odd.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"dcgan needs images, not samples of shape {shapes['x']}; use gan for tables")
    game = ADVERSARIAL["non_saturating"]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.discriminator(D(batch["x"]), D(G(batch["z"]).detach()))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.generator(D(G(batch["z"])))}

    return Recipe(
        networks={
            "generator": partial(Generator, n_noise, shapes["x"], width, dense=(), activation="relu"),
            "discriminator": partial(Discriminator, shapes["x"], width, dense=(), normalised=True),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed")},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
