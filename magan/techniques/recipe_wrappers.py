"""Wrap recipes: a technique changes a recipe through the networks that it passes to the objectives.

An objective reads networks only through its argument, the mapping role -> network. A technique that replaces a network
in this mapping therefore works with every recipe. A technique that is applied first is innermost: it reads samples and
scores as the model's objective does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from magan.recipe import Network, Networks, Noise, Objective, Phase, Recipe

Alter = Callable[..., Any]  # (network, *inputs) -> new output


@dataclass(frozen=True)
class Altered:
    """A network with changed inputs or outputs; all further attributes are those of the network."""

    network: Network
    alter: Alter
    separate: bool = True  # real and generated samples pass separately, see `magan.networks.translation.scores`

    def __call__(self, *inputs: Tensor):
        return self.alter(self.network, *inputs)

    def at(self, weights: Mapping[str, Tensor]) -> "Altered":
        return replace(self, network=self.network.at(weights))

    def __getattr__(self, name: str):
        return getattr(self.network, name)


@dataclass(frozen=True)
class Moved:
    """A network with replaced weights."""

    network: Network
    moved: Mapping[str, Tensor]

    def __call__(self, *inputs: Tensor):
        return self.network.at(self.moved)(*inputs)

    def weights(self) -> Mapping[str, Tensor]:
        return self.moved


def trained(recipe: Recipe, kind: str) -> tuple[str, ...]:
    """Return the roles that a phase trains and whose names start with ``kind``.

    Raises
    ------
    ValueError
        There is no such role.
    """
    roles = [role for phase in recipe.phases for role in phase.trains if role.startswith(kind)]
    if not roles:
        raise ValueError(f"the model has no {kind}, which the technique changes; leave it out")
    return tuple(dict.fromkeys(roles))


def altered(networks: Networks, roles: Sequence[str], alter: Callable[[str], Alter]) -> Networks:
    """Return the networks with those of ``roles`` altered by ``alter(role)``."""
    return {**networks, **{role: Altered(networks[role], alter(role)) for role in roles}}


def changed(
    recipe: Recipe,
    change: Callable[[Objective], Objective] = lambda objective: objective,
    *,
    training: Sequence[str] = (),
    noise: Mapping[str, Noise] | None = None,
    builders: Callable[[Callable], Callable] | None = None,
    of: Sequence[str] = (),
) -> Recipe:
    """Return a recipe with changed objectives, further random inputs, or changed network builders.

    Parameters
    ----------
    recipe
        Recipe to change.
    change
        Maps an objective to the new objective.
    training
        Change only phases that train any of these roles; by default all phases.
    noise
        Random inputs to add.
    builders, of
        ``builders`` maps the builder of each network in ``of`` to the new builder.
    """
    phases = [
        replace(phase, objective=change(phase.objective)) if trains(phase, training) or not training else phase
        for phase in recipe.phases
    ]
    networks = {role: builders(build) if builders and role in of else build for role, build in recipe.networks.items()}
    return replace(recipe, networks=networks, phases=tuple(phases), noise={**recipe.noise, **(noise or {})})


def trains(phase: Phase, roles: Sequence[str]) -> bool:
    """Return whether a phase trains any of the roles."""
    return bool(set(phase.trains) & set(roles))
