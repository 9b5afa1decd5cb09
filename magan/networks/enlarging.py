"""Networks that enlarge an image: super-resolution, and the second stage of StackGAN."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from magan.networks.resizing import enlarged

SMALL = 0.1  # factor of what residual blocks add


class Block(nn.Module):
    """Compute ``x + 0.1 f(x)``, f being two 3 x 3 convolutions with a PReLU between them."""

    def __init__(self, n: int, normalised: bool):
        super().__init__()
        self.change = nn.Sequential(*_convolution(n, n, normalised), nn.PReLU(), *_convolution(n, n, normalised))

    def forward(self, x: Tensor) -> Tensor:
        return x + SMALL * self.change(x)


class Enlarging(nn.Module):
    """Enlarge images, ``(B, C, h, w), (B, n_condition) -> (B, C, 2^n h, 2^n w)``; the output is not bounded.

    The network is SRResNet (Ledig et al. 2017): a convolution, residual blocks at the small size, then for each
    doubling a convolution to four times the channels, rearranged as pixels. The result is added to the bilinearly
    enlarged image, so the network starts as bilinear enlargement. The four pixels that come from the same input pixel
    start equal, which avoids a checkerboard pattern. Conditions are concatenated to the image as constant channels.
    With ``normalised`` all convolutions but the first and the last are normalised by the minibatch. Without it (Lim et
    al. 2017) the result for an image does not depend on the rest of the minibatch.
    """

    def __init__(
        self,
        n_channels: int,
        n_doublings: int,
        width: int = 64,
        n_blocks: int = 16,
        n_condition: int = 0,
        normalised: bool = False,
    ):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(n_channels + n_condition, width, 3, 1, 1), nn.PReLU())
        self.blocks = nn.Sequential(*(Block(width, normalised) for _ in range(n_blocks)))
        self.up = nn.Sequential(*(_doubling(width, normalised) for _ in range(n_doublings)))
        self.last = nn.Conv2d(width, n_channels, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))
        self.factor = 2**n_doublings

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        constant = (c[:, :, None, None].expand(-1, -1, *x.shape[2:]) for c in conditions)
        h = self.first(torch.cat([x, *constant], 1))
        return enlarged(x, self.factor, smooth=True) + self.last(self.up(h + self.blocks(h)))


def doublings(shape: Sequence[int], factor: int) -> int:
    """Return how often an image ``(C, H / factor, W / factor)`` is doubled to become ``(C, H, W)``.

    Raises
    ------
    ValueError
        ``factor`` is not a power of two of at least 2, or does not divide the sides.
    """
    n = factor.bit_length() - 1
    if n < 1 or factor != 2**n:
        raise ValueError(f"factor {factor} is not 2, 4, 8, ...; use one of these")
    if any(side % factor for side in shape[1:]):
        raise ValueError(f"factor {factor} does not divide an image of {tuple(shape)}; use a smaller one")
    return n


def _convolution(n_in: int, n_out: int, normalised: bool) -> list[nn.Module]:
    layer = nn.Conv2d(n_in, n_out, 3, 1, 1, bias=not normalised)
    nn.init.kaiming_normal_(layer.weight)
    if not normalised:
        nn.init.zeros_(cast(Tensor, layer.bias))
    return [layer, nn.BatchNorm2d(n_out, track_running_stats=False)] if normalised else [layer]


def _doubling(n: int, normalised: bool) -> nn.Sequential:
    """Double the side: a convolution to four channels per channel, initially equal, rearranged as 2 x 2 pixels."""
    layers = _convolution(n, 4 * n, normalised)
    weight = cast(nn.Conv2d, layers[0]).weight
    with torch.no_grad():
        weight.copy_(weight[::4].repeat_interleave(4, 0))
    return nn.Sequential(*layers, nn.PixelShuffle(2), nn.PReLU())
