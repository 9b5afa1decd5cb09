"""Networks for what a domain holds: one decision, for every recipe.

A table of markers and an image of up to 32 x 32 pixels both get the fully
connected networks of the MAGAN authors; an image ends in a tanh, because its
values lie in [-1, 1].
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from magan.networks.mlp import MLP, Residual
from magan.networks.siamese import Siamese

Shape = tuple[int, ...]
Builder = Callable[[], nn.Module]


def generator(source: Shape, target: Shape, hidden: Sequence[int], residual: bool = False) -> Builder:
    """Builder of a map ``(B, *source) -> (B, *target)``; a residual one starts as the identity."""
    _fits(source, target)
    if residual:
        if source != target:
            raise ValueError(f"residual generators need domains of one shape, not {source} and {target}; leave it out")
        return partial(Residual, source, tuple(hidden))
    return partial(MLP, source, target, tuple(hidden), final=torch.tanh if len(target) > 1 else None)


def discriminator(shape: Shape, hidden: Sequence[int], features: bool = False) -> Builder:
    """Builder of a raw score ``(B, *shape) -> (B, 1)``; with ``features``, and its hidden activations."""
    _fits(shape)
    return partial(MLP, shape, (1,), tuple(hidden), features=features)


def siamese(shape_1: Shape, shape_2: Shape, hidden: Sequence[int], n_latent: int) -> Builder:
    """Builder of a joint embedding of two domains, see `Siamese`."""
    _fits(shape_1, shape_2)
    return partial(Siamese, shape_1, shape_2, tuple(hidden), n_latent)


def _fits(*shapes: Shape) -> None:
    for shape in shapes:
        if len(shape) > 1 and max(shape[1:]) > 32:
            raise ValueError(f"an image of {shape} is too large for fully connected networks; use at most 32 x 32")
