"""PatchGAN: a discriminator that scores every patch of an image separately (Isola et al. 2017)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from magan.networks.convolution import start

MOST = 8  # greatest multiple of the first layer's channels


class Patch(nn.Module):
    """Score patches, ``(B, C, H, W) -> (B, 1, h, w)`` raw; C64-C128-C256-C512-1 with three layers of stride 2.

    Ck is a 4 x 4 convolution to k channels, a normalisation except in the first layer, and a leaky ReLU of slope 0.2.
    The first ``n_layers`` layers have stride 2, the two layers after them stride 1. For ``n_layers`` 1 to 5 patches
    have 16, 34, 70, 142 and 286 pixels. 0 gives the paper's PixelGAN, C64-C128-1 of 1 x 1 convolutions.

    Parameters
    ----------
    shape
        Shape of an image, ``(C, H, W)``.
    width, n_layers
        Channels of the first layer, and layers of stride 2; `layers_within` chooses the latter.
    by_minibatch
        Normalise by the minibatch with learned weights, as pix2pix does; otherwise by the image without weights, as
        CycleGAN does.
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
    """Return (kernel, stride) of every layer of a `Patch`."""
    return [(4, 2)] * n_layers + [(4, 1)] * 2 if n_layers else [(1, 1)] * 3


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Return the side in pixels that an output of the layers depends on: ``r <- (r - 1) stride + kernel``."""
    side = 1
    for kernel, stride in reversed(layers):
        side = (side - 1) * stride + kernel
    return side


def layers_within(shape: Sequence[int], most: int = 3) -> int:
    """Return the ``n_layers`` of the largest patch that fits into the image, up to 70 pixels; at least 1."""
    fitting = (n for n in range(most, 1, -1) if receptive_field(window(n)) <= min(shape[1:]))
    return next(fitting, 1)


def _norm(n: int, by_minibatch: bool) -> nn.Module:
    return nn.BatchNorm2d(n, track_running_stats=False) if by_minibatch else nn.InstanceNorm2d(n)
