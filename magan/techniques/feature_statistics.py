"""Techniques on the features of a discriminator, the input of its last layer (Salimans et al. 2016, 3.1 and 3.2)."""

from dataclasses import replace
from functools import partial

from magan.losses import reconstruction
from magan.networks.wrappers import MinibatchDiscriminated, Tapped
from magan.option_types import Count, Weight
from magan.recipe import Objective, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained, trains

SAMPLE = "x"  # prefix of batch entries: "x1" holds the real samples of "discriminator_1"


def feature_matching(recipe: Recipe, *, weight: Weight = 1.0) -> Recipe:
    """Train the generator to match the discriminator's mean features instead of to fool the discriminator.

    The generator's adversarial loss becomes ``weight`` times the mean squared difference of the minibatch means of
    f(x) and f(G(z)), with f the input of the discriminator's last layer. The discriminator trains as before.

    Raises
    ------
    ValueError
        A generator has no loss called "adversarial", or the batch does not hold the discriminator's real samples.
    """
    discriminators = trained(recipe, "discriminator")
    generators = trained(recipe, "generator")

    def scores_only(objective: Objective) -> Objective:
        """Return an objective whose tapped discriminators return scores only."""

        def plain(networks, batch, carry):
            within = altered(networks, discriminators, lambda role: lambda network, *inputs: network(*inputs)[0])
            return objective(within, batch, carry)

        return plain

    def matching(objective: Objective) -> Objective:
        def matched(networks, batch, carry):
            read = {}

            def discriminate(role):
                def call(network, *inputs):
                    scores, features = network(*inputs)
                    read[role] = (features, inputs[1:])
                    return scores

                return call

            terms = dict(objective(altered(networks, discriminators, discriminate), batch, carry))
            if terms.pop("adversarial", None) is None or not read:
                raise ValueError("feature_matching needs a generator with an adversarial loss; leave it out")
            parts = []
            for role, (features, conditions) in read.items():
                name = SAMPLE + role.removeprefix("discriminator").removeprefix("_")
                if name not in batch:
                    raise ValueError(f"feature_matching finds no real samples for the {role}; leave it out")
                _, real = networks[role](batch[name], *conditions)
                parts.append(reconstruction.feature_matching([real], [features]))
            return {"feature_matching": weight * sum(parts[1:], parts[0]), **terms}

        return matched

    phases = [
        replace(phase, objective=(matching if trains(phase, generators) else scores_only)(phase.objective))
        for phase in recipe.phases
    ]
    return changed(replace(recipe, phases=tuple(phases)), builders=partial(partial, Tapped), of=discriminators)


def minibatch_discrimination(recipe: Recipe, *, n_kernels: Count = 100, n_dimensions: Count = 5) -> Recipe:
    """Let discriminators read how similar the samples of a minibatch are, see `MinibatchDiscriminated`.

    Discriminators then detect a generator whose samples are all similar. Real and generated samples pass separately.
    The technique excludes penalties on the slope at single samples, because scores depend on the whole minibatch.
    """
    discriminators = trained(recipe, "discriminator")
    trained(recipe, "generator")

    def separated(objective: Objective) -> Objective:
        def scored_separately(networks, batch, carry):
            within = altered(networks, discriminators, lambda role: lambda network, *inputs: network(*inputs))
            return objective(within, batch, carry)

        return scored_separately

    build = partial(partial, MinibatchDiscriminated, n_kernels=n_kernels, n_dimensions=n_dimensions)
    return changed(recipe, separated, builders=build, of=discriminators)
