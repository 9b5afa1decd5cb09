"""A pool of past generated samples that also train the discriminator (Shrivastava et al. 2017)."""

import torch
from torch import Tensor


def exchange(pool: Tensor, fake: Tensor, n_seen: Tensor, coin: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Exchange some of the new generated samples for past samples.

    Samples are processed in order. While the pool fills, a sample is stored in the pool and shown to the discriminator.
    When the pool is full, with probability 1/2 a random sample of the pool is shown instead and is replaced in the pool
    by the new sample; otherwise the new sample is shown.

    Parameters
    ----------
    pool
        Past samples, ``(R or 1, n, *shape)``; only the first ``n_seen`` places are filled.
    fake
        New generated samples, ``(R, B, *shape)``.
    n_seen
        Number of samples generated before ``fake``, ``(1,)``.
    coin, place
        Uniform on [0, 1), ``(R, B)``: whether to exchange a sample, and with which place of the pool.

    Returns
    -------
    tuple
        Samples for the discriminator, ``(R, B, *shape)``, and the new pool, ``(R, n, *shape)``.
    """
    n, replicate = pool.shape[1], torch.arange(len(fake), device=fake.device)
    pool, shown = pool.to(fake).expand(len(fake), *pool.shape[1:]).clone(), []
    for i in range(fake.shape[1]):
        filling = n_seen + i < n
        at = torch.where(filling, n_seen + i, (place[:, i] * n).floor()).long()
        past = pool[replicate, at]
        swapped = (~filling & (coin[:, i] < 0.5)).reshape(-1, *(1,) * (fake.dim() - 2))
        shown.append(torch.where(swapped, past, fake[:, i]))
        pool[replicate, at] = torch.where(swapped | filling, fake[:, i], past)
    return torch.stack(shown, 1), pool
