"""Batch normalisation for sampling: fixed ("standing") statistics instead of those of each minibatch.

Training normalises by the statistics of the minibatch. Sampling must not: in a minibatch of eight samples of one class,
normalisation would remove the class, and a sample would depend on the rest of its minibatch.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map

from magan.networks.replicate import Replicated


class Standing(nn.Module):
    """Run replicate ``row`` of a network, ``(1, B, ...) -> (1, B, ...)``, with its first minibatch's statistics."""

    def __init__(self, network: Replicated, row: int):
        super().__init__()
        state = {name: x[row] for name, x in network.state().items()}
        self.copy = copy.deepcopy(network.template).to_empty(device=next(iter(state.values())).device)
        self.copy.load_state_dict(state)
        self.copy.eval()
        for layer in self.copy.modules():
            if isinstance(layer, _BatchNorm):
                layer.register_forward_pre_hook(_stand)

    def forward(self, *inputs: Tensor):
        return tree_map(lambda x: x[None], self.copy(*(x[0] for x in inputs)))


def standing(
    networks: Mapping[str, Replicated],
    row: int,
    sample: Callable[[Mapping[str, nn.Module], Mapping[str, Tensor]], Any],
    minibatch: Mapping[str, Tensor],
) -> dict[str, nn.Module]:
    """Return replicate ``row`` of every network, normalised by the statistics of ``sample(networks, minibatch)``.

    These are the standing statistics of Brock et al. 2019 (BigGAN, appendix D), from one large minibatch.
    ``minibatch`` should be as varied as a training minibatch; its leading axis is one replicate.
    """
    fixed: dict[str, nn.Module] = {
        role: Standing(n, row) if _normalises(n) else n.select([row]) for role, n in networks.items()
    }
    if any(isinstance(network, Standing) for network in fixed.values()):
        with torch.no_grad():
            sample(fixed, minibatch)
    return fixed


def _normalises(network: Replicated) -> bool:
    return any(isinstance(layer, _BatchNorm) for layer in network.template.modules())


def _stand(layer: _BatchNorm, inputs: tuple[Tensor]) -> None:
    """Store the statistics of the first minibatch; the layer uses them for all later minibatches."""
    if layer.running_mean is None:
        axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
        layer.running_var, layer.running_mean = torch.var_mean(inputs[0], axes, correction=0)
