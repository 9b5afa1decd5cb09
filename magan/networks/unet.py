"""Generators with an encoder and a decoder: pix2pix's and TraVeLGAN's U-Net, DiscoGAN's encoder-decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from magan.networks.convolution import start

RATE = 0.5  # dropout rate
N_DROPPED = 3  # innermost decoder levels that have dropout in pix2pix


class UNet(nn.Module):
    """Map images ``(B, C1, H, W) -> (B, C2, H, W)`` in [-1, 1]: 4 x 4 convolutions down, transposed convolutions up.

    All convolutions have stride 2. Each level of the encoder doubles the channels, from ``width`` to ``most`` times
    ``width``, and the decoder mirrors the encoder. All layers but the first, the last, and a bottleneck of one pixel
    are normalised by the minibatch. When the network maps, they are normalised by the running mean and variance of
    training, so the map of a sample does not depend on its minibatch. Activations are leaky ReLUs of slope 0.2 in the
    encoder and ReLUs in the decoder. Odd sides are rounded down when halved, and the decoder restores the lost row, so
    any size is possible.

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
        Shapes of an image of each domain, equal in height and width.
    width, depth, most
        Channels of the first level, number of levels, and the greatest multiple of ``width``.
    skips
        Whether each level of the decoder also reads the encoder's level of the same size.
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
        self.down_norms = nn.ModuleList(_norm(n) if norm else nn.Identity() for (n, _, _), norm in zip(maps, normed))
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
        """Map images; ``draws`` are random numbers for dropout, uniform on [0, 1), with shapes `dropout_shapes`.

        Without draws there is no dropout. Values that remain are divided by the probability to remain, so without draws
        a level has its expected value."""
        encoded = []
        for i, (layer, norm) in enumerate(zip(self.down, self.down_norms)):
            x = norm(layer(leaky_relu(x, 0.2) if i else x))
            encoded.append(x)
        for i, (layer, norm) in enumerate(zip(self.up, self.up_norms)):
            if self.skips and i:
                x = torch.cat([encoded[-1 - i], x], 1)
            x = norm(layer(torch.relu(x)))
            if i < len(draws):
                x = x * (draws[i] >= RATE) / (1 - RATE)
        return torch.tanh(x)


def levels(shape: Sequence[int], width: int, depth: int, most: int) -> list[tuple[int, int, int]]:
    """Return the shape ``(channels, height, width)`` after each halving."""
    _, height, across = shape
    return [(width * min(2**i, most), height // 2 ** (i + 1), across // 2 ** (i + 1)) for i in range(depth)]


def halvings_to(shape: Sequence[int], side: int) -> int:
    """Return how often an image is halved until its shorter side has at most ``side`` pixels; at least once."""
    n, left = 1, min(shape[1:]) // 2
    while left > side:
        n, left = n + 1, left // 2
    return n


def dropout_shapes(shape: Sequence[int], width: int, depth: int, most: int = 8) -> list[tuple[int, int, int]]:
    """Return the shape of a sample at each decoder level that has dropout, innermost first."""
    return levels(shape, width, depth, most)[:-1][: -N_DROPPED - 1 : -1]


def _norm(n: int) -> nn.BatchNorm2d:
    """Return a batch normalisation without the minibatch counter, which only a cumulative average needs."""
    norm = nn.BatchNorm2d(n)
    norm.num_batches_tracked = None
    return norm
