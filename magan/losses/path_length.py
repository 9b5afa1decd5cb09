"""StyleGAN2's path lengths: how far an image moves when its style changes."""

from collections.abc import Callable

import torch
from torch import Tensor


def path_lengths(make: Callable[[Tensor], Tensor], w: Tensor, directions: Tensor) -> Tensor:
    """Return ``|J'y|`` of every sample, ``(R, B)``, with J the Jacobian of the image with respect to its style.

    For ``y`` standard normal the expected square of ``|J'y|`` is the sum of squares of J. It is divided by the number
    of the image's pixels. If each of several layers has a style, squares are summed over the numbers of a style and
    averaged over layers (Karras et al. 2020, section 3.2 and equation 4).

    Parameters
    ----------
    make
        Maps styles to images ``(R, B, C, H, W)``.
    w
        Styles ``(R, B, n_layers, n)``.
    directions
        y, with the shape of the images.

    Returns
    -------
    Tensor
        Path lengths, differentiable in the parameters of ``make``.
    """
    w = w if w.requires_grad else w.detach().requires_grad_()
    images = make(w)
    side = (images.shape[-1] * images.shape[-2]) ** 0.5
    (slope,) = torch.autograd.grad((images * directions).sum() / side, w, create_graph=True)
    return (slope.square().sum(-1).mean(-1) + 1e-12).sqrt()
