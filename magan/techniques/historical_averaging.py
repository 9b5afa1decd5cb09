"""Players that are held back by what they were."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from magan.recipe import Networks, Objective, Phase, Recipe
from magan.techniques.recipe_wrappers import trained, trains

HISTORY = "_history"  # appended to a role


def historical_averaging(recipe: Recipe, *, weight: float = 1.0) -> Recipe:
    """Each player also pays ``weight ||w - mean of w over the steps so far||^2`` (Salimans et al. 2016, section 3.3).

    Orbits around an equilibrium are then drawn into it. The mean is a network of its own, ``<role>_history``.
    """
    roles = (*trained(recipe, "generator"), *trained(recipe, "discriminator"))
    phases = []
    for phase in recipe.phases:
        if trains(phase, roles):
            own = [role for role in phase.trains if role in roles]
            phase = replace(phase, objective=_held(phase.objective, own, weight), after=_moving(phase, own))
        phases.append(phase)
    means = {role + HISTORY: recipe.networks[role] for role in roles}
    return replace(recipe, networks={**recipe.networks, **means}, phases=tuple(phases))


def _held(objective: Objective, roles: Sequence[str], weight: float) -> Objective:
    def held(networks, batch, carry):
        terms, distance = objective(networks, batch, carry), 0.0
        for role in roles:
            means = networks[role + HISTORY].weights()
            for name, value in networks[role].weights().items():
                distance = distance + (value - means[name].detach()).flatten(1).square().sum(1)
        started = (carry["step"] > 0).to(distance)  # before, the mean is of nothing
        return {**terms, "historical_averaging": weight * started * distance}

    return held


def _moving(phase: Phase, roles: Sequence[str]) -> Callable[[Networks, int], None]:
    """After an update of step t the mean becomes ``(t mean + w) / (t + 1)``."""

    @torch.no_grad()
    def after(networks, step):
        phase.after(networks, step)
        for role in roles:
            mean = networks[role + HISTORY].state()
            for name, value in networks[role].state().items():
                mean[name].lerp_(value, 1 / (step + 1))

    return after
