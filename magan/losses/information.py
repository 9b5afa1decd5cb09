"""What distributions say of one another, in nats: divergences in closed form and bounds on shared information."""

from math import log, pi

from torch import Tensor
from torch.nn.functional import cross_entropy


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Mean over samples of ``KL(N(mean, variance) || N(0, 1))``, summed over the dimensions.

    Both ``(R, B, n)``; returns ``(R,)`` (Kingma & Welling 2014, appendix B).
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).flatten(2).sum(2).mean(1)


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """Lower bound on the information between a categorical code and what was made of it.

    ``log K + E log Q(code | x)`` for a code uniform on K values: ``log K`` where Q always reads it, 0 where Q
    guesses, less where Q is confidently wrong (Chen et al. 2016, equation 4).

    Parameters
    ----------
    logits
        ``(R, B, K)``, before Q's softmax.
    code
        ``(R, B)`` int64 in ``[0, K)``.

    Returns
    -------
    Tensor
        ``(R,)``, to be maximised.
    """
    paid = cross_entropy(logits.movedim(-1, 1), code, reduction="none")
    return log(logits.shape[-1]) - paid.mean(1)


def gaussian_information(mean: Tensor, code: Tensor) -> Tensor:
    """The same bound for codes uniform on [-1, 1], read by Gaussians ``N(mean, 1)`` and summed over the codes.

    ``n log 2 + E log Q(code | x)``, both ``(R, B, n)``. The unit deviation, the authors', keeps it below
    ``n log(2 / sqrt(2 pi))``, which is negative: only its slope matters.
    """
    n = code.shape[-1]
    return n * (log(2) - 0.5 * log(2 * pi)) - 0.5 * ((code - mean) ** 2).sum(2).mean(1)
