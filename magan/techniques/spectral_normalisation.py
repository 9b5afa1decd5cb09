"""Spectral normalisation: a bound on the slope of discriminators."""

from dataclasses import replace
from functools import partial

from magan.networks.wrappers import Spectral, turn
from magan.recipe import Phase, Recipe
from magan.techniques.recipe_wrappers import changed, trained, trains


def spectral_normalisation(recipe: Recipe) -> Recipe:
    """Divide every weight matrix of a discriminator by its largest singular value (Miyato et al. 2018).

    A step of the power iteration refines the singular vector after each update of the discriminator. Forward passes do
    not change it.
    """
    roles = trained(recipe, "discriminator")
    whole = changed(recipe, builders=partial(partial, Spectral), of=roles)

    def turning(phase: Phase):
        def after(networks, step):
            phase.after(networks, step)
            for role in roles:
                if role in phase.trains:
                    turn(networks[role].template, networks[role].weights(), networks[role].state())

        return after

    phases = [replace(phase, after=turning(phase)) if trains(phase, roles) else phase for phase in whole.phases]
    return replace(whole, phases=tuple(phases))
