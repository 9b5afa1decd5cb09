"""A memory of generated samples, so that a discriminator does not forget what it has seen (Shrivastava et al. 2017)."""

import torch
from torch import Tensor


def exchange(pool: Tensor, fake: Tensor, n_seen: Tensor, coin: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Swap some of the samples just generated for past ones.

    One sample after another: while the pool fills, it is stored and shown; from then on, with chance a
    half, one of the pool is shown in its stead and it takes that one's place.

    Parameters
    ----------
    pool
        Past samples, ``(R or 1, n, *shape)``, of which the first ``n_seen`` are.
    fake
        Those just generated, ``(R, B, *shape)``.
    n_seen
        Samples generated before these, ``(1,)``.
    coin, place
        Uniform on [0, 1), ``(R, B)``: whether to swap, and with which.

    Returns
    -------
    tuple
        What the discriminator is shown, ``(R, B, *shape)``, and the pool as it is now, ``(R, n, *shape)``.
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
