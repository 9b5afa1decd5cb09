"""How a technique reaches into a recipe it does not know: by what its objectives are given.

An objective sees networks only through the mapping of roles it is called with, so a technique that
puts something else in a role's place changes every recipe alike. A technique that was applied
earlier lies further in: it sees samples and scores as the model's own objective does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from magan.recipe import Network, Networks, Noise, Objective, Phase, Recipe

Alter = Callable[..., Any]  # (the network, *its inputs) -> what it is to give


@dataclass(frozen=True)
class Altered:
    """A network with something done to what it reads or gives; all else is the network's own."""

    network: Network
    alter: Alter
    apart: bool = True  # real and generated samples are to be judged in passes of their own

    def __call__(self, *inputs: Tensor):
        return self.alter(self.network, *inputs)

    def at(self, weights: Mapping[str, Tensor]) -> "Altered":
        return replace(self, network=self.network.at(weights))

    def __getattr__(self, name: str):
        return getattr(self.network, name)


@dataclass(frozen=True)
class Moved:
    """A network with other weights than those it has."""

    network: Network
    moved: Mapping[str, Tensor]

    def __call__(self, *inputs: Tensor):
        return self.network.at(self.moved)(*inputs)

    def weights(self) -> Mapping[str, Tensor]:
        return self.moved


def trained(recipe: Recipe, kind: str) -> tuple[str, ...]:
    """Roles that a phase trains and whose name starts with ``kind``.

    Raises
    ------
    ValueError
        There is none.
    """
    roles = [role for phase in recipe.phases for role in phase.trains if role.startswith(kind)]
    if not roles:
        raise ValueError(f"the model has no {kind}, which the technique changes; leave it out")
    return tuple(dict.fromkeys(roles))


def altered(networks: Networks, roles: Sequence[str], alter: Callable[[str], Alter]) -> Networks:
    """The networks with ``roles`` altered, each as ``alter(role)`` says."""
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
    """A recipe whose objectives are changed.

    Parameters
    ----------
    recipe
        To be changed.
    change
        Of an objective.
    training
        Only of phases that train one of these roles; by default of all.
    noise
        Random inputs to be added.
    builders, of
        What is built in the place of the networks ``of``.
    """
    phases = [
        replace(phase, objective=change(phase.objective)) if trains(phase, training) or not training else phase
        for phase in recipe.phases
    ]
    networks = {role: builders(build) if role in of else build for role, build in recipe.networks.items()}
    return replace(recipe, networks=networks, phases=tuple(phases), noise={**recipe.noise, **(noise or {})})


def trains(phase: Phase, roles: Sequence[str]) -> bool:
    """Whether a phase trains any of the roles."""
    return bool(set(phase.trains) & set(roles))
