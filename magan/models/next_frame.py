"""Deep Multi-Scale Video Prediction Beyond Mean Square Error (Mathieu, Couprie & LeCun, ICLR 2016)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error, gradient_difference
from magan.networks.gan_networks import discriminator
from magan.networks.scales import Multiscale
from magan.option_types import Count, Weight, Width
from magan.recipe import Adam, Phase, Recipe


def next_frame(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_predicted: Count = 1,
    error_weight: Weight = 1.0,
    gradient_weight: Weight = 1.0,
    adversarial_weight: Weight = 0.05,
    width: Width = 64,
) -> Recipe:
    """Build a network that predicts the last frames of a sequence: close to the truth, as sharp, and like real motion.

    Channels are frames. D scores whole sequences whose last frames are true or predicted. `sample` reads the first
    frames of a query and returns the sequence with predicted last frames.

    Parameters
    ----------
    shapes
        Shape of a sequence: ``{"x": (frames, H, W)}``.
    n_predicted
        Number of last frames to predict; all are predicted at once.
    error_weight, gradient_weight
        Weights of the mean absolute error of frames, and of that of the steps between neighbouring pixels.
    adversarial_weight
        Weight of the adversarial loss of G.
    width
        Channels of the first layers of G and D.

    Raises
    ------
    ValueError
        Samples are not sequences of images, or no frame precedes the predicted frames.
    """
    shape = shapes["x"]
    if len(shape) != 3 or not 0 < n_predicted < shape[0]:
        raise ValueError(
            f"next_frame predicts {n_predicted} of the frames of a sample of shape {shape}, which leaves none to see; "
            "give sequences of images as (frames, H, W)"
        )
    game = ADVERSARIAL["non_saturating"]

    def predicted(networks, batch):
        """Return the true first frames followed by the predicted last frames, ``(R, B, frames, H, W)``."""
        first = batch["x"][:, :, :-n_predicted]
        return torch.cat([first, networks["generator"](first)], 2)

    def discriminators(networks, batch, carry):
        D = networks["discriminator"]
        return {"adversarial": game.discriminator(D(batch["x"]), D(predicted(networks, batch).detach()))}

    def generators(networks, batch, carry):
        sequence = predicted(networks, batch)
        true, last = batch["x"][:, :, -n_predicted:], sequence[:, :, -n_predicted:]
        return {
            "error": error_weight * absolute_error(true, last),
            "gradient": gradient_weight * gradient_difference(true, last),
            "adversarial": adversarial_weight * game.generator(networks["discriminator"](sequence)),
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
