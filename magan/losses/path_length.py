"""StyleGAN2's penalty on how unevenly images move with their styles."""

from collections.abc import Callable

import torch
from torch import Tensor


def path_lengths(make: Callable[[Tensor], Tensor], w: Tensor, directions: Tensor) -> Tensor:
    """``|J'y|`` of every sample, ``(R, B)``, with J the slope of its image in its style.

    For ``y`` standard normal its square is on average the sum of squares of J, divided by the image's pixels. Styles
    given to each of several layers count as one (Karras et al. 2020, section 3.2 and equation 4): squares are summed
    over a style's numbers and averaged over layers.

    Parameters
    ----------
    make
        Styles to images ``(R, B, C, H, W)``.
    w
        ``(R, B, n_layers, n)``.
    directions
        y, of the images' shape.

    Returns
    -------
    Tensor
        Differentiable in what ``make`` depends on.
    """
    w = w if w.requires_grad else w.detach().requires_grad_()
    images = make(w)
    side = (images.shape[-1] * images.shape[-2]) ** 0.5
    (slope,) = torch.autograd.grad((images * directions).sum() / side, w, create_graph=True)
    return (slope.square().sum(-1).mean(-1) + 1e-12).sqrt()
