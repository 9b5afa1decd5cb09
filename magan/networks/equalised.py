"""Layers with equalised rates, and the other devices of progressive growing that StyleGAN kept.

A weight starts from N(0, 1) and is multiplied at run time by the constant that He et al. would have started it with,
so that an optimiser that normalises gradients moves all layers at one relative pace (Karras et al. 2018, section 4.1).
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

GAIN = sqrt(2)  # of a layer that a ReLU follows
EPSILON = 1e-8


class Dense(nn.Linear):
    """``W x g / sqrt(n_in) + b``, with W from N(0, 1) and b from 0.

    With ``rate`` below 1 the layer learns so many times slower: its weights start ``1 / rate`` times as large and are
    multiplied by ``rate``, the bias too.
    """

    def __init__(self, n_in: int, n_out: int, gain: float = GAIN, rate: float = 1.0):
        super().__init__(n_in, n_out)
        self.scale, self.rate = gain / sqrt(n_in) * rate, rate
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.scale, self.bias * self.rate)


class Convolution(nn.Conv2d):
    """The same of a ``kernel`` x ``kernel`` convolution that keeps an image's size."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 3, gain: float = GAIN, bias: bool = True):
        super().__init__(n_in, n_out, kernel, padding=kernel // 2, bias=bias)
        self.scale = gain / (sqrt(n_in) * kernel)
        nn.init.normal_(self.weight)
        if bias:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def active(x: Tensor) -> Tensor:
    """A leaky ReLU of slope 0.2."""
    return leaky_relu(x, 0.2)


def pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's maps, ``(B, C, ...)``, divided by their root mean square (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def with_deviation(x: Tensor) -> Tensor:
    """``(B, C, H, W)`` and one constant map more: how much the samples of the minibatch differ.

    The standard deviation over samples of every value, averaged over all of them (section 3).
    """
    deviation = (x.var(0, unbiased=False) + EPSILON).sqrt().mean()
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


def widths(n_levels: int, width: int, most: int) -> list[int]:
    """Maps of each level, coarsest first: ``width`` at the finest, twice as many at each half its side, up to most."""
    return [min(width * 2**level, most) for level in reversed(range(n_levels))]
