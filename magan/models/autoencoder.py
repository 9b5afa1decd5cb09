"""An autoencoder: a sample passes through a few numbers and is rebuilt (Hinton & Salakhutdinov, Science 2006)."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch

from magan.losses.reconstruction import squared_error
from magan.networks.mlp import MLP
from magan.recipe import Adam, Phase, Recipe


def autoencoder(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    hidden: Sequence[int] = (512, 256),
    n_code: int = 32,
) -> Recipe:
    """Three dense layers to a code and three back, trained together to rebuild the sample.

    No distribution of codes is learned, so nothing can be drawn: `sample` rebuilds each query image from its own code.
    Its likeness to real images is that of a copy, and not to be set beside those of models that invent.

    Parameters
    ----------
    shapes
        Of one sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    hidden
        Widths of the encoder's layers before the code; the decoder has them in reverse.
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
