"""TraVeLGAN's siamese network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from magan.networks.mlp import MLP


class Siamese(nn.Module):
    """One embedding of two domains: a first layer for each, all else shared.

    ``(B, *shape_1), (B, *shape_2) -> (B, n_latent), (B, n_latent)`` (Amodio &
    Krishnaswamy 2019: the first layer is specific to the domain).
    """

    broadcasts = True

    def __init__(self, shape_1: Sequence[int], shape_2: Sequence[int], hidden: Sequence[int], n_latent: int):
        super().__init__()
        first, *rest = hidden
        self.first_1 = MLP(shape_1, (first,), ())
        self.first_2 = MLP(shape_2, (first,), ())
        # The losses see differences of embeddings: the gradient of a last bias would be rounding
        # noise, which Adam turns into full steps.
        self.shared = MLP((first,), (n_latent,), rest, final_bias=False)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        return self.shared(torch.relu(self.first_1(x1))), self.shared(torch.relu(self.first_2(x2)))
