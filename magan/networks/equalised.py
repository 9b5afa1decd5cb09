"""Layers with equalised learning rates, and further parts that progressive growing and StyleGAN share.

A weight starts from N(0, 1) and is multiplied at run time by the constant of He et al.'s initialisation. An optimiser
that normalises gradients then changes the weights of all layers at the same relative rate (Karras et al. 2018, section
4.1).
"""

from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

GAIN = sqrt(2)  # of a layer before a ReLU
EPSILON = 1e-8


class Dense(nn.Linear):
    """Compute ``W x g / sqrt(n_in) + b``; W starts from N(0, 1), b from 0.

    ``rate`` scales the learning rate of the layer: its weights start ``1 / rate`` times as large and are multiplied by
    ``rate`` at run time; the bias is multiplied by ``rate`` too.
    """

    def __init__(self, n_in: int, n_out: int, gain: float = GAIN, rate: float = 1.0):
        super().__init__(n_in, n_out)
        self.scale, self.rate = gain / sqrt(n_in) * rate, rate
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.scale, self.bias * self.rate)


class Convolution(nn.Conv2d):
    """Compute the equalised ``kernel`` x ``kernel`` convolution, padded to preserve the image's size."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 3, gain: float = GAIN, bias: bool = True):
        super().__init__(n_in, n_out, kernel, padding=kernel // 2, bias=bias)
        self.scale = gain / (sqrt(n_in) * kernel)
        nn.init.normal_(self.weight)
        if bias:
            nn.init.zeros_(cast(Tensor, self.bias))

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def active(x: Tensor) -> Tensor:
    """Apply a leaky ReLU of slope 0.2."""
    return leaky_relu(x, 0.2)


def pixel_norm(x: Tensor) -> Tensor:
    """Divide the channels of every pixel, ``(B, C, ...)``, by their root mean square (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def with_deviation(x: Tensor) -> Tensor:
    """Append a constant channel to ``(B, C, H, W)``: how much the samples of the minibatch differ.

    The constant is the standard deviation over samples, averaged over channels and pixels (section 3).
    """
    deviation = (x.var(0, unbiased=False) + EPSILON).sqrt().mean()
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


def widths(n_levels: int, width: int, most: int) -> list[int]:
    """Return the channels of each level, coarsest first: ``width`` at the finest, doubled per halving, up to most."""
    return [min(width * 2**level, most) for level in reversed(range(n_levels))]
