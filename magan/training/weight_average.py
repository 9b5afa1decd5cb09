"""Running means of weights. Their samples vary less than samples of the weights of the last step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

import torch

from magan.recipe import Batch, Networks, Phase, Recipe, Sampler

SUFFIX = "_average"
UNAVERAGED = "discriminator"  # the beginning of roles that make no samples
T = TypeVar("T")


def averaged(recipe: Recipe, decay: float) -> Recipe:
    """The recipe with a running mean, in a new role, of every network that makes or encodes samples.

    After each update of its network the mean ``m`` becomes ``decay m + (1 - decay) w``; after the updates of the first
    step it becomes ``w``. Samples are then made with the means. A decay of 0 leaves the recipe unchanged.

    Raises
    ------
    ValueError
        The recipe already has a running mean.
    """
    if not decay:
        return recipe
    taken = [role for role in recipe.networks if role.endswith(SUFFIX)]
    if taken:
        raise ValueError(f"network '{taken[0]}' is already a running mean in this model; leave training.average out")
    trained = {role for phase in recipe.phases for role in phase.trains}
    roles = [role for role in recipe.networks if role in trained and not role.startswith(UNAVERAGED)]

    def sample(networks: Networks, batch: Batch):
        # Used below where the recipe makes samples.
        return cast(Sampler, recipe.sample)(means(networks), batch)

    return replace(
        recipe,
        networks={**recipe.networks, **{role + SUFFIX: recipe.networks[role] for role in roles}},
        phases=tuple(
            _moving(phase, [role for role in phase.trains if role in roles], decay) for phase in recipe.phases
        ),
        sample=recipe.sample and sample,
    )


def means(networks: Mapping[str, T]) -> dict[str, T]:
    """Role -> network; a running mean replaces the network that it averages."""
    return {role: networks.get(role + SUFFIX, net) for role, net in networks.items() if not role.endswith(SUFFIX)}


def _moving(phase: Phase, roles: Sequence[str], decay: float) -> Phase:
    return replace(phase, after=partial(_move, phase.after, roles, decay))


@torch.no_grad()
def _move(before, roles: Sequence[str], decay: float, networks: Networks, step: int) -> None:
    before(networks, step)
    for role in roles:
        mean, now = networks[role + SUFFIX].state(), networks[role].state()
        # PyTorch has no public name for many interpolations in a call.
        lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]
        lerp(list(mean.values()), [now[name] for name in mean], 1 - decay if step else 1.0)
