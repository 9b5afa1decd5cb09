"""Instance noise: Gaussian noise on the discriminator's samples."""

from itertools import count

from magan.networks.counter_rng import normal, seeds
from magan.option_types import Count, Size
from magan.recipe import Noise, Objective, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained


def instance_noise(recipe: Recipe, *, size: Size = 0.1, steps: Count = 3000) -> Recipe:
    """Add Gaussian noise to every sample that a discriminator scores, real or generated, until step ``steps``.

    Both distributions then overlap, so the optimal discriminator is never perfect (Sonderby et al. 2017; Arjovsky &
    Bottou 2017, section 3). The standard deviation of the noise falls linearly from ``size``, in the units of the
    samples, to 0.
    """
    discriminators = trained(recipe, "discriminator")

    def change(objective: Objective) -> Objective:
        def with_noise(networks, batch, carry):
            sigma, calls = size * (1 - carry["step"] / steps).clamp(min=0), count()

            def discriminate(role):
                def call(network, x, *conditions):
                    noise_seeds = seeds(batch["instance_noise"], x.shape[1], next(calls))
                    return network(x + sigma.to(x) * normal(noise_seeds, x.shape[2:]).to(x), *conditions)

                return call

            return objective(altered(networks, discriminators, discriminate), batch, carry)

        return with_noise

    return changed(recipe, change, noise={"instance_noise": Noise((2,), "uniform")})
