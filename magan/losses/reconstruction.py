"""Distances between a thing and its reconstruction, ``(R, B, ...) -> (R,)``."""

from collections.abc import Sequence

import torch
from torch import Tensor

from magan.losses.reduce import replicate_mean


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean of (x - y)^2 over samples and features."""
    return replicate_mean((x - y) ** 2)


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean of |x - y| over samples and features."""
    return replicate_mean((x - y).abs())


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Squared difference of minibatch means, summed over a discriminator's layers.

    ``real`` and ``fake`` hold one ``(R, B, n)`` of activations per layer. For
    the generator: the real side is a constant (Salimans et al. 2016, section 3.1).
    """
    gaps = [replicate_mean((r.detach().mean(1) - f.mean(1)) ** 2) for r, f in zip(real, fake)]
    return torch.stack(gaps).sum(0)
