"""Networks around a network: what a technique adds to any discriminator or generator.

Each holds the network as ``network``, takes what it takes and, where it says
``broadcasts``, stacked parameters too (see `Replicated`).
"""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.func import functional_call

from magan.networks.counter_rng import uniform
from magan.networks.mlp import Linear

LAYERS = (Linear, nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
POWER_STEPS = 20  # of the power iteration before training, so that the first norm is right already


def layers(network: nn.Module) -> list[nn.Module]:
    """Its layers with a matrix of weights, in the order in which they are declared."""
    return [module for module in network.modules() if isinstance(module, LAYERS)]


class Tapped(nn.Module):
    """Gives the pair (output, what its last layer reads)."""

    def __init__(self, build: Callable[[], nn.Module]):
        super().__init__()
        self.network = build()
        self.broadcasts = getattr(self.network, "broadcasts", False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []
        with layers(self.network)[-1].register_forward_pre_hook(lambda layer, given: seen.append(given[0])):
            out = self.network(*inputs)
        return out, seen[-1]


class MinibatchDiscriminated(nn.Module):
    """Scores that also depend on how alike a minibatch's samples are (Salimans et al. 2016, section 3.2).

    What the last layer reads, ``f (B, F)``, gives ``M = f T``, ``(B, n_kernels, n_dimensions)``, and

        o_b(i) = sum over j other than i of exp(-||M_ib - M_jb||_1).

    The paper lays o beside f before the last, linear, layer: that is adding a linear map of o to its output.

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
        n_in, n_out = last.weight.shape if isinstance(last, Linear) else last.weight.shape[::-1][:2]
        if not isinstance(last, Linear | nn.Linear) or n_out != 1:
            raise ValueError(
                "minibatch_discrimination needs a discriminator that ends in one dense score; leave it out"
            )
        self.project = Linear(n_in, n_kernels * n_dimensions, bias=False)
        self.score = Linear(n_kernels, 1, bias=False)
        nn.init.zeros_(self.score.weight)  # of a minibatch of 64 o is up to 63: it starts as the network alone
        self.n_kernels = n_kernels

    def forward(self, *inputs: Tensor):
        out, features = self.tapped(*inputs)
        out, rest = (out[0], out[1:]) if isinstance(out, tuple) else (out, ())
        rows = self.project(features).unflatten(-1, (self.n_kernels, -1))
        apart = (rows.unsqueeze(-3) - rows.unsqueeze(-4)).abs().sum(-1)
        out = out + self.score((-apart).exp().sum(-2) - 1)  # without the 1 that a sample adds of itself
        return (out, *rest) if rest else out


class Dropped(nn.Module):
    """Dropout of what every layer but the first reads, by one seed a sample, ``(B,)`` int64, as its last input.

    A value is set to 0 with probability ``rate`` and divided by ``1 - rate`` otherwise.
    """

    def __init__(self, build: Callable[[], nn.Module], rate: float):
        super().__init__()
        self.network, self.rate = build(), rate
        self.broadcasts = getattr(self.network, "broadcasts", False)

    def forward(self, *inputs: Tensor):
        *inputs, seeds = inputs
        calls = iter(range(len(layers(self.network)) + 1))

        def drop(layer: nn.Module, given: tuple) -> tuple | None:
            x, place = given[0], next(calls)
            if not place:
                return None
            kept = uniform(seeds, x.shape[seeds.dim() :], stream=place).to(x) > self.rate
            return x * kept / (1 - self.rate), *given[1:]

        with ExitStack() as stack:
            for layer in layers(self.network):
                stack.enter_context(layer.register_forward_pre_hook(drop))
            return self.network(*inputs)


class Spectral(nn.Module):
    """Every matrix of weights divided by its largest singular value (Miyato et al. 2018).

    The value is ``|W u|`` with u its right singular vector, a buffer that `turn` brings nearer once an update; u and
    ``v = W u / |W u|`` count as constants in ``v' W u``. A convolution's weights are a matrix ``(out, in k k)``.
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
        weights = dict(self.network.named_parameters())
        for i, (name, n_axes) in enumerate(self.n_axes.items()):
            norm = largest(as_matrix(weights[name], n_axes), self.get_buffer(f"u_{i}"))
            norm = torch.where(norm == 0, 1.0, norm)  # a matrix that starts at zero is left there
            weights[name] = weights[name] / norm.reshape(*norm.shape, *(1,) * n_axes)
        return functional_call(self.network, weights, inputs)


def as_matrix(weight: Tensor, n_axes: int) -> Tensor:
    """Weights of ``n_axes`` axes, one copy or R of them, as matrices ``(..., a, b)``."""
    return weight.flatten(weight.dim() - n_axes + 1)


def largest(matrix: Tensor, u: Tensor) -> Tensor:
    """``v' W u`` for ``v = W u / |W u|``: the largest singular value where u is its right vector, ``(...)``."""
    v = _unit((matrix.detach() @ u[..., None]).squeeze(-1))
    return (v[..., None, :] @ matrix @ u[..., None]).squeeze(-1).squeeze(-1)


def turned(matrix: Tensor, u: Tensor) -> Tensor:
    """u after one step of the power iteration: ``W'W u``, of length 1; u itself where that is nothing."""
    after = (matrix.mT @ (matrix @ u[..., None])).squeeze(-1)
    return torch.where(after.norm(dim=-1, keepdim=True) == 0, u, _unit(after))


def turn(network: nn.Module, weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
    """One power step of every u in ``buffers``, in place: of a network, given its weights, ``(R, ...)`` each."""
    for place, module in network.named_modules():
        if isinstance(module, Spectral):
            at = f"{place}." if place else ""
            for i, (name, n_axes) in enumerate(module.n_axes.items()):
                u = buffers[f"{at}u_{i}"]
                u.copy_(turned(as_matrix(weights[f"{at}network.{name}"].detach(), n_axes), u))


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)
