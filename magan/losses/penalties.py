"""Penalties on the discriminator's gradient, the points they are paid at, and a bound on its weights."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from magan.losses.reduce import replicate_mean


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], x: Tensor, target: float = 1.0, one_sided: bool = False
) -> Tensor:
    """Mean of ``(||grad_x discriminator(x)|| - target)^2``, one value per replicate.

    Where ``x`` lies is the caller's choice, and is all that separates WGAN-GP
    (between real and fake), DRAGAN (around real) and R1 (on real, target 0).

    Parameters
    ----------
    discriminator
        Maps ``(R, B, ...)`` to scores ``(R, B, ...)``. It must treat samples
        independently: no batch normalisation, no minibatch statistics.
    x
        Points to penalise, ``(R, B, ...)``.
    target
        Gradient norm asked for; 1 for the Lipschitz penalties, 0 for R1.
    one_sided
        Only norms above the target cost (Petzka et al. 2018): a critic may be flat, and cannot
        be held where it slopes the wrong way.

    Returns
    -------
    Tensor
        ``(R,)``, differentiable in the discriminator's parameters.
    """
    x = x.detach().requires_grad_()
    # Samples do not see one another, so the gradient of the summed scores
    # holds every sample's own gradient.
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    squares = gradient.flatten(2).square().sum(2)
    if target == 0:  # without the root, whose own gradient is infinite where the slope is zero
        return replicate_mean(squares)
    excess = squares.clamp(min=1e-12).sqrt() - target
    return replicate_mean((excess.clamp(min=0) if one_sided else excess) ** 2)


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """``alpha real + (1 - alpha) fake``, with one ``alpha`` in [0, 1) per sample, ``(R, B)``.

    Where WGAN-GP penalises (Gulrajani et al. 2017, algorithm 1).
    """
    alpha = alpha.reshape(*alpha.shape, *(1,) * (real.dim() - 2))
    return alpha * real + (1 - alpha) * fake


def perturb(real: Tensor, uniform: Tensor, scale: float = 0.5) -> Tensor:
    """``real + scale s uniform``, with s the standard deviation of each replicate's minibatch.

    Where DRAGAN penalises: around real samples, by noise that is uniform on [0, 1), as in the authors'
    code (Kodali et al. 2017). Both ``(R, B, ...)``.
    """
    s = real.flatten(1).std(1, unbiased=False)
    return real + scale * s.reshape(-1, *(1,) * (real.dim() - 1)) * uniform


def clip(weights: Iterable[Tensor], bound: float) -> None:
    """Bring every weight into ``[-bound, bound]``, in place (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in weights:
            weight.clamp_(-bound, bound)
