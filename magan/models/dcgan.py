"""DCGAN: Unsupervised Representation Learning with Deep Convolutional GANs (Radford, Metz & Chintala, ICLR 2016)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.convolution import Discriminator, Generator
from magan.recipe import Adam, Noise, Phase, Recipe


def dcgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_noise: int = 100,
    width: int = 64,
) -> Recipe:
    """The non-saturating game between networks of strided convolutions alone.

    The paper's rules: strides and no pooling, no dense layer but the one that lays z out as maps and the one that
    scores, batch normalisation everywhere but in G's last and D's first layer, ReLU in G and tanh at its end, leaky
    ReLU of slope 0.2 in D, weights from N(0, 0.02^2).

    Parameters
    ----------
    shapes
        Of one image: ``{"x": (C, H, W)}``.
    n_noise
        Length of z, uniform on [-1, 1).
    width
        Maps at half the image's size. The paper's networks for 64 pixels halve it four times; a smaller image is
        halved twice, with twice ``width`` maps at a quarter of its size.

    Raises
    ------
    ValueError
        Samples are no images, or their sides are odd.
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
