"""Convolutional networks for images of 8 to 32 pixels, after DCGAN and InfoGAN.

A generator doubles the side of its feature maps once or twice; a discriminator or an encoder halves it as often:
7-14-28, 8-16-32, 2-4-8. Weights start from N(0, 0.02^2), or with a larger deviation if there is no normalisation.
Batch normalisation uses the statistics of the minibatch (for sampling see `standing_statistics`). A layer before a
normalisation has no bias.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt
from typing import cast

import torch
from torch import Tensor, nn

SPREAD = 0.02  # standard deviation of the initial weights
MOST_HALVINGS = 2
LEAK = 0.2
ACTIVATIONS = {"relu": nn.ReLU(), "leaky": nn.LeakyReLU(LEAK)}


class Generator(nn.Module):
    """Generate images, ``(B, n_in) -> (B, C, H, W)``: dense layers, transposed convolutions of stride 2, ``final``.

    With ``width`` 64 and 28 pixels it is InfoGAN's generator, 1024 - 7 x 7 x 128 - 14 x 14 x 64 - 28 x 28 x C. Without
    dense layers it is similar to DCGAN's. Further inputs ``(B, k)`` are concatenated to the first input and count in
    ``n_in``.
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
    """Score images, ``(B, C, H, W) -> (B, n_out)`` raw: convolutions of stride 2, dense layers; also an encoder.

    With ``width`` 64 it is InfoGAN's, 64 - 128 - 1024 - n_out, with leaky ReLUs and no normalisation after its first
    layer. A condition ``(B, n_condition)`` enters twice. It gives a bias of the first feature maps, which is cheaper
    than constant input channels and equals them except at the border; and it is concatenated to the output of the
    convolutions. With ``features`` the network returns the pair (scores, list of hidden activations).
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
        # Saved models contain the name `told`; do not rename it.
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
        (convolve, activate), *later = (cast(nn.Sequential, maps) for maps in self.maps)
        x = convolve(x)
        if self.told is not None:
            x = x + self.told(torch.cat(conditions, 1))[:, :, None, None]
        hidden = [activate(x)]
        for block in later:
            hidden.append(block(hidden[-1]))
        x = hidden[-1]
        x = torch.cat([x.flatten(1), *conditions], 1)
        for block in self.dense:
            x = block(x)
            hidden.append(x)
        x = self.last(x)
        return (x, hidden) if self.features else x


def halvings(shape: Sequence[int]) -> int:
    """Return how often the sides of an image ``(C, H, W)`` are halved: twice if 4 divides both, else once.

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
    """Draw the weights of layers from N(0, 0.02^2), set biases to 0; normalisations start as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def start_preserving(network: nn.Module) -> None:
    """Draw weights from N(0, 1.92 / n) with n the number of inputs, set biases to 0 (He et al. 2015, leak 0.2).

    Without normalisation this variance preserves the size of signals through the layers. A discriminator that starts
    from N(0, 0.02^2) with few channels is nearly flat: its gradient is the same for all samples, and the generator soon
    makes a single image."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            n = prod(module.weight.shape[1:])
            if isinstance(module, nn.ConvTranspose2d):  # an output pixel uses 1 / stride^2 of the kernel
                n = module.in_channels * prod(module.kernel_size) / prod(module.stride)
            nn.init.normal_(module.weight, std=sqrt(2 / ((1 + LEAK**2) * n)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _block(layer: nn.Module, normalised: bool, activation: nn.Module, n_maps: int | None = None) -> nn.Sequential:
    """Chain a layer, batch normalisation by the minibatch (per channel of an image), and an activation."""
    if not normalised:
        return nn.Sequential(layer, activation)
    if isinstance(layer, nn.Linear):
        return nn.Sequential(layer, nn.BatchNorm1d(layer.out_features, track_running_stats=False), activation)
    return nn.Sequential(
        layer, nn.BatchNorm2d(n_maps or cast(int, layer.out_channels), track_running_stats=False), activation
    )
