"""Fully connected networks for tables of markers and small images."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod, sqrt
from typing import cast

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Compute ``x W + b``, with ``W`` ``(n_in, n_out)``: Glorot uniform weights, zero bias.

    With stacked parameters ``(R, n_in, n_out)`` and ``(R, n_out)``, the layer maps ``(R, B, n_in)`` to
    ``(R, B, n_out)`` as a batched product. On a CPU this is a third faster than a map over the replicates.
    """

    def __init__(self, n_in: int, n_out: int, bias: bool = True):
        super().__init__()
        bound = sqrt(6 / (n_in + n_out))
        self.weight = nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None

    def forward(self, x: Tensor, activation: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        if self.bias is None:
            out = x @ self.weight
        elif self.weight.dim() == 3 and _can_be_fused(x):
            return self._fused(x[0], activation).unsqueeze(0)
        elif self.weight.dim() == 3:
            out = torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)
        else:
            out = torch.addmm(self.bias, x, self.weight)
        return out if activation is None else activation(out)

    def _fused(self, x: Tensor, activation: Callable[[Tensor], Tensor] | None) -> Tensor:
        """Compute one replicate with oneDNN, activation included: two to three times as fast, without gradients."""
        name = "relu" if activation is torch.relu else "none"
        out = torch.ops.mkldnn._linear_pointwise(x, self.weight[0].T, cast(Tensor, self.bias)[0], name, [], "")
        return out if name == "relu" or activation is None else activation(out)


def _can_be_fused(x: Tensor) -> bool:
    """Return whether ``_fused`` applies: one replicate, float32 on the CPU, no gradients, a build with oneDNN."""
    plain = x.shape[0] == 1 and x.numel() > 0 and x.device.type == "cpu" and x.dtype == torch.float32
    return plain and not torch.is_grad_enabled() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class MLP(nn.Module):
    """Apply linear layers, ``(B, *shape_in) -> (B, *shape_out)``, with ``activation`` between and ``final`` at the end.

    Images are flattened to vectors. With ``features`` the network returns the pair (output, list of hidden
    activations). Without ``final_bias`` the last layer has no bias.
    """

    broadcasts = True  # also accepts a leading replicate axis; see `Replicated`

    def __init__(
        self,
        shape_in: Sequence[int],
        shape_out: Sequence[int],
        hidden: Sequence[int],
        activation: Callable[[Tensor], Tensor] = torch.relu,
        final: Callable[[Tensor], Tensor] | None = None,
        features: bool = False,
        final_bias: bool = True,
    ):
        super().__init__()
        *body, head = pairwise([prod(shape_in), *hidden, prod(shape_out)])
        self.layers = nn.ModuleList([*(Linear(a, b) for a, b in body), Linear(*head, bias=final_bias)])
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)
        self.activation, self.final, self.features = activation, final, features

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        *body, head = self.layers
        x = x.flatten(-len(self.shape_in))
        hidden = []
        for layer in body:
            x = layer(x, self.activation)
            hidden.append(x)
        x = head(x).unflatten(-1, self.shape_out)
        x = x if self.final is None else self.final(x)
        return (x, hidden) if self.features else x


class Joined(nn.Module):
    """Apply an `MLP` to samples ``(B, *shape)`` concatenated with vectors ``(B, k)``, ``n_in`` numbers in total."""

    broadcasts = True

    def __init__(self, shape: Sequence[int], n_in: int, shape_out: Sequence[int], hidden: Sequence[int], **options):
        super().__init__()
        self.network = MLP((n_in,), shape_out, hidden, **options)
        self.n_axes = len(shape)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        return self.network(torch.cat([x.flatten(-self.n_axes), *conditions], -1))
