"""PatchGAN: a discriminator that scores every patch of an image by itself (Isola et al. 2017)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from magan.networks.convolution import start

MOST = 8  # maps grow to so many times the first layer's


class Patch(nn.Module):
    """``(B, C, H, W) -> (B, 1, h, w)``: one raw score of each patch; C64-C128-C256-C512-1 with three halvings.

    Ck is a 4 x 4 convolution to k maps, a normalisation except in the first, a leaky ReLU of 0.2. The first
    ``n_layers`` have stride 2, the two after them stride 1, which gives patches of 16, 34, 70, 142 and 286 pixels
    for 1 to 5 of them; 0 is the paper's PixelGAN, C64-C128-1 of 1 x 1 convolutions.

    Parameters
    ----------
    shape
        Of one image, ``(C, H, W)``.
    width, n_layers
        See above; `layers_within` finds the second.
    by_minibatch
        Normalise by the minibatch, as pix2pix does, with weights; else by the image and without, as CycleGAN.
    features
        Return the pair (scores, activations of every layer but the last).
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 64,
        n_layers: int = 3,
        by_minibatch: bool = False,
        features: bool = False,
    ):
        super().__init__()
        n_hidden = n_layers + 1 if n_layers else 2
        widths = [shape[0], *(width * min(2**level, MOST) for level in range(n_hidden))]
        *hidden, last = window(n_layers)
        blocks = []
        for level, ((a, b), (kernel, stride)) in enumerate(zip(pairwise(widths), hidden)):
            convolution = nn.Conv2d(a, b, kernel, stride, kernel // 4, bias=level == 0)
            norm = _norm(b, by_minibatch) if level else nn.Identity()
            blocks.append(nn.Sequential(convolution, norm, nn.LeakyReLU(0.2)))
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(widths[-1], 1, *last, last[0] // 4)
        self.features = features
        start(self)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        hidden = []
        for block in self.blocks:
            x = block(x)
            hidden.append(x)
        x = self.last(x)
        return (x, hidden) if self.features else x


def window(n_layers: int) -> list[tuple[int, int]]:
    """(kernel, stride) of every layer of a `Patch`."""
    return [(4, 2)] * n_layers + [(4, 1)] * 2 if n_layers else [(1, 1)] * 3


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Side in pixels of what one output of convolutions ``(kernel, stride)`` sees: ``r <- (r - 1) stride + kernel``."""
    side = 1
    for kernel, stride in reversed(layers):
        side = (side - 1) * stride + kernel
    return side


def layers_within(shape: Sequence[int], most: int = 3) -> int:
    """The ``n_layers`` of the largest patch, up to 70 pixels, that is no larger than the image; at least 1."""
    fitting = (n for n in range(most, 1, -1) if receptive_field(window(n)) <= min(shape[1:]))
    return next(fitting, 1)


def _norm(n: int, by_minibatch: bool) -> nn.Module:
    return nn.BatchNorm2d(n, track_running_stats=False) if by_minibatch else nn.InstanceNorm2d(n)
