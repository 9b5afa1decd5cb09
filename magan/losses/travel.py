"""TraVeL losses on siamese embeddings: penalise a map that changes the vectors between samples.

With ``s_i = S(x_i)`` and ``t_i = S(G(x_i))``, both ``(R, B, L)``, the vectors are ``v_ij = s_i - s_j`` and
``w_ij = t_i - t_j`` over all ordered pairs i != j of a minibatch, B >= 2. All pairwise lengths and products come from
Gram matrices, so no tensor ``(R, B, B, L)`` is built.
"""

import torch
from torch import Tensor

COINCIDENT = 1e-5  # squared distances below this fraction of the mean are rounding noise


def margin_violation(s: Tensor, margin: float, squared: bool = True) -> Tensor:
    """Return E max(0, margin - d(s_i, s_j)): 0 if all embeddings are at least ``margin`` from each other.

    d is the squared distance (the authors' code) or, with ``squared=False``, the distance (the paper's text). Without
    this term S may map all samples to the same point.
    """
    distance = _products(s, s)
    if not squared:
        distance = distance.clamp(min=1e-12).sqrt()  # the gradient of a root at zero is infinite
    return _pairs(torch.relu(margin - distance))


def vector_gap(s: Tensor, t: Tensor) -> Tensor:
    """Return E of the mean over the L dimensions of (v_ij - w_ij)^2."""
    difference = s - t
    return _pairs(_products(difference, difference)) / s.shape[-1]


def cosine_agreement(s: Tensor, t: Tensor) -> Tensor:
    """Return E cos(v_ij, w_ij), in [-1, 1]; 1 if the map preserves every direction.

    Pairs that coincide in either space have no direction and count as 0. A minibatch drawn with replacement may contain
    a sample twice, and rounding noise must not be scaled up to a direction.
    """
    lengths_s, lengths_t = _products(s, s), _products(t, t)
    distinct = (lengths_s > COINCIDENT * _scale(s)) & (lengths_t > COINCIDENT * _scale(t))
    # For coincident pairs take the root of 1: the derivative of the root is infinite at 0.
    root = torch.where(distinct, lengths_s * lengths_t, 1.0).sqrt()
    return _pairs(torch.where(distinct, _products(s, t) / root, 0.0))


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Return (a_i - a_j) . (b_i - b_j) for all i, j: ``(R, B, B)``."""
    # Differences do not depend on the origin; rounding errors are smallest with the origin at the mean.
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    gram = a @ b.transpose(1, 2)
    squares = gram.diagonal(dim1=1, dim2=2)
    return squares[:, :, None] + squares[:, None, :] - gram - gram.transpose(1, 2)


def _scale(x: Tensor) -> Tensor:
    """Return the mean squared distance from the mean, ``(R, 1, 1)``."""
    return x.var(1, unbiased=False).sum(-1)[:, None, None].detach()


def _pairs(x: Tensor) -> Tensor:
    """Return the mean over the ordered pairs i != j: ``(R, B, B) -> (R,)``."""
    n = x.shape[1]
    off = 1 - torch.eye(n, dtype=x.dtype, device=x.device)
    return (x * off).sum((1, 2)) / (n * (n - 1))
