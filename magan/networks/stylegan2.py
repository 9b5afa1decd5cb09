"""StyleGAN2's networks: styles scale weights, not feature maps, and nothing grows (Karras et al., CVPR 2020)."""

from itertools import pairwise
from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from magan.networks.equalised import EPSILON, GAIN, Convolution, Dense, active, widths, with_deviation
from magan.networks.progressive import FIRST, MOST
from magan.networks.resizing import enlarged, shrunk
from magan.networks.stylegan import by_layer


class Modulated(nn.Module):
    """Convolve each sample with weights that depend on its style, ``(B, C, H, W), (B, n_style) -> (B, n, H, W)``.

    Weights ``w_oik`` become ``s_i w_oik``, with s an affine function of the style. With ``demodulated`` they are then
    divided by ``sqrt(sum over i and k of (s_i w_oik)^2)``: inputs of unit variance give outputs of unit variance.
    """

    def __init__(self, n_in: int, n_out: int, n_style: int, kernel: int = 3, demodulated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel, kernel))
        self.style = Dense(n_style, n_in, gain=1)
        self.scale, self.demodulated = 1 / (sqrt(n_in) * kernel), demodulated

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, weight = 1 + self.style(w), self.weight * self.scale
        # To scale inputs and outputs is to scale the weights; it needs no separate kernel for each sample.
        x = conv2d(x * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if not self.demodulated:
            return x
        squares = scale.square() @ weight.square().sum((2, 3)).T
        return x * (squares + EPSILON).rsqrt()[:, :, None, None]


class Layer(nn.Module):
    """Apply a modulated convolution, noise of learned strength, a bias, and a leaky ReLU that preserves variance."""

    def __init__(self, n_in: int, n_out: int, n_style: int):
        super().__init__()
        self.convolution = Modulated(n_in, n_out, n_style)
        self.strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = self.convolution(x, w) + self.strength * noise + self.bias[:, None, None]
        return GAIN * active(x)


class SkipGenerator(nn.Module):
    """Generate images from styles and noise, ``(B, n_layers, n_style), (B, n_pixels) -> (B, C, side, side)``.

    There is one layer at 4 x 4 pixels and two at each larger size. Each size adds an image to the enlarged image of the
    next smaller size.
    """

    def __init__(self, n_style: int, n_channels: int, n_levels: int, width: int):
        super().__init__()
        maps = widths(n_levels, width, MOST)
        self.constant = nn.Parameter(torch.randn(maps[0], FIRST, FIRST))
        self.layers = nn.ModuleList([Layer(maps[0], maps[0], n_style)])
        for a, b in pairwise(maps):
            self.layers += [Layer(a, b, n_style), Layer(b, b, n_style)]
        self.colours = nn.ModuleList(Modulated(n, n_channels, n_style, 1, demodulated=False) for n in maps)
        self.bias = nn.Parameter(torch.zeros(n_channels))
        self.n_levels = n_levels

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        pixels = by_layer(noise, levels_of_layers(self.n_levels))
        x = self.layers[0](self.constant.expand(len(w), -1, -1, -1), w[:, 0], pixels[0])
        image = self.colours[0](x, w[:, 0])
        for level in range(1, self.n_levels):
            x, image = enlarged(x, smooth=True), enlarged(image, smooth=True)
            for i in (2 * level - 1, 2 * level):
                x = self.layers[i](x, w[:, i], pixels[i])
            image = image + self.colours[level](x, w[:, 2 * level])
        return image + self.bias[:, None, None]


class ResidualDiscriminator(nn.Module):
    """Score images, ``(B, C, side, side) -> (B, 1)`` raw: at each size two convolutions plus a 1 x 1 shortcut, halved.

    The sum of both paths is divided by the root of 2. The minibatch's deviation enters before the last convolution.
    """

    def __init__(self, n_channels: int, n_levels: int, width: int):
        super().__init__()
        maps = widths(n_levels, width, MOST)
        self.colours = Convolution(n_channels, maps[-1], 1)
        self.blocks = nn.ModuleList(
            nn.ModuleList([Convolution(b, b), Convolution(b, a), Convolution(b, a, 1, gain=1, bias=False)])
            for a, b in pairwise(maps)
        )
        self.second = Convolution(maps[0] + 1, maps[0])
        self.dense = Dense(maps[0] * FIRST**2, maps[0])
        self.last = Dense(maps[0], 1, gain=1)

    def forward(self, x: Tensor) -> Tensor:
        x = active(self.colours(x))
        for block in reversed(self.blocks):
            first, second, shortcut = cast(nn.ModuleList, block)
            x = (shrunk(active(second(active(first(x))))) + shortcut(shrunk(x))) / sqrt(2)
        x = active(self.second(with_deviation(x)))
        return self.last(active(self.dense(x.flatten(1))))


def levels_of_layers(n_levels: int) -> list[int]:
    """Return the level of each layer of a `SkipGenerator`."""
    return [0, *(level for level in range(1, n_levels) for _ in range(2))]
