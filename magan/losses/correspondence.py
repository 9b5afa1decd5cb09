"""Correspondence losses: penalise a map that changes what it must preserve.

All are pure functions of tensors with the replicate axis first. ``magan.correspondence`` selects the columns or rows
that they receive.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from magan.losses.reduce import replicate_mean


def shared_markers(x: Tensor, mapped: Tensor) -> Tensor:
    """Return the mean squared change of the markers measured on both panels.

    ``x`` and ``mapped`` are ``(R, B, K)``, with the same cells in rows and the same markers in columns.
    This is the unsupervised correspondence of MAGAN (Amodio & Krishnaswamy 2018).
    """
    return replicate_mean((x - mapped) ** 2)


def shared_markers_summed(x: Tensor, mapped: Tensor) -> Tensor:
    """Return the sum over the K shared markers of the mean squared change: ``K shared_markers(x, mapped)``.

    As in the authors' code, where each marker adds a term of weight 1. Shapes as in `shared_markers`.
    """
    return x.shape[2] * shared_markers(x, mapped)


def correlation(x: Tensor, mapped: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Return the mean over markers of ``1 - r``, with r the Pearson correlation over the minibatch.

    The loss ignores a marker's offset and scale, so a batch shift costs nothing. It penalises a change of the order of
    the cells. 0 is a perfect correspondence, 1 is none, 2 is the reverse order. ``epsilon`` is added to the variances:
    a marker that is constant in the minibatch counts as uncorrelated, and its gradient is close to 0. Shapes are those
    of `shared_markers`.
    """
    x = x - x.mean(1, keepdim=True)
    mapped = mapped - mapped.mean(1, keepdim=True)
    covariance = (x * mapped).mean(1)
    r = covariance * torch.rsqrt(((x**2).mean(1) + epsilon) * ((mapped**2).mean(1) + epsilon))
    return replicate_mean(1 - r)


def landmarks(x: Tensor, known: Tensor, mapped: Tensor, partners: Tensor) -> Tensor:
    """Return the mean over landmarks of ``1 - r`` between distances before and after the map.

    For each landmark, r correlates the distances of the samples to the landmark with the distances of the mapped
    samples to the landmark's partner.

    Parameters
    ----------
    x, mapped
        Samples ``(R, B, ...)`` and their maps ``(R, B, ...)``.
    known, partners
        Landmarks ``(R, K, ...)`` in the first domain and in the second: row k of both is the same object.

    Returns
    -------
    Tensor
        ``(R,)`` in [0, 2]: r is the Pearson correlation over the minibatch of mean squared distances. Scale and offset
        of the distances are free, so the domains may use different units. The loss penalises a change of which samples
        are near which.
    """
    return correlation(_distances(x, known), _distances(mapped, partners))


def class_means(mapped: Tensor, labels: Tensor, target: Tensor, target_labels: Tensor, n_labels: int) -> Tensor:
    """Return the squared distance between the class means of mapped samples and of real samples.

    Parameters
    ----------
    mapped, target
        ``(R, B, ...)``: mapped samples of the source domain, and real samples of the target domain.
    labels, target_labels
        ``(R, B)`` int64 in ``[0, n_labels)``; -1 where unknown. Rows with -1 are ignored.
    n_labels
        Number of classes.

    Returns
    -------
    Tensor
        ``(R,)``: the mean over features and over the classes that occur in both minibatches; 0 if no class occurs in
        both.
    """
    a, n_a = _means(mapped.flatten(2), labels, n_labels)
    b, n_b = _means(target.flatten(2), target_labels, n_labels)
    present = ((n_a > 0) & (n_b > 0)).to(mapped.dtype)
    gaps = ((a - b) ** 2).mean(2) * present
    return gaps.sum(1) / present.sum(1).clamp(min=1)


def _distances(x: Tensor, known: Tensor) -> Tensor:
    """Return the squared difference of every sample and every landmark, mean over features, ``(R, B, K)``."""
    x, known = x.flatten(2), known.flatten(2)
    lengths = (x**2).mean(2)[:, :, None] + (known**2).mean(2)[:, None, :]
    return lengths - 2 * x @ known.transpose(1, 2) / x.shape[2]


def _means(x: Tensor, labels: Tensor, n_labels: int) -> tuple[Tensor, Tensor]:
    """Return class means ``(R, L, n)`` and counts ``(R, L)``."""
    member = one_hot(labels.clamp(min=0), n_labels).to(x.dtype) * (labels >= 0)[..., None]
    counts = member.sum(1)
    return torch.einsum("rbl,rbn->rln", member, x) / counts.clamp(min=1)[..., None], counts
