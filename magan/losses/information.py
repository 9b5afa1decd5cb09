"""Kullback-Leibler divergences in closed form and lower bounds on mutual information, in nats."""

from math import log, pi

from torch import Tensor
from torch.nn.functional import cross_entropy


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the mean over samples of ``KL(N(mean, variance) || N(0, 1))``, summed over the dimensions.

    Both inputs are ``(R, B, n)``; the result is ``(R,)`` (Kingma & Welling 2014, appendix B).
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).flatten(2).sum(2).mean(1)


def categorical_information(logits: Tensor, code: Tensor) -> Tensor:
    """Return a lower bound on the mutual information between a categorical code and the generated sample.

    The bound is ``log K + E log Q(code | x)`` for a code uniform on K values. It is ``log K`` where Q always reads the
    code, 0 where Q guesses, and negative where Q is confidently wrong (Chen et al. 2016, equation 4).

    Parameters
    ----------
    logits
        Output of Q before its softmax, ``(R, B, K)``.
    code
        Codes ``(R, B)``, int64 in ``[0, K)``.

    Returns
    -------
    Tensor
        ``(R,)``, to be maximised.
    """
    cost = cross_entropy(logits.movedim(-1, 1), code, reduction="none")
    return log(logits.shape[-1]) - cost.mean(1)


def gaussian_information(mean: Tensor, code: Tensor) -> Tensor:
    """Return the same bound for continuous codes, summed over the codes.

    Codes are uniform on [-1, 1]; Q reads them as Gaussians ``N(mean, 1)``. The bound is
    ``n log 2 + E log Q(code | x)`` for inputs ``(R, B, n)``. The unit deviation is the authors'. It keeps the bound
    below ``n log(2 / sqrt(2 pi))``, which is negative: only the bound's gradient matters.
    """
    n = code.shape[-1]
    return n * (log(2) - 0.5 * log(2 * pi)) - 0.5 * ((code - mean) ** 2).sum(2).mean(1)
