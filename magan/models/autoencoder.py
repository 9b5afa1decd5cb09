"""Autoencoder: compress a sample to a few numbers and reconstruct it (Hinton & Salakhutdinov, Science 2006)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.reconstruction import squared_error
from magan.networks.mlp import MLP
from magan.option_types import Count, Widths
from magan.recipe import Adam, Phase, Recipe


def autoencoder(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    hidden: Widths = (512, 256),
    n_code: Count = 32,
) -> Recipe:
    """Build an encoder of three dense layers and a decoder of three, trained together to reconstruct the sample.

    The model learns no distribution of codes, so it cannot draw samples: `sample` reconstructs each query image from
    its code. Its image scores are scores of copies; do not compare them with those of models that generate new images.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    hidden
        Widths of the encoder's layers before the code; the decoder has the reverse order.
    n_code
        Length of the code.
    """
    shape = shapes["x"]

    def rebuilt(networks, batch, carry):
        E, G = networks["encoder"], networks["decoder"]
        return {"squared": squared_error(batch["x"], G(E(batch["x"])))}

    final = torch.tanh if len(shape) > 1 else None
    return Recipe(
        networks={
            "encoder": partial(MLP, shape, (n_code,), tuple(hidden)),
            "decoder": partial(MLP, (n_code,), shape, tuple(hidden)[::-1], final=final),
        },
        phases=(Phase("reconstruction", trains=("encoder", "decoder"), objective=rebuilt),),
        optimiser=Adam(learning_rate=1e-3, betas=(0.9, 0.999)),
        sample=lambda networks, batch: networks["decoder"](networks["encoder"](batch["x"])),
    )
