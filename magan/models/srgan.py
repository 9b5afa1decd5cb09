"""Photo-Realistic Single Image Super-Resolution Using a GAN (Ledig et al., CVPR 2017)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import squared_error
from magan.networks.enlarging import Enlarging, doublings
from magan.networks.gan_networks import discriminator
from magan.networks.resizing import shrunk
from magan.option_types import Count, Weight, Width
from magan.recipe import Adam, Phase, Recipe


def srgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    factor: Count = 4,
    adversarial_weight: Weight = 1e-3,
    n_blocks: Count = 16,
    width: Width = 64,
) -> Recipe:
    """Build a network that restores images from their means over ``factor`` x ``factor`` pixels.

    G minimises the mean squared error plus the adversarial loss. The paper measures the error in the features of a
    network trained on ImageNet; this is its variant on pixels, SRGAN-MSE. `sample` reads only the means of a query
    image.

    Parameters
    ----------
    shapes
        Shape of a large image: ``{"x": (C, H, W)}``.
    factor
        Factor by which the sides grow: 2, 4 or 8.
    adversarial_weight
        Weight of the adversarial loss of G; 0 gives the mean image, which is blurred.
    n_blocks
        Number of residual blocks of G, at the small size.
    width
        Channels of G, and of D's first layer.

    Raises
    ------
    ValueError
        Samples are not images, or ``factor`` does not divide them.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"srgan needs images, not samples of shape {shapes['x']}; use another model for tables")
    game, n_doublings = ADVERSARIAL["non_saturating"], doublings(shapes["x"], factor)

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": game.discriminator(D(batch["x"]), D(G(shrunk(batch["x"], factor)).detach()))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        enlarged = G(shrunk(batch["x"], factor))
        return {
            "content": squared_error(batch["x"], enlarged),
            "adversarial": adversarial_weight * game.generator(D(enlarged)),
        }

    return Recipe(
        networks={
            "generator": partial(Enlarging, shapes["x"][0], n_doublings, width, n_blocks),
            "discriminator": discriminator(shapes["x"], "auto", width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=1e-4, betas=(0.9, 0.999)),
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: networks["generator"](shrunk(batch["x"], factor)).clamp(-1, 1),
    )
