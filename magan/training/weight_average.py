"""Running means of weights, which make steadier samples than the weights of the last step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch

from magan.recipe import Batch, Networks, Phase, Recipe

SUFFIX = "_average"
UNAVERAGED = "discriminator"  # how roles that make nothing begin
T = TypeVar("T")


def averaged(recipe: Recipe, decay: float) -> Recipe:
    """The recipe with a running mean of every network that makes or encodes samples, a role of its own.

    After each update of its network the mean ``m`` becomes ``decay m + (1 - decay) w``, and ``w`` after those
    of the first step. Samples are then made with the means. A decay of 0 leaves the recipe as it is.

    Raises
    ------
    ValueError
        The recipe has such a mean of its own.
    """
    if not decay:
        return recipe
    taken = [role for role in recipe.networks if role.endswith(SUFFIX)]
    if taken:
        raise ValueError(f"network '{taken[0]}' is a running mean of the model's own; leave training.average out")
    trained = {role for phase in recipe.phases for role in phase.trains}
    roles = [role for role in recipe.networks if role in trained and not role.startswith(UNAVERAGED)]

    def sample(networks: Networks, batch: Batch):
        return recipe.sample(means(networks), batch)

    return replace(
        recipe,
        networks={**recipe.networks, **{role + SUFFIX: recipe.networks[role] for role in roles}},
        phases=tuple(
            _moving(phase, [role for role in phase.trains if role in roles], decay) for phase in recipe.phases
        ),
        sample=recipe.sample and sample,
    )


def means(networks: Mapping[str, T]) -> dict[str, T]:
    """The networks by their role, its running mean in the place of each that has one."""
    return {role: networks.get(role + SUFFIX, net) for role, net in networks.items() if not role.endswith(SUFFIX)}


def _moving(phase: Phase, roles: Sequence[str], decay: float) -> Phase:
    return replace(phase, after=partial(_move, phase.after, roles, decay))


@torch.no_grad()
def _move(before, roles: Sequence[str], decay: float, networks: Networks, step: int) -> None:
    before(networks, step)
    for role in roles:
        mean, now = networks[role + SUFFIX].state(), networks[role].state()
        torch._foreach_lerp_(list(mean.values()), [now[name] for name in mean], 1 - decay if step else 1.0)
