"""Historical averaging: a penalty on the distance of weights from their past mean."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from magan.option_types import Weight
from magan.recipe import Networks, Objective, Phase, Recipe
from magan.techniques.recipe_wrappers import trained, trains

HISTORY = "_history"  # appended to a role


def historical_averaging(recipe: Recipe, *, weight: Weight = 1.0) -> Recipe:
    """Add ``weight ||w - mean of w over past steps||^2`` to each network's loss (Salimans et al. 2016, section 3.3).

    Weights that orbit an equilibrium then converge to it. The mean is stored as a separate network,
    ``<role>_history``.
    """
    roles = (*trained(recipe, "generator"), *trained(recipe, "discriminator"))
    phases = []
    for phase in recipe.phases:
        if trains(phase, roles):
            trained_roles = [role for role in phase.trains if role in roles]
            phase = replace(
                phase, objective=_penalised(phase.objective, trained_roles, weight), after=_moving(phase, trained_roles)
            )
        phases.append(phase)
    means = {role + HISTORY: recipe.networks[role] for role in roles}
    return replace(recipe, networks={**recipe.networks, **means}, phases=tuple(phases))


def _penalised(objective: Objective, roles: Sequence[str], weight: float) -> Objective:
    def penalised(networks, batch, carry):
        terms, distance = objective(networks, batch, carry), 0.0
        for role in roles:
            means = networks[role + HISTORY].weights()
            for name, value in networks[role].weights().items():
                distance = distance + (value - means[name].detach()).flatten(1).square().sum(1)
        started = (carry["step"] > 0).to(distance)  # at step 0 there is no mean yet
        return {**terms, "historical_averaging": weight * started * distance}

    return penalised


def _moving(phase: Phase, roles: Sequence[str]) -> Callable[[Networks, int], None]:
    """Return a hook that updates the mean after step t: ``(t mean + w) / (t + 1)``."""

    @torch.no_grad()
    def after(networks, step):
        phase.after(networks, step)
        for role in roles:
            mean = networks[role + HISTORY].state()
            for name, value in networks[role].state().items():
                mean[name].lerp_(value, 1 / (step + 1))

    return after
