"""Deep Multi-Scale Video Prediction Beyond Mean Square Error (Mathieu, Couprie & LeCun, ICLR 2016)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error, gradient_difference
from magan.networks.gan_networks import discriminator
from magan.networks.scales import Multiscale
from magan.recipe import Adam, Phase, Recipe


def next_frame(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_predicted: int = 1,
    error_weight: float = 1.0,
    gradient_weight: float = 1.0,
    adversarial_weight: float = 0.05,
    width: int = 64,
) -> Recipe:
    """The last frames of a sequence from those before them: near the true ones, as sharp, and like real motion.

    Channels are frames. D judges whole sequences, of which the generator made the end. `sample` knows the first frames
    of a query and gives the sequence, of which the last frames are predicted.

    Parameters
    ----------
    shapes
        Of one sequence: ``{"x": (frames, H, W)}``.
    n_predicted
        Frames at the end to be predicted, all at once.
    error_weight, gradient_weight
        Of the mean absolute error, and of that of differences between neighbouring pixels.
    adversarial_weight
        Of G's part of the game.
    width
        Maps of G's first layer, and of D's.

    Raises
    ------
    ValueError
        Samples are no sequences of images, or there is no frame before the predicted ones.
    """
    shape = shapes["x"]
    if len(shape) != 3 or not 0 < n_predicted < shape[0]:
        raise ValueError(
            f"next_frame predicts {n_predicted} of the frames of a sample of shape {shape}, which leaves none to see; "
            "give sequences of images as (frames, H, W)"
        )
    game = ADVERSARIAL["non_saturating"]

    def predicted(networks, batch):
        """The true first frames and the predicted last ones, ``(R, B, frames, H, W)``."""
        seen = batch["x"][:, :, :-n_predicted]
        return torch.cat([seen, networks["generator"](seen)], 2)

    def discriminators(networks, batch, carry):
        D = networks["discriminator"]
        return {"adversarial": game.discriminator(D(batch["x"]), D(predicted(networks, batch).detach()))}

    def generators(networks, batch, carry):
        made = predicted(networks, batch)
        true, last = batch["x"][:, :, -n_predicted:], made[:, :, -n_predicted:]
        return {
            "error": error_weight * absolute_error(true, last),
            "gradient": gradient_weight * gradient_difference(true, last),
            "adversarial": adversarial_weight * game.generator(networks["discriminator"](made)),
        }

    return Recipe(
        networks={
            "generator": partial(Multiscale, (shape[0] - n_predicted, *shape[1:]), n_predicted, width),
            "discriminator": discriminator(shape, "auto", width),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=lambda networks, batch: predicted(networks, batch).clamp(-1, 1),
    )
