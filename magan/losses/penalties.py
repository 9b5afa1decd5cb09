"""Penalties on the discriminator's gradient, the points where they are evaluated, and a bound on its weights."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from magan.losses.reduce import replicate_mean


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], x: Tensor, target: float = 1.0, one_sided: bool = False
) -> Tensor:
    """Return the mean of ``(||grad_x discriminator(x)|| - target)^2``, one value per replicate.

    The caller chooses the points ``x``. That choice distinguishes WGAN-GP (between real and generated samples), DRAGAN
    (around real samples) and R1 (at real samples, target 0).

    Parameters
    ----------
    discriminator
        Maps ``(R, B, ...)`` to scores ``(R, B, ...)``. It must treat samples
        independently: no batch normalisation, no minibatch statistics.
    x
        Points where the gradient is penalised, ``(R, B, ...)``.
    target
        Desired gradient norm: 1 for the Lipschitz penalties, 0 for R1.
    one_sided
        Penalise only norms above the target (Petzka et al. 2018), so a flat discriminator costs nothing.

    Returns
    -------
    Tensor
        ``(R,)``, differentiable in the discriminator's parameters.
    """
    x = x.detach().requires_grad_()
    # The score of a sample does not depend on the remaining samples, so the gradient of the summed scores consists of
    # the gradients of the single samples.
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    squares = gradient.flatten(2).square().sum(2)
    if target == 0:  # omit the root: its derivative is infinite at 0
        return replicate_mean(squares)
    excess = squares.clamp(min=1e-12).sqrt() - target
    return replicate_mean((excess.clamp(min=0) if one_sided else excess) ** 2)


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """Return ``alpha real + (1 - alpha) fake``, with one ``alpha`` in [0, 1) per sample, ``(R, B)``.

    WGAN-GP evaluates its penalty at these points (Gulrajani et al. 2017, algorithm 1).
    """
    alpha = alpha.reshape(*alpha.shape, *(1,) * (real.dim() - 2))
    return alpha * real + (1 - alpha) * fake


def perturb(real: Tensor, uniform: Tensor, scale: float = 0.5) -> Tensor:
    """Return ``real + scale s uniform``, with s the standard deviation of each replicate's minibatch.

    DRAGAN evaluates its penalty at these points around real samples. The noise ``uniform`` lies in [0, 1), as in the
    authors' code (Kodali et al. 2017). Both inputs are ``(R, B, ...)``.
    """
    s = real.flatten(1).std(1, unbiased=False)
    return real + scale * s.reshape(-1, *(1,) * (real.dim() - 1)) * uniform


def clip(weights: Iterable[Tensor], bound: float) -> None:
    """Clip every weight to ``[-bound, bound]``, in place (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in weights:
            weight.clamp_(-bound, bound)
