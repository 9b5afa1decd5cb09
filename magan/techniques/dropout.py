"""Dropout with masks as inputs: a seed drops the same values whether it trains alone or with further seeds."""

from dataclasses import replace
from functools import partial
from itertools import count
from typing import Literal

from magan.networks.counter_rng import seeds
from magan.networks.wrappers import Dropped
from magan.option_types import Share
from magan.recipe import Noise, Objective, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained


def dropout(
    recipe: Recipe, *, rate: Share = 0.5, of: Literal["discriminator", "generator"] = "discriminator"
) -> Recipe:
    """Add dropout at ``rate`` to hidden layers of every discriminator or generator; generators drop in sampling too.

    Raises
    ------
    ValueError
        ``of`` is neither "discriminator" nor "generator", or ``rate`` is not in [0, 1).
    """
    if of not in ("discriminator", "generator"):
        raise ValueError(f"dropout of '{of}' is unknown; there are discriminator, generator")
    if not 0 <= rate < 1:
        raise ValueError(f"dropout has the rate {rate}; give one of at least 0 and less than 1")
    roles = trained(recipe, of)

    def seeded(call_whole):
        """Wrap an objective or a sampler: its networks receive the seeds of their masks."""

        def dropped(networks, batch, *carry):
            calls = count()

            def seed(role):
                def call(network, x, *conditions):
                    return network(x, *conditions, seeds(batch["dropout"], x.shape[1], next(calls)))

                return call

            return call_whole(altered(networks, roles, seed), batch, *carry)

        return dropped

    def change(objective: Objective) -> Objective:
        return seeded(objective)

    build = partial(partial, Dropped, rate=rate)
    recipe = changed(recipe, change, noise={"dropout": Noise((2,), "uniform")}, builders=build, of=roles)
    return replace(recipe, sample=seeded(recipe.sample)) if recipe.sample and of == "generator" else recipe
