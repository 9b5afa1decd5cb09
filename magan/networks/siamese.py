"""TraVeLGAN's siamese network: a joint embedding of two domains with a separate first layer for each domain."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from magan.networks.convolution import start
from magan.networks.mlp import MLP
from magan.networks.pyramid import Pyramid


class Siamese(nn.Module):
    """Embed two domains: each domain has a separate first layer, all further layers are shared.

    ``(B, *shape_1), (B, *shape_2) -> (B, n_latent), (B, n_latent)`` (Amodio &
    Krishnaswamy 2019: the first layer is specific to the domain).
    """

    broadcasts = True

    def __init__(self, shape_1: Sequence[int], shape_2: Sequence[int], hidden: Sequence[int], n_latent: int):
        super().__init__()
        first, *later = hidden
        self.first_1 = MLP(shape_1, (first,), ())
        self.first_2 = MLP(shape_2, (first,), ())
        # The losses use only differences of embeddings. The gradient of a final bias would be rounding noise, and Adam
        # would scale the noise to full steps.
        self.shared = MLP((first,), (n_latent,), later, final_bias=False)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        return self.shared(torch.relu(self.first_1(x1))), self.shared(torch.relu(self.first_2(x2)))


class SiamesePyramid(nn.Module):
    """Embed two domains of images, as published: `Pyramid` 64-128-256-512-512 at 128 px and width 64, then 1000.

    ``(B, C1, H, W), (B, C2, H, W) -> (B, n_latent), (B, n_latent)``. Each domain's minibatch is normalised separately.
    """

    def __init__(self, shape_1: Sequence[int], shape_2: Sequence[int], width: int, n_latent: int):
        super().__init__()
        self.first_1, self.first_2 = (
            nn.Sequential(nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)) for shape in (shape_1, shape_2)
        )
        start(self)
        self.shared = Pyramid(shape_1, n_latent, width, final_bias=False, first=False)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        return self.shared(self.first_1(x1)), self.shared(self.first_2(x2))
