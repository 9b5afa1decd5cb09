"""A discriminator that halves an image to a few pixels and scores it as a whole: DiscoGAN's and TraVeLGAN's."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from magan.networks.convolution import start

LEAST = 4  # pixels: least side after the halvings
MOST = 8  # greatest multiple of the first layer's channels


class Pyramid(nn.Module):
    """Score images, ``(B, C, H, W) -> (B, n_out)``: 4 x 4 convolutions of stride 2 down to 4 x 4 px, a dense layer.

    Each convolution doubles the channels, from ``width`` to 8 ``width``. All but the first are normalised by the
    minibatch. Activations are leaky ReLUs of slope 0.2. Odd sides are rounded down when halved; at least 4 pixels
    remain. The network is DiscoGAN's discriminator, 64-128-256-512-1, at 64 px and width 64, and TraVeLGAN's,
    128-256-512-1024-1024-1, at 128 px and width 128.

    With ``features`` it returns the pair (output, activations of every level). Without ``final_bias`` the dense layer
    has no bias. Without ``first`` it starts at the second level, from ``width`` channels at half the size.
    """

    def __init__(
        self,
        shape: Sequence[int],
        n_out: int = 1,
        width: int = 64,
        features: bool = False,
        final_bias: bool = True,
        first: bool = True,
    ):
        super().__init__()
        widths = [shape[0], *(width * min(2**level, MOST) for level in range(halvings_above(shape, LEAST)))]
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=not level), _norm(b, level), nn.LeakyReLU(0.2))
            for level, (a, b) in enumerate(pairwise(widths))
        ]
        self.blocks = nn.ModuleList(blocks if first else blocks[1:])
        left = prod(side // 2 ** len(blocks) for side in shape[1:])
        self.last = nn.Linear(widths[-1] * left, n_out, bias=final_bias)
        self.features = features
        start(self)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        hidden = []
        for block in self.blocks:
            x = block(x)
            hidden.append(x)
        x = self.last(x.flatten(1))
        return (x, hidden) if self.features else x


def halvings_above(shape: Sequence[int], side: int) -> int:
    """Return how often an image can be halved while its shorter side has at least ``side`` pixels."""
    n, left = 0, min(shape[1:]) // 2
    while left >= side:
        n, left = n + 1, left // 2
    return n


def _norm(n: int, level: int) -> nn.Module:
    return nn.BatchNorm2d(n, track_running_stats=False) if level else nn.Identity()
