"""Prediction from coarse to fine: each image size corrects the prediction of the next coarser size."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from magan.networks.convolution import halvings
from magan.networks.resizing import enlarged, shrunk


class Multiscale(nn.Module):
    """Predict frames, ``(B, C, H, W) -> (B, n_out, H, W)``, after Mathieu et al. 2016, section 3.2.

    At each size, coarsest first, a network reads the shrunk frames and the enlarged prediction of the next coarser
    size, and adds to that prediction. The coarsest network adds to the last frame. Digits of 28 pixels have sizes 7, 14
    and 28. Each network has three 5 x 5 convolutions with ReLUs between them, with ``width`` channels at the finest
    size and twice as many at each coarser size. The sum is not bounded: the paper's tanh would saturate at black, the
    value of most pixels.
    """

    def __init__(self, shape: Sequence[int], n_out: int, width: int = 64):
        super().__init__()
        n = halvings(shape)
        self.scales = nn.ModuleList(
            _stack(shape[0] + n_out, width * 2**level, n_out) for level in reversed(range(n + 1))
        )
        self.n_out = n_out

    def forward(self, x: Tensor) -> Tensor:
        n = len(self.scales) - 1
        prediction = shrunk(x[:, -1:], 2**n).expand(-1, self.n_out, -1, -1)
        for k, layers in zip(reversed(range(n + 1)), self.scales):
            prediction = enlarged(prediction, smooth=True) if k < n else prediction
            frames = shrunk(x, 2**k) if k else x
            prediction = prediction + layers(torch.cat([frames, prediction], 1))
        return prediction


def _stack(n_in: int, n: int, n_out: int) -> nn.Sequential:
    sizes = [n_in, n, n, n_out]
    first, second, last = (nn.Conv2d(a, b, 5, padding=2) for a, b in pairwise(sizes))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
