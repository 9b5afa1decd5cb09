"""Distances between a sample and its reconstruction, ``(R, B, ...) -> (R,)``."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.reduce import replicate_mean


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of (x - y)^2 over samples and features."""
    return replicate_mean((x - y) ** 2)


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of |x - y| over samples and features."""
    return replicate_mean((x - y).abs())


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Return the squared difference of minibatch means, summed over a discriminator's layers.

    ``real`` and ``fake`` hold activations ``(R, B, n)`` for each layer. The loss trains the generator: the real
    activations are constants (Salimans et al. 2016, section 3.1).
    """
    gaps = [replicate_mean((r.detach().mean(1) - f.mean(1)) ** 2) for r, f in zip(real, fake)]
    return torch.stack(gaps).sum(0)


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Return the mean over samples of ``-log p(x)`` in nats, for x in [0, 1] Bernoulli with ``p = sigmoid(logits)``."""
    return (softplus(logits) - x * logits).flatten(2).sum(2).mean(1)


def gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean difference of the step sizes between neighbouring pixels of images ``(R, B, C, H, W)``.

    The loss is the mean of ``| |x_ij - x_kj| - |y_ij - y_kj| |`` over vertical neighbours, plus the same mean over
    horizontal neighbours (Mathieu et al. 2016, equation 6, with exponent 1). It is 0 where y has the same steps as x,
    at any brightness.
    """
    return cast(Tensor, sum(absolute_error(x.diff(dim=axis).abs(), y.diff(dim=axis).abs()) for axis in (-2, -1)))
