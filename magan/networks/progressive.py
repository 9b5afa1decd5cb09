"""Networks that grow while they learn: 4 x 4 pixels, then 8 x 8, 16 x 16 and so on (Karras et al., ICLR 2018).

How far they have grown is a number: 1.25 means that the level of 16 x 16 pixels, the second above 4 x 4, is faded in
by a quarter. The networks are told by ``faded``, a vector of one share for each level above the first, so that its
length says how many levels are in use; only the last share can be below 1.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import torch
from torch import Tensor, nn

from magan.networks.equalised import Convolution, Dense, active, pixel_norm, widths, with_deviation
from magan.networks.resizing import enlarged, framed, shrunk
from magan.recipe import Network

FIRST = 4  # pixels of a side at the first level
MOST = 512  # maps of a level


class GrowingGenerator(nn.Module):
    """``(B, n_noise), (L,) -> (B, C, 4 2^L, 4 2^L)``: noise, share of each level above the first.

    The paper's: z of length 1 per dimension, 3 x 3 convolutions with leaky ReLUs, maps normalised in each pixel,
    levels enlarged by nearest neighbours, colours by 1 x 1 convolutions and without an activation.
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
            for layer in block:
                x = pixel_norm(active(layer(x)))
        image = self.colours[n](x)
        return torch.lerp(enlarged(self.colours[n - 1](below)), image, faded[-1]) if n else image


class GrowingDiscriminator(nn.Module):
    """``(B, C, 4 2^L, 4 2^L), (L,) -> (B, 1)`` raw scores: the generator's mirror image.

    Levels are shrunk by averaging; before the last convolution comes the minibatch's deviation, so a score depends on
    the samples beside it. The buffer ``grown`` holds how far growth had come in training.
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
            for layer in self.blocks[level]:
                h = active(layer(h))
            h = shrunk(h)
            if level == n - 1:
                h = torch.lerp(active(self.colours[level](shrunk(x))), h, faded[-1])
        h = active(self.second(with_deviation(h)))
        return self.last(active(self.dense(h.flatten(1))))


def levels(shape: Sequence[int]) -> int:
    """Levels from 4 x 4 to the smallest power of two that holds an image ``(C, H, W)``."""
    return max(0, ceil(max(shape[1:]) / FIRST) - 1).bit_length() + 1


def growth(step: int, n_levels: int, stable_steps: int, fade_steps: int, start: int = 0) -> float:
    """How far networks have grown at a step, from ``start`` to ``n_levels - 1``.

    Each level is trained ``stable_steps`` before the next is faded in over ``fade_steps``.
    """
    turns, rest = divmod(step, stable_steps + fade_steps)
    return min(start + turns + max(0, rest - stable_steps) / max(fade_steps, 1), float(n_levels - 1))


def shares(grown: float, like: Tensor) -> Tensor:
    """``(R, L)``: the networks' ``faded`` at this growth, for each replicate of ``like``."""
    n = ceil(grown)
    faded = torch.ones(like.shape[0], n, dtype=like.dtype, device=like.device)
    if n:
        faded[:, -1] = grown - (n - 1)
    return faded


def shown(x: Tensor, faded: Tensor, n_levels: int) -> Tensor:
    """Real images ``(R, B, C, H, W)`` as the discriminator sees them at ``faded`` ``(R, L)``: framed and shrunk.

    While a level is faded in they are mixed with their own, coarser, selves alike.
    """
    n = faded.shape[1]
    x = framed(x, FIRST * 2 ** (n_levels - 1))
    x = shrunk(x, 2 ** (n_levels - 1 - n)) if n < n_levels - 1 else x
    return torch.lerp(enlarged(shrunk(x)), x, faded[:, -1].reshape(-1, 1, 1, 1, 1)) if n else x


def whole(x: Tensor, n_levels: int) -> Tensor:
    """Images of a level ``(..., C, h, w)`` at the size of the last."""
    factor = FIRST * 2 ** (n_levels - 1) // x.shape[-1]
    return enlarged(x, factor) if factor > 1 else x


def grown_in_training(discriminator: Network) -> Tensor:
    """The buffer ``grown`` of each replicate of a trained `GrowingDiscriminator`, ``(R,)``: the tensor itself."""
    return next(value for name, value in discriminator.state().items() if name.endswith("grown"))
