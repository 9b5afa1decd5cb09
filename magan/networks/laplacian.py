"""LAPGAN's networks: what a doubled image lacks is made by one generator for each size."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from magan.networks.convolution import start


class DetailGenerator(nn.Module):
    """``(B, 1, H, W), (B, C, H, W) -> (B, C, H, W)``: a plane of noise and a blurred image to the detail it lacks.

    Three convolutions at full size with ReLUs between them, as in the paper; nothing bounds what is made.
    """

    def __init__(self, n_channels: int, width: int = 64, kernel: int = 5):
        super().__init__()
        sizes = [n_channels + 1, width, width, n_channels]
        first, second, last = (nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairwise(sizes))
        self.layers = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
        start(self)

    def forward(self, noise: Tensor, blurred: Tensor) -> Tensor:
        return self.layers(torch.cat([noise, blurred], 1))
