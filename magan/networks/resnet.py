"""CycleGAN's generator: convolutions around residual blocks (Johnson et al. 2016; Zhu et al. 2017)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from magan.networks.convolution import start

N_HALVINGS = 2


class Block(nn.Module):
    """Compute ``x + f(x)``, f being two reflected 3 x 3 convolutions, normalised by the image, a ReLU between them."""

    def __init__(self, n: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3, bias=False), nn.InstanceNorm2d(n), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3, bias=False), nn.InstanceNorm2d(n),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class ResNet(nn.Module):
    """Map images ``(B, C1, H, W) -> (B, C2, H, W)`` in [-1, 1]: c7s1-64, d128, d256, n x R256, u128, u64, c7s1-C2.

    In the paper's notation c7s1-k is a reflected 7 x 7 convolution to k channels, dk a 3 x 3 convolution of stride 2,
    Rk a `Block`, uk a transposed 3 x 3 convolution of stride 2. All layers but the last are normalised by the image,
    without learned weights, and followed by a ReLU. With 9 blocks and three channels the network has 11,372,931
    weights: the authors' 11,378,179 minus 5,248 biases, which the normalisation cancels.

    Odd sides are rounded up when halved (7 to 4) and restored on the way up, so any size from 8 x 8 is possible.
    """

    def __init__(self, shape_in: Sequence[int], shape_out: Sequence[int], width: int = 64, n_blocks: int = 9):
        super().__init__()
        widths = [width * 2**level for level in range(N_HALVINGS + 1)]
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(shape_in[0], width, 7, bias=False), *_after(width)]
        sides = [tuple(shape_in[1:])]
        for a, b in pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, 2, 1, bias=False), *_after(b)]
            sides.append(tuple((side + 1) // 2 for side in sides[-1]))
        layers += [Block(widths[-1]) for _ in range(n_blocks)]
        for level in reversed(range(N_HALVINGS)):
            down, across = (side - (2 * half - 1) for side, half in zip(sides[level], sides[level + 1]))
            layers += [
                nn.ConvTranspose2d(
                    widths[level + 1], widths[level], 3, 2, 1, output_padding=(down, across), bias=False
                ),
                *_after(widths[level]),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, shape_out[0], 7)]
        self.layers = nn.Sequential(*layers)
        start(self)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layers(x))


def _after(n: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(n), nn.ReLU()
