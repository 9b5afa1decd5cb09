"""Map captions to Gaussians: StackGAN's conditioning augmentation."""

from math import sqrt

import torch
from torch import Tensor, nn

LOG_VARIANCE = -2.0  # initial value; small enough that conditions of different captions are distinct


class Embedding(nn.Module):
    """Map bags of words ``(B, n_words)`` to the mean and the log variance of a condition, ``(B, 2 n)``.

    Each word adds to both. Initial means have variance 1 for captions of ``length`` words. Initial variances are small
    and equal.
    """

    def __init__(self, n_words: int, length: int, n: int):
        super().__init__()
        self.weight = nn.Parameter(torch.cat([torch.randn(n_words, n) / sqrt(length), torch.zeros(n_words, n)], 1))
        self.bias = nn.Parameter(torch.cat([torch.zeros(n), torch.full((n,), LOG_VARIANCE)]))

    def forward(self, words: Tensor) -> Tensor:
        return words @ self.weight + self.bias
