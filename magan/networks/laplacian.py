"""LAPGAN's generator of detail: it makes what an enlarged image lacks, one generator per image size."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from magan.networks.convolution import start


class DetailGenerator(nn.Module):
    """Generate the detail that a blurred image lacks, ``(B, 1, H, W), (B, C, H, W) -> (B, C, H, W)``.

    Inputs are a plane of noise and the blurred image. The network has three convolutions at full size with ReLUs
    between them, as in the paper. The output is not bounded.
    """

    def __init__(self, n_channels: int, width: int = 64, kernel: int = 5):
        super().__init__()
        sizes = [n_channels + 1, width, width, n_channels]
        first, second, last = (nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in pairwise(sizes))
        self.layers = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
        start(self)

    def forward(self, noise: Tensor, blurred: Tensor) -> Tensor:
        return self.layers(torch.cat([noise, blurred], 1))
