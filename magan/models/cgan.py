"""Conditional Generative Adversarial Nets (Mirza & Osindero 2014): samples of a requested class."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.gan_networks import discriminator, generator, onehot
from magan.option_types import Count, GameName, SampleArchitectureName, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def cgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    adversarial: GameName = "non_saturating",
    n_noise: Count = 100,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build a GAN whose networks both read the class as a one-hot vector: G(z, y) and D(x, y).

    D reads real samples with their class and generated samples with the requested class. `sample` generates a sample of
    the class in each row's ``label``.

    Parameters
    ----------
    shapes
        Shape of a sample, and number of classes: ``{"x": (C, H, W) or (M,), "label": (n_classes,)}``.
    adversarial
        A key of ``ADVERSARIAL``.
    n_noise
        Length of z, uniform on [-1, 1).
    architecture, width
        See `magan.networks.gan_networks`. The paper's networks are fully connected.
    normalised
        Use batch normalisation in both networks, by the statistics of each minibatch. A minibatch of generated samples
        should therefore contain all classes, as minibatches of training do.

    Raises
    ------
    ValueError
        The data have no classes, or the game or the architecture is unknown.
    """
    if "label" not in shapes:
        raise ValueError("cgan needs classes; give images with classes, or use gan")
    if adversarial not in ADVERSARIAL:
        raise ValueError(f"adversarial '{adversarial}' is unknown; there are {', '.join(ADVERSARIAL)}")
    game, (n_classes,) = ADVERSARIAL[adversarial], shapes["label"]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        y = onehot(batch["label"], n_classes)
        return {"adversarial": game.discriminator(D(batch["x"], y), D(G(batch["z"], y).detach(), y))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        y = onehot(batch["label"], n_classes)
        return {"adversarial": game.generator(D(G(batch["z"], y), y))}

    return Recipe(
        networks={
            "generator": generator(n_noise + n_classes, shapes["x"], architecture, width, normalised=normalised),
            "discriminator": discriminator(
                shapes["x"], architecture, width, n_condition=n_classes, normalised=normalised
            ),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed")},
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["generator"](batch["z"], onehot(batch["label"], n_classes)),
    )
