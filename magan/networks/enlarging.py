"""Networks that make a small image large: super-resolution's, and the second stage of StackGAN."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from magan.networks.resizing import enlarged

SMALL = 0.1  # what residual blocks add at first, as a share of what they would


class Block(nn.Module):
    """``x + f(x)``: two 3 x 3 convolutions with a PReLU between them."""

    def __init__(self, n: int, normalised: bool):
        super().__init__()
        self.change = nn.Sequential(*_convolution(n, n, normalised), nn.PReLU(), *_convolution(n, n, normalised))

    def forward(self, x: Tensor) -> Tensor:
        return x + SMALL * self.change(x)


class Enlarging(nn.Module):
    """``(B, C, h, w), (B, n_condition) -> (B, C, 2^n h, 2^n w)``, not bounded.

    SRResNet (Ledig et al. 2017): one convolution, residual blocks at the small size, then for each doubling a
    convolution to four times the maps, laid out as pixels. What is made is added to the image enlarged bilinearly, as
    which the network starts; and the four pixels laid out of one start equal, or they would leave a pattern. Conditions
    are laid beside the image as constant maps. With ``normalised`` all but the first and the last convolution are
    normalised by the minibatch; without, as in Lim et al. 2017, an image's result does not depend on those beside it.
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
        nn.init.zeros_(self.last.bias)
        self.factor = 2**n_doublings

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        constant = (c[:, :, None, None].expand(-1, -1, *x.shape[2:]) for c in conditions)
        h = self.first(torch.cat([x, *constant], 1))
        return enlarged(x, self.factor, smooth=True) + self.last(self.up(h + self.blocks(h)))


def doublings(shape: Sequence[int], factor: int) -> int:
    """How often an image ``(C, H / factor, W / factor)`` is doubled to become ``(C, H, W)``.

    Raises
    ------
    ValueError
        ``factor`` is no power of two from 2 on, or does not divide the sides.
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
        nn.init.zeros_(layer.bias)
    return [layer, nn.BatchNorm2d(n_out, track_running_stats=False)] if normalised else [layer]


def _doubling(n: int, normalised: bool) -> nn.Sequential:
    """A convolution to four maps for each one, which start equal, and each four laid out as 2 x 2 pixels."""
    layers = _convolution(n, 4 * n, normalised)
    with torch.no_grad():
        layers[0].weight.copy_(layers[0].weight[::4].repeat_interleave(4, 0))
    return nn.Sequential(*layers, nn.PixelShuffle(2), nn.PReLU())
