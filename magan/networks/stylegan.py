"""StyleGAN's generator: noise is mapped to styles, and styles modulate layers that start from a learned constant.

Each layer receives a style vector w of ``n_style`` numbers, ``(B, n_layers, n_style)``, so layers can have different
styles. There are two layers for each image size. Each layer has separate random numbers for every pixel; those of all
layers form one vector ``(B, n_pixels)``.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from magan.networks.counter_rng import normal
from magan.networks.equalised import Convolution, Dense, active, pixel_norm, widths
from magan.networks.progressive import FIRST, MOST
from magan.networks.resizing import enlarged
from magan.recipe import Network

LAYERS = 2  # per level
MEASURED = 1000  # number of styles in the average style


class Mapping(nn.Module):
    """Map noise to styles, ``(B, n) -> (B, n)``: normalise z, then ``depth`` dense layers that learn at ``rate``."""

    def __init__(self, n: int, depth: int = 8, rate: float = 0.01):
        super().__init__()
        self.layers = nn.ModuleList(Dense(n, n, rate=rate) for _ in range(depth))

    def forward(self, z: Tensor) -> Tensor:
        w = pixel_norm(z)
        for layer in self.layers:
            w = active(layer(w))
        return w


class Styled(nn.Module):
    """Apply what follows a convolution: noise of learned strength per channel, bias, leaky ReLU, style.

    The style is an affine function of w: a scale and an offset for every channel.
    """

    def __init__(self, n: int, n_style: int):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(n))
        self.bias = nn.Parameter(torch.zeros(n))
        self.style = Dense(n_style, 2 * n, gain=1)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = x + self.strength[:, None, None] * noise + self.bias[:, None, None]
        scale, offset = self.style(w).chunk(2, 1)
        return adain(active(x), 1 + scale, offset)


class StyleGenerator(nn.Module):
    """Generate images from styles, noise and growth.

    ``(B, n_layers, n_style), (B, n_pixels), (L,) -> (B, C, 4 2^L, 4 2^L)``. The network grows as in
    `magan.networks.progressive`, with levels enlarged bilinearly.
    """

    def __init__(self, n_style: int, n_channels: int, n_levels: int, width: int):
        super().__init__()
        maps = widths(n_levels, width, MOST)
        self.constant = nn.Parameter(torch.randn(maps[0], FIRST, FIRST))
        # `Styled` adds the bias of a convolution.
        self.convolutions = nn.ModuleList([Convolution(maps[0], maps[0], bias=False)])
        for a, b in pairwise(maps):
            self.convolutions += [Convolution(a, b, bias=False), Convolution(b, b, bias=False)]
        self.styled = nn.ModuleList(Styled(n, n_style) for n in maps for _ in range(LAYERS))
        self.colours = nn.ModuleList(Convolution(n, n_channels, 1, gain=1) for n in maps)

    def forward(self, w: Tensor, noise: Tensor, faded: Tensor) -> Tensor:
        n = len(faded)
        pixels = by_layer(noise, [level for level in range(len(self.colours)) for _ in range(LAYERS)])
        x = self.styled[0](self.constant.expand(len(w), -1, -1, -1), w[:, 0], pixels[0])
        x = self.styled[1](self.convolutions[0](x), w[:, 1], pixels[1])
        for level in range(1, n + 1):
            below, x = x, enlarged(x, smooth=True)
            for i in (LAYERS * level, LAYERS * level + 1):
                x = self.styled[i](self.convolutions[i - 1](x), w[:, i], pixels[i])
        image = self.colours[n](x)
        return torch.lerp(enlarged(self.colours[n - 1](below)), image, faded[-1]) if n else image


def adain(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Return ``scale (x - mean) / sd + offset``, with mean and deviation of each channel of each sample.

    x is ``(B, C, H, W)``, ``scale`` and ``offset`` are ``(B, C)`` (Huang & Belongie 2017).
    """
    variance, mean = torch.var_mean(x, (2, 3), unbiased=False, keepdim=True)
    return scale[:, :, None, None] * (x - mean) * (variance + 1e-8).rsqrt() + offset[:, :, None, None]


def by_layer(noise: Tensor, levels: list[int]) -> list[Tensor]:
    """Split noise ``(B, n_pixels)`` into ``(B, 1, side, side)`` for each layer; ``levels`` are the layers' levels."""
    sides = [FIRST * 2**level for level in levels]
    return [part.unflatten(1, (1, side, side)) for part, side in zip(noise.split([s * s for s in sides], 1), sides)]


def n_pixels(levels: list[int]) -> int:
    """Return the length of the noise of layers at these levels."""
    return sum((FIRST * 2**level) ** 2 for level in levels)


def mix_styles(w: Tensor, second: Tensor, draws: Tensor, n_layers: int, rate: float) -> Tensor:
    """Return styles of every layer, ``(R, B, n_layers, n)``: some samples change to a second style at some layer.

    Parameters
    ----------
    w, second
        Two styles of each sample, ``(R, B, n)``.
    draws
        Uniform on [0, 1), ``(R, B, 2)``. A sample changes its style if the first number is below ``rate``. The second
        number chooses the layer of the change. The first layer always takes ``w``.
    """
    first_layer = 1 + (draws[..., 1] * (n_layers - 1)).floor()
    changes = (draws[..., 0] < rate)[..., None] & (torch.arange(n_layers, device=w.device) >= first_layer[..., None])
    return torch.where(changes[..., None], second[:, :, None], w[:, :, None])


def average(mapping: Network, z: Tensor) -> Tensor:
    """Return the mean style, ``(R, 1, n)``, over 1000 fixed noise vectors of the length of ``z`` ``(R, B, n)``."""
    places = torch.arange(MEASURED, device=z.device).expand(z.shape[0], -1)
    return mapping(normal(places, z.shape[2:]).to(z)).mean(1, keepdim=True)


def truncated(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    """Return ``mean + psi (w - mean)``: styles closer to the average, where training saw most samples."""
    return torch.lerp(mean, w, psi)
