"""Distances between a thing and its reconstruction, ``(R, B, ...) -> (R,)``."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

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


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Mean over samples of ``-log p(x)``, nats a sample: x in [0, 1] by coins of chance ``sigmoid(logits)``."""
    return (softplus(logits) - x * logits).flatten(2).sum(2).mean(1)


def gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean difference of the sizes of steps between neighbouring pixels, of images ``(R, B, C, H, W)``.

    ``| |x_ij - x_kj| - |y_ij - y_kj| |`` over pixels below each other, plus the same of those beside each other
    (Mathieu et al. 2016, equation 6, with exponent 1): 0 where y is as sharp as x, wherever it is dark or bright.
    """
    return sum(absolute_error(x.diff(dim=axis).abs(), y.diff(dim=axis).abs()) for axis in (-2, -1))
