"""Correspondence losses: what must survive the map from one domain to the other.

Pure functions of tensors with the replicate axis first; which columns or rows
they are given is decided in ``magan.correspondence``.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from magan.losses.reduce import replicate_mean


def shared_markers(x: Tensor, mapped: Tensor) -> Tensor:
    """Mean squared change of the markers measured on both panels.

    ``x`` and ``mapped`` are ``(R, B, K)``, row for row and marker for marker.
    The unsupervised correspondence of MAGAN (Amodio & Krishnaswamy 2018).
    """
    return replicate_mean((x - mapped) ** 2)


def correlation(x: Tensor, mapped: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Mean over markers of ``1 - r``, r being Pearson's over the minibatch.

    Blind to a marker's offset and scale, so a batch shift costs nothing, while
    the order of the cells must stay. 0 is a perfect correspondence, 1 none, 2
    the reverse. ``epsilon`` is added to the variances: a marker that does not
    vary in the minibatch counts as uncorrelated and gives no gradient of note.
    Shapes as in `shared_markers`.
    """
    x = x - x.mean(1, keepdim=True)
    mapped = mapped - mapped.mean(1, keepdim=True)
    covariance = (x * mapped).mean(1)
    r = covariance * torch.rsqrt(((x**2).mean(1) + epsilon) * ((mapped**2).mean(1) + epsilon))
    return replicate_mean(1 - r)


def landmarks(x: Tensor, known: Tensor, mapped: Tensor, partners: Tensor) -> Tensor:
    """Mean over landmarks of ``1 - r`` between the distances to one and those of the maps to its partner.

    Parameters
    ----------
    x, mapped
        Samples ``(R, B, ...)`` and their maps ``(R, B, ...)``.
    known, partners
        Samples ``(R, K, ...)`` of either domain that are the same things.

    Returns
    -------
    Tensor
        ``(R,)`` in [0, 2]: r is Pearson's over the minibatch, of mean squared distances. Their
        scale and offset are free, so the domains need not measure alike; who is near whom must stay.
    """
    return correlation(_distances(x, known), _distances(mapped, partners))


def class_means(mapped: Tensor, labels: Tensor, target: Tensor, target_labels: Tensor, n_labels: int) -> Tensor:
    """Squared distance between each class's mean, mapped and real.

    Parameters
    ----------
    mapped, target
        ``(R, B, ...)``: the images of one domain's samples, and real samples of the other.
    labels, target_labels
        ``(R, B)`` int64 in ``[0, n_labels)``; -1 where unknown, such rows count nowhere.
    n_labels
        Number of classes.

    Returns
    -------
    Tensor
        ``(R,)``: the mean over features and over the classes present on both
        sides of the minibatch; 0 where there is none.
    """
    a, n_a = _means(mapped.flatten(2), labels, n_labels)
    b, n_b = _means(target.flatten(2), target_labels, n_labels)
    present = ((n_a > 0) & (n_b > 0)).to(mapped.dtype)
    gaps = ((a - b) ** 2).mean(2) * present
    return gaps.sum(1) / present.sum(1).clamp(min=1)


def _distances(x: Tensor, known: Tensor) -> Tensor:
    """Mean over features of the squared difference of every sample from every known one, ``(R, B, K)``."""
    x, known = x.flatten(2), known.flatten(2)
    lengths = (x**2).mean(2)[:, :, None] + (known**2).mean(2)[:, None, :]
    return lengths - 2 * x @ known.transpose(1, 2) / x.shape[2]


def _means(x: Tensor, labels: Tensor, n_labels: int) -> tuple[Tensor, Tensor]:
    """Class means ``(R, L, n)`` and counts ``(R, L)``."""
    member = one_hot(labels.clamp(min=0), n_labels).to(x.dtype) * (labels >= 0)[..., None]
    counts = member.sum(1)
    return torch.einsum("rbl,rbn->rln", member, x) / counts.clamp(min=1)[..., None], counts
