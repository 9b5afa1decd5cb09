"""One copy of a network as it is used: batch normalisation by statistics that stand, not by those of each minibatch.

Training normalises by the minibatch. Samples must not be: eight samples of one class would be centred until the class
is gone, and a sample would depend on those beside it.
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
    """Copy ``row`` of a network, ``(1, B, ...) -> (1, B, ...)``, that normalises by the first minibatch it meets."""

    def __init__(self, network: Replicated, row: int):
        super().__init__()
        state = {name: x[row] for name, x in network.state().items()}
        self.one = copy.deepcopy(network.template).to_empty(device=next(iter(state.values())).device)
        self.one.load_state_dict(state)
        self.one.eval()
        for layer in self.one.modules():
            if isinstance(layer, _BatchNorm):
                layer.register_forward_pre_hook(_stand)

    def forward(self, *inputs: Tensor):
        return tree_map(lambda x: x[None], self.one(*(x[0] for x in inputs)))


def standing(
    networks: Mapping[str, Replicated],
    row: int,
    sample: Callable[[Mapping[str, nn.Module], Mapping[str, Tensor]], Any],
    company: Mapping[str, Tensor],
) -> dict[str, nn.Module]:
    """Copy ``row`` of every network, normalising by the statistics of ``sample(networks, company)``.

    "Standing statistics" of Brock et al. 2019 (BigGAN, appendix D), from one large minibatch.
    ``company`` should be as varied as a minibatch of the training, with a leading axis of one replicate.
    """
    own = {role: Standing(n, row) if _normalises(n) else n.select([row]) for role, n in networks.items()}
    if any(isinstance(network, Standing) for network in own.values()):
        with torch.no_grad():
            sample(own, company)
    return own


def _normalises(network: Replicated) -> bool:
    return any(isinstance(layer, _BatchNorm) for layer in network.template.modules())


def _stand(layer: _BatchNorm, inputs: tuple[Tensor]) -> None:
    """Keep the statistics of the first minibatch, and use them from then on."""
    if layer.running_mean is None:
        own = [axis for axis in range(inputs[0].ndim) if axis != 1]
        layer.running_var, layer.running_mean = torch.var_mean(inputs[0], own, correction=0)
