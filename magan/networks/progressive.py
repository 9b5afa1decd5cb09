"""Networks that grow during training: 4 x 4 pixels, then 8 x 8, 16 x 16 and so on (Karras et al., ICLR 2018).

A number describes the growth: 1.25 means that the level of 16 x 16 pixels, the second above 4 x 4, is blended in with
weight 0.25. The networks receive it as ``faded``, a vector with a weight for each level above the first. Its length is
the number of levels in use above the first. Only the last weight can be below 1.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import cast

import torch
from torch import Tensor, nn

from magan.networks.equalised import Convolution, Dense, active, pixel_norm, widths, with_deviation
from magan.networks.resizing import enlarged, framed, shrunk
from magan.recipe import Network

FIRST = 4  # pixels: side at the first level
MOST = 512  # greatest number of channels


class GrowingGenerator(nn.Module):
    """Generate images from noise and ``faded``, ``(B, n_noise), (L,) -> (B, C, 4 2^L, 4 2^L)``.

    As in the paper, z is normalised, 3 x 3 convolutions have leaky ReLUs, channels are normalised in each pixel,
    levels are enlarged by nearest neighbours, and 1 x 1 convolutions without an activation give the colours.
    """

    def __init__(self, n_noise: int, n_channels: int, n_levels: int, width: int):
        super().__init__()
        maps = widths(n_levels, width, MOST)
        self.first = Dense(n_noise, maps[0] * FIRST**2, gain=2**0.5 / FIRST)
        self.second = Convolution(maps[0], maps[0])
        self.blocks = nn.ModuleList(nn.ModuleList([Convolution(a, b), Convolution(b, b)]) for a, b in pairwise(maps))
        self.colours = nn.ModuleList(Convolution(n, n_channels, 1, gain=1) for n in maps)

    def forward(self, z: Tensor, faded: Tensor) -> Tensor:
        x = self.first(pixel_norm(z)).unflatten(1, (-1, FIRST, FIRST))
        x = pixel_norm(active(self.second(pixel_norm(active(x)))))
        n = len(faded)
        for block in self.blocks[:n]:
            below, x = x, enlarged(x)
            for layer in cast(nn.ModuleList, block):
                x = pixel_norm(active(layer(x)))
        image = self.colours[n](x)
        return torch.lerp(enlarged(self.colours[n - 1](below)), image, faded[-1]) if n else image


class GrowingDiscriminator(nn.Module):
    """Score images, ``(B, C, 4 2^L, 4 2^L), (L,) -> (B, 1)`` raw: the mirror image of the generator.

    Levels are shrunk by averaging. The minibatch's deviation enters before the last convolution, so a score depends on
    the rest of the minibatch. The buffer ``grown`` holds the growth reached in training.
    """

    def __init__(self, n_channels: int, n_levels: int, width: int):
        super().__init__()
        maps = widths(n_levels, width, MOST)
        self.colours = nn.ModuleList(Convolution(n_channels, n, 1) for n in maps)
        self.blocks = nn.ModuleList(nn.ModuleList([Convolution(b, b), Convolution(b, a)]) for a, b in pairwise(maps))
        self.second = Convolution(maps[0] + 1, maps[0])
        self.dense = Dense(maps[0] * FIRST**2, maps[0])
        self.last = Dense(maps[0], 1, gain=1)
        self.register_buffer("grown", torch.zeros(()))

    def forward(self, x: Tensor, faded: Tensor) -> Tensor:
        n = len(faded)
        h = active(self.colours[n](x))
        for level in reversed(range(n)):
            for layer in cast(nn.ModuleList, self.blocks[level]):
                h = active(layer(h))
            h = shrunk(h)
            if level == n - 1:
                h = torch.lerp(active(self.colours[level](shrunk(x))), h, faded[-1])
        h = active(self.second(with_deviation(h)))
        return self.last(active(self.dense(h.flatten(1))))


def levels(shape: Sequence[int]) -> int:
    """Return the number of levels from 4 x 4 to the smallest power of two that holds an image ``(C, H, W)``."""
    return max(0, ceil(max(shape[1:]) / FIRST) - 1).bit_length() + 1


def growth(step: int, n_levels: int, stable_steps: int, fade_steps: int, start: int = 0) -> float:
    """Return the growth at a step, from ``start`` to ``n_levels - 1``.

    Each level trains for ``stable_steps`` before the next is blended in over ``fade_steps``.
    """
    levels_done, since = divmod(step, stable_steps + fade_steps)
    return min(start + levels_done + max(0, since - stable_steps) / max(fade_steps, 1), float(n_levels - 1))


def shares(grown: float, like: Tensor) -> Tensor:
    """Return the networks' ``faded`` at this growth, ``(R, L)``, for each replicate of ``like``."""
    n = ceil(grown)
    faded = torch.ones(like.shape[0], n, dtype=like.dtype, device=like.device)
    if n:
        faded[:, -1] = grown - (n - 1)
    return faded


def shown(x: Tensor, faded: Tensor, n_levels: int) -> Tensor:
    """Return real images ``(R, B, C, H, W)`` as input of the discriminator at ``faded`` ``(R, L)``: framed and shrunk.

    While a level is blended in, each image is blended with its coarser version in the same proportion.
    """
    n = faded.shape[1]
    x = framed(x, FIRST * 2 ** (n_levels - 1))
    x = shrunk(x, 2 ** (n_levels - 1 - n)) if n < n_levels - 1 else x
    return torch.lerp(enlarged(shrunk(x)), x, faded[:, -1].reshape(-1, 1, 1, 1, 1)) if n else x


def whole(x: Tensor, n_levels: int) -> Tensor:
    """Enlarge images of a level ``(..., C, h, w)`` to the size of the last level."""
    factor = FIRST * 2 ** (n_levels - 1) // x.shape[-1]
    return enlarged(x, factor) if factor > 1 else x


def grown_in_training(discriminator: Network) -> Tensor:
    """Return the buffer ``grown`` of a `GrowingDiscriminator`, ``(R,)``: the tensor itself, not a copy."""
    return next(value for name, value in discriminator.state().items() if name.endswith("grown"))
