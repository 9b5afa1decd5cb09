"""Run R copies of a network as a single batched network."""

import copy
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.utils._pytree import tree_map


class Replicated(nn.Module):
    """R independently initialised copies of a network, evaluated at once.

    Every parameter and buffer has a leading replicate axis. Copy ``r`` sees
    ``x[r]`` only, so the gradient of a loss summed over replicates is the
    gradient of each copy, and an elementwise optimiser (Adam, RMSprop) trains R
    separate networks.

    A network whose class sets ``broadcasts = True`` is called once with the
    stacked parameters. On a GPU, every other network is mapped over them by
    `torch.vmap`, because a large kernel is faster than R small kernels. On a CPU
    it is called copy by copy, because R convolutions take two thirds of the time
    of a grouped convolution.

    Parameters
    ----------
    build
        Makes a network, ``(B, ...) -> (B, ...)``. Its forward pass must draw no
        random numbers; noise is an input.
    seeds
        A seed per copy. Copy ``r`` starts from the weights of a single network
        with ``seeds[r]``.
    """

    template: nn.Module

    def __init__(self, build: Callable[[], nn.Module], seeds: Sequence[int]):
        super().__init__()
        copies = [_seeded(build, seed) for seed in seeds]
        parameters, buffers = stack_module_state(copies)
        # Registered names may not contain dots; "/" stands in for them.
        self.parameters_ = nn.ParameterDict({_flat(k): nn.Parameter(v.detach()) for k, v in parameters.items()})
        self.buffers_ = nn.Module()
        for k, v in buffers.items():
            self.buffers_.register_buffer(_flat(k), v)
        # The structure without values, on the meta device. It is not in the
        # module tree, so it is neither saved nor moved.
        self.__dict__["template"] = copy.deepcopy(copies[0]).to("meta")

    def forward(self, *inputs: Tensor):
        """Apply copy ``r`` to ``input[r]``: ``(R, B, ...) -> (R, B, ...)``."""
        return self.at(self.weights())(*inputs)

    def weights(self) -> dict[str, Tensor]:
        """Every parameter by its name in the network, ``(R, ...)``: the trained tensors, not copies."""
        return {_dotted(k): v for k, v in self.parameters_.items()}

    def at(self, weights: Mapping[str, Tensor]) -> Callable[..., Tensor]:
        """The network with ``weights`` in place of its parameters, differentiable in them."""
        buffers = {_dotted(k): v for k, v in self.buffers_.named_buffers()}

        def single(parameters, buffers, *inputs):
            return functional_call(self.template, (parameters, buffers), inputs)

        def whole(*inputs: Tensor):
            if getattr(self.template, "broadcasts", False):
                return single(weights, buffers, *inputs)
            if inputs[0].is_cuda:
                return torch.vmap(single)(weights, buffers, *inputs)
            rows = [
                single(*({k: v[r] for k, v in held.items()} for held in (weights, buffers)), *(x[r] for x in inputs))
                for r in range(len(inputs[0]))
            ]
            return tree_map(lambda *parts: torch.stack(parts), *rows)

        return whole

    def train(self, mode: bool = True) -> "Replicated":
        super().train(mode)
        self.template.train(mode)
        return self

    def state(self) -> dict[str, Tensor]:
        """Every parameter and buffer, ``name -> (R, ...)``; shares memory with the network."""
        return {_dotted(k): v.detach() for k, v in (*self.parameters_.items(), *self.buffers_.named_buffers())}

    def select(self, rows: Sequence[int]) -> "Replicated":
        """A network of the copies ``rows``, for use and not for training."""
        part = Replicated.__new__(Replicated)
        nn.Module.__init__(part)
        rows = list(rows)
        part.parameters_ = nn.ParameterDict(
            {k: nn.Parameter(v.detach()[rows], requires_grad=False) for k, v in self.parameters_.items()}
        )
        part.buffers_ = nn.Module()
        for k, v in self.buffers_.named_buffers():
            part.buffers_.register_buffer(k, v[rows])
        part.__dict__["template"] = self.template
        return part

    def put(self, rows: Sequence[int], state: dict[str, Tensor]) -> None:
        """Overwrite the copies ``rows`` by the copies of ``state``, in order."""
        for name, value in self.state().items():
            value[list(rows)] = state[name].to(value)


def role_seed(seed: int, role: str) -> int:
    """The seed of a network, so that two networks of the same shape start with different weights."""
    return int(np.random.SeedSequence([seed, zlib.crc32(role.encode())]).generate_state(1)[0])


def _seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _flat(name: str) -> str:
    return name.replace(".", "/")


def _dotted(name: str) -> str:
    return name.replace("/", ".")
