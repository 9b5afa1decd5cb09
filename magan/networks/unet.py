"""Generators that halve an image and double it back: pix2pix's and TraVeLGAN's U-Net, DiscoGAN's encoder-decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from magan.networks.convolution import start

RATE = 0.5  # of what dropout puts out
N_DROPPED = 3  # decoder levels of pix2pix with dropout, the innermost


class UNet(nn.Module):
    """``(B, C1, H, W) -> (B, C2, H, W)`` in [-1, 1]: 4 x 4 convolutions of stride 2 down, transposed ones up.

    Each level of the encoder doubles the maps, from ``width`` to ``most`` times it, and the decoder mirrors it.
    All but the first layer, the last, and a bottleneck of one pixel are normalised by the minibatch (when mapping,
    by the running mean and variance of training, so that a sample's map does not depend on its company). Leaky
    ReLUs of 0.2 on the way down, ReLUs on the way up. A side that is odd is halved downwards and its lost row
    given back on the way up, so that every size will do.

    ================= ===== ==== ========== ===== ========
    published as      width most halvings   skips dropout
    ================= ===== ==== ========== ===== ========
    pix2pix, 256 px   64    8    to 1 x 1   yes   3 levels
    TraVeLGAN, 128 px 64    4    to 8 x 8   yes   no
    DiscoGAN, 64 px   64    8    to 4 x 4   no    no
    ================= ===== ==== ========== ===== ========

    Parameters
    ----------
    shape_in, shape_out
        Of one image, of equal sides.
    width, depth, most
        Maps of the first level, levels, and their greatest multiple of ``width``.
    skips
        Whether each level of the decoder also sees the encoder's level of its size.
    """

    def __init__(
        self,
        shape_in: Sequence[int],
        shape_out: Sequence[int],
        width: int = 64,
        depth: int = 4,
        most: int = 8,
        skips: bool = True,
    ):
        super().__init__()
        maps = levels(shape_in, width, depth, most)
        normed = [i > 0 and (i < depth - 1 or max(maps[i][1:]) > 1) for i in range(depth)]
        into = [shape_in[0], *(n for n, _, _ in maps)]
        self.down = nn.ModuleList(nn.Conv2d(into[i], into[i + 1], 4, 2, 1, bias=not normed[i]) for i in range(depth))
        self.down_norms = nn.ModuleList(_norm(n) if own else nn.Identity() for (n, _, _), own in zip(maps, normed))
        up, outer = [], [tuple(shape_out), *maps]
        for i in reversed(range(depth)):
            n_in = maps[i][0] * (2 if skips and i < depth - 1 else 1)
            lost = tuple(side % 2 for side in outer[i][1:])
            up.append(nn.ConvTranspose2d(n_in, outer[i][0], 4, 2, 1, output_padding=lost, bias=i == 0))
        self.up = nn.ModuleList(up)
        self.up_norms = nn.ModuleList(_norm(outer[i][0]) if i else nn.Identity() for i in reversed(range(depth)))
        self.skips = skips
        start(self)

    def forward(self, x: Tensor, *draws: Tensor) -> Tensor:
        """Map images; ``draws`` are dropout's, uniform on [0, 1) and of `dropout_shapes`. Without them nothing drops.

        What is kept is divided by its share, so without draws a level has its expected value.
        """
        held = []
        for i, (layer, norm) in enumerate(zip(self.down, self.down_norms)):
            x = norm(layer(leaky_relu(x, 0.2) if i else x))
            held.append(x)
        for i, (layer, norm) in enumerate(zip(self.up, self.up_norms)):
            if self.skips and i:
                x = torch.cat([held[-1 - i], x], 1)
            x = norm(layer(torch.relu(x)))
            if i < len(draws):
                x = x * (draws[i] >= RATE) / (1 - RATE)
        return torch.tanh(x)


def levels(shape: Sequence[int], width: int, depth: int, most: int) -> list[tuple[int, int, int]]:
    """Shape ``(maps, height, width)`` after each halving."""
    _, height, across = shape
    return [(width * min(2**i, most), height // 2 ** (i + 1), across // 2 ** (i + 1)) for i in range(depth)]


def halvings_to(shape: Sequence[int], side: int) -> int:
    """How often an image is halved until its shorter side has no more pixels than ``side``; at least once."""
    n, left = 1, min(shape[1:]) // 2
    while left > side:
        n, left = n + 1, left // 2
    return n


def dropout_shapes(shape: Sequence[int], width: int, depth: int, most: int = 8) -> list[tuple[int, int, int]]:
    """Of one sample's dropout in each of the innermost levels of the decoder that have it, innermost first."""
    return levels(shape, width, depth, most)[:-1][: -N_DROPPED - 1 : -1]


def _norm(n: int) -> nn.BatchNorm2d:
    """Without the count of minibatches, which only a cumulative average needs."""
    norm = nn.BatchNorm2d(n)
    norm.num_batches_tracked = None
    return norm
