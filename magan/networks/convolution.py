"""Convolutional networks for images of 8 to 32 pixels, after DCGAN and InfoGAN.

A generator doubles the side of its maps once or twice, and a discriminator or an encoder
halves it as often: 7-14-28, 8-16-32, 2-4-8. Weights start from N(0, 0.02^2), without normalisation wider.
Batch normalisation is by the minibatch (for sampling see `standing_statistics`); no layer before it has a bias.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn

SPREAD = 0.02  # standard deviation of the first weights
MOST_HALVINGS = 2
LEAK = 0.2
ACTIVATIONS = {"relu": nn.ReLU(), "leaky": nn.LeakyReLU(LEAK)}


class Generator(nn.Module):
    """``(B, n_in) -> (B, C, H, W)``: dense layers, maps, transposed convolutions of stride 2, ``final``.

    With ``width`` 64 and 28 pixels it is InfoGAN's, 1024 - 7 x 7 x 128 - 14 x 14 x 64 - 28 x 28 x C; without
    dense layers it is of DCGAN's kind. Further inputs, ``(B, k)`` and part of ``n_in``, are laid beside the first.
    """

    def __init__(
        self,
        n_in: int,
        shape: Sequence[int],
        width: int = 64,
        dense: Sequence[int] = (1024,),
        normalised: bool = True,
        activation: str = "leaky",
        final: nn.Module | None = None,
    ):
        super().__init__()
        n = halvings(shape)
        maps = (width * 2 ** (n - 1), *(side // 2**n for side in shape[1:]))
        widths = [width * 2**level for level in reversed(range(n))]
        act, bias = ACTIVATIONS[activation], not normalised
        blocks = [_block(nn.Linear(a, b, bias), normalised, act) for a, b in pairwise([n_in, *dense])]
        project = nn.Linear([n_in, *dense][-1], prod(maps), bias)
        blocks.append(_block(nn.Sequential(project, nn.Unflatten(1, maps)), normalised, act, maps[0]))
        blocks += [_block(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=bias), normalised, act) for a, b in pairwise(widths)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1), final or nn.Tanh())
        start(self) if normalised else start_preserving(self)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.last(self.blocks(torch.cat(inputs, 1)))


class Discriminator(nn.Module):
    """``(B, C, H, W) -> (B, n_out)`` raw scores: convolutions of stride 2, dense layers; an encoder too.

    With ``width`` 64 it is InfoGAN's, 64 - 128 - 1024 - n_out, leaky, without normalisation after its first
    layer. A condition ``(B, n_condition)`` enters twice: as a bias of the first maps, which is cheaper than constant
    maps beside the image and the same but for its border, and beside what the convolutions say. With ``features`` it
    returns the pair (scores, list of hidden activations).
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 64,
        dense: Sequence[int] = (1024,),
        n_out: int = 1,
        n_condition: int = 0,
        normalised: bool = False,
        features: bool = False,
    ):
        super().__init__()
        n, act, bias = halvings(shape), ACTIVATIONS["leaky"], not normalised
        widths = [shape[0], *(width * 2**level for level in range(n))]
        self.told = nn.Linear(n_condition, width, bias=False) if n_condition else None
        self.maps = nn.ModuleList(
            _block(nn.Conv2d(a, b, 4, 2, 1, bias=bias or not i), normalised and i > 0, act)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        n_flat = widths[-1] * prod(side // 2**n for side in shape[1:]) + n_condition
        self.dense = nn.ModuleList(
            _block(nn.Linear(a, b, bias), normalised, act) for a, b in pairwise([n_flat, *dense])
        )
        self.last = nn.Linear([n_flat, *dense][-1], n_out)
        self.features = features
        start(self) if normalised else start_preserving(self)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        (convolve, activate), *rest = self.maps
        x = convolve(x)
        if self.told is not None:
            x = x + self.told(torch.cat(conditions, 1))[:, :, None, None]
        hidden = [activate(x)]
        for block in rest:
            hidden.append(block(hidden[-1]))
        x = hidden[-1]
        x = torch.cat([x.flatten(1), *conditions], 1)
        for block in self.dense:
            x = block(x)
            hidden.append(x)
        x = self.last(x)
        return (x, hidden) if self.features else x


def halvings(shape: Sequence[int]) -> int:
    """How often the sides of an image ``(C, H, W)`` are halved: twice where both can be.

    Raises
    ------
    ValueError
        A side is odd.
    """
    for n in range(MOST_HALVINGS, 0, -1):
        if not any(side % 2**n for side in shape[1:]):
            return n
    raise ValueError(f"an image of {tuple(shape)} has an odd side; use even ones, or architecture: mlp")


def start(network: nn.Module) -> None:
    """Weights of layers from N(0, 0.02^2), biases 0; normalisations start as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def start_preserving(network: nn.Module) -> None:
    """Weights from N(0, 1.92 / n) with n the inputs of a value, biases 0 (He et al. 2015, for a leak of 0.2).

    Without normalisation signals keep their size through the layers only so. A discriminator of N(0, 0.02^2) and few
    maps is nearly flat at first, pushes all samples one way, and the generator soon makes a single one.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            n = prod(module.weight.shape[1:])
            if isinstance(module, nn.ConvTranspose2d):  # a pixel hears of one in stride^2 places of the kernel
                n = module.in_channels * prod(module.kernel_size) / prod(module.stride)
            nn.init.normal_(module.weight, std=sqrt(2 / ((1 + LEAK**2) * n)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _block(layer: nn.Module, normalised: bool, activation: nn.Module, n_maps: int | None = None) -> nn.Sequential:
    """A layer, batch normalisation by the minibatch (of each map of an image), an activation."""
    if not normalised:
        return nn.Sequential(layer, activation)
    if isinstance(layer, nn.Linear):
        return nn.Sequential(layer, nn.BatchNorm1d(layer.out_features, track_running_stats=False), activation)
    return nn.Sequential(layer, nn.BatchNorm2d(n_maps or layer.out_channels, track_running_stats=False), activation)
