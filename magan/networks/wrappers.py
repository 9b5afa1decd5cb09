"""Wrappers around a network: what a technique adds to any discriminator or generator.

Each wrapper holds the wrapped network as ``network`` and takes the same inputs. If ``broadcasts`` is true, it also
takes stacked parameters (see `Replicated`).
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from magan.networks.counter_rng import uniform
from magan.networks.mlp import Linear

LAYERS = (Linear, nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
POWER_STEPS = 20  # steps of the power iteration before training, so that the first norm is accurate


def layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers that have a weight matrix, in the order of their declaration."""
    return [module for module in network.modules() if isinstance(module, LAYERS)]


class Tapped(nn.Module):
    """Return the pair (output, input of the last layer)."""

    def __init__(self, build: Callable[[], nn.Module]):
        super().__init__()
        self.network = build()
        self.broadcasts = getattr(self.network, "broadcasts", False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        features: list[Tensor] = []
        with layers(self.network)[-1].register_forward_pre_hook(lambda layer, inputs: features.append(inputs[0])):
            out = self.network(*inputs)
        return out, features[-1]


class MinibatchDiscriminated(nn.Module):
    """Add to the scores a term for how similar a minibatch's samples are (Salimans et al. 2016, section 3.2).

    The input of the last layer, ``f (B, F)``, gives ``M = f T``, ``(B, n_kernels, n_dimensions)``, and

        o_b(i) = sum over j != i of exp(-||M_ib - M_jb||_1).

    The paper concatenates o to f before the last layer. As that layer is linear, this equals adding a linear function
    of o to its output.

    Raises
    ------
    ValueError
        The network does not end in a dense layer of one score.
    """

    def __init__(self, build: Callable[[], nn.Module], n_kernels: int, n_dimensions: int):
        super().__init__()
        self.tapped = Tapped(build)
        self.broadcasts = self.tapped.broadcasts
        last = layers(self.tapped)[-1]
        weight = cast(Tensor, last.weight)
        n_in, n_out = weight.shape if isinstance(last, Linear) else weight.shape[::-1][:2]
        if not isinstance(last, Linear | nn.Linear) or n_out != 1:
            raise ValueError(
                "minibatch_discrimination needs a discriminator that ends in one dense score; leave it out"
            )
        self.project = Linear(n_in, n_kernels * n_dimensions, bias=False)
        self.score = Linear(n_kernels, 1, bias=False)
        nn.init.zeros_(self.score.weight)  # o is up to 63 in a minibatch of 64; start without its effect
        self.n_kernels = n_kernels

    def forward(self, *inputs: Tensor):
        out, features = self.tapped(*inputs)
        out, hidden = (out[0], out[1:]) if isinstance(out, tuple) else (out, ())
        rows = self.project(features).unflatten(-1, (self.n_kernels, -1))
        distances = (rows.unsqueeze(-3) - rows.unsqueeze(-4)).abs().sum(-1)
        out = out + self.score((-distances).exp().sum(-2) - 1)  # minus 1, the term j = i
        return (out, *hidden) if hidden else out


class Dropped(nn.Module):
    """Apply dropout to the inputs of every layer but the first; the last input holds a seed per sample, ``(B,)`` int64.

    A value is set to 0 with probability ``rate`` and divided by ``1 - rate`` otherwise.
    """

    def __init__(self, build: Callable[[], nn.Module], rate: float):
        super().__init__()
        self.network, self.rate = build(), rate
        self.broadcasts = getattr(self.network, "broadcasts", False)

    def forward(self, *inputs: Tensor):
        *given, seeds = inputs
        calls = iter(range(len(layers(self.network)) + 1))

        def drop(layer: nn.Module, inputs: tuple) -> tuple | None:
            x, place = inputs[0], next(calls)
            if not place:
                return None
            mask = uniform(seeds, x.shape[seeds.dim() :], stream=place).to(x) > self.rate
            return x * mask / (1 - self.rate), *inputs[1:]

        with ExitStack() as stack:
            for layer in layers(self.network):
                stack.enter_context(layer.register_forward_pre_hook(drop))
            return self.network(*given)


class Spectral(nn.Module):
    """Divide every weight matrix by its largest singular value (Miyato et al. 2018).

    The singular value is ``|W u|`` with u the right singular vector, a buffer that `turn` refines once per update. u
    and ``v = W u / |W u|`` are constants in ``v' W u``. The weights of a convolution are a matrix ``(out, in k k)``.
    """

    def __init__(self, build: Callable[[], nn.Module]):
        super().__init__()
        self.network = build()
        self.broadcasts = getattr(self.network, "broadcasts", False)
        self.n_axes = {name: w.dim() for name, w in self.network.named_parameters() if w.dim() > 1}
        for i, (name, n_axes) in enumerate(self.n_axes.items()):
            matrix = as_matrix(self.network.get_parameter(name).detach(), n_axes)
            u = _unit(torch.randn(matrix.shape[-1]))
            for _ in range(POWER_STEPS):
                u = turned(matrix, u)
            self.register_buffer(f"u_{i}", u)

    def forward(self, *inputs: Tensor):
        weights: dict[str, Tensor] = dict(self.network.named_parameters())
        for i, (name, n_axes) in enumerate(self.n_axes.items()):
            norm = largest(as_matrix(weights[name], n_axes), self.get_buffer(f"u_{i}"))
            norm = torch.where(norm == 0, 1.0, norm)  # do not scale a matrix of zeros
            weights[name] = weights[name] / norm.reshape(*norm.shape, *(1,) * n_axes)
        return functional_call(self.network, weights, inputs)


def as_matrix(weight: Tensor, n_axes: int) -> Tensor:
    """Reshape weights of ``n_axes`` axes, with or without a replicate axis, to matrices ``(..., a, b)``."""
    return weight.flatten(weight.dim() - n_axes + 1)


def largest(matrix: Tensor, u: Tensor) -> Tensor:
    """Return ``v' W u`` for ``v = W u / |W u|``, ``(...)``: the largest singular value if u is its right vector."""
    v = _unit((matrix.detach() @ u[..., None]).squeeze(-1))
    return (v[..., None, :] @ matrix @ u[..., None]).squeeze(-1).squeeze(-1)


def turned(matrix: Tensor, u: Tensor) -> Tensor:
    """Return u after a step of the power iteration: ``W'W u`` normalised to length 1, or u if ``W'W u`` is 0."""
    after = (matrix.mT @ (matrix @ u[..., None])).squeeze(-1)
    return torch.where(after.norm(dim=-1, keepdim=True) == 0, u, _unit(after))


def turn(network: nn.Module, weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
    """Refine every u in ``buffers`` by a power step, in place; ``weights`` and ``buffers`` are ``(R, ...)`` each."""
    for place, module in network.named_modules():
        if isinstance(module, Spectral):
            at = f"{place}." if place else ""
            for i, (name, n_axes) in enumerate(module.n_axes.items()):
                u = buffers[f"{at}u_{i}"]
                u.copy_(turned(as_matrix(weights[f"{at}network.{name}"].detach(), n_axes), u))


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)
