"""Techniques that look at what a discriminator's last layer reads (Salimans et al. 2016, sections 3.1 and 3.2)."""

from dataclasses import replace
from functools import partial

from magan.losses import reconstruction
from magan.networks.wrappers import MinibatchDiscriminated, Tapped
from magan.recipe import Objective, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained, trains

SAMPLE = "x"  # the batch's real samples of "discriminator_1" are "x1"


def feature_matching(recipe: Recipe, *, weight: float = 1.0) -> Recipe:
    """The generator matches what the discriminator sees on average, instead of fooling it.

    Its adversarial loss becomes ``weight`` times the mean squared difference of the minibatch means of
    f(x) and f(G(z)), f being what the discriminator's last layer reads. The discriminator trains as before.

    Raises
    ------
    ValueError
        A generator has no loss called "adversarial", or real samples are not in the batch as they are judged.
    """
    discriminators = trained(recipe, "discriminator")
    generators = trained(recipe, "generator")

    def scores_only(objective: Objective) -> Objective:
        """The tapped discriminators give scores again, to an objective that knows nothing of taps."""

        def plain(networks, batch, carry):
            within = altered(networks, discriminators, lambda role: lambda network, *inputs: network(*inputs)[0])
            return objective(within, batch, carry)

        return plain

    def matching(objective: Objective) -> Objective:
        def matched(networks, batch, carry):
            seen = {}

            def judge(role):
                def call(network, *inputs):
                    scores, features = network(*inputs)
                    seen[role] = (features, inputs[1:])
                    return scores

                return call

            terms = dict(objective(altered(networks, discriminators, judge), batch, carry))
            if terms.pop("adversarial", None) is None or not seen:
                raise ValueError("feature_matching needs a generator with an adversarial loss; leave it out")
            parts = []
            for role, (features, others) in seen.items():
                name = SAMPLE + role.removeprefix("discriminator").removeprefix("_")
                if name not in batch:
                    raise ValueError(f"feature_matching finds no real samples for the {role}; leave it out")
                _, real = networks[role](batch[name], *others)
                parts.append(reconstruction.feature_matching([real], [features]))
            return {"feature_matching": weight * sum(parts[1:], parts[0]), **terms}

        return matched

    phases = [
        replace(phase, objective=(matching if trains(phase, generators) else scores_only)(phase.objective))
        for phase in recipe.phases
    ]
    return changed(replace(recipe, phases=tuple(phases)), builders=partial(partial, Tapped), of=discriminators)


def minibatch_discrimination(recipe: Recipe, *, n_kernels: int = 100, n_dimensions: int = 5) -> Recipe:
    """Discriminators see how alike the samples of a minibatch are, see `MinibatchDiscriminated`.

    A generator whose samples are all alike is then found out. Real and generated samples are judged in
    passes of their own. It does not go with a penalty on the slope at single samples, whose scores now depend on
    the others.
    """
    discriminators = trained(recipe, "discriminator")
    trained(recipe, "generator")

    def apart(objective: Objective) -> Objective:
        def judged_apart(networks, batch, carry):
            within = altered(networks, discriminators, lambda role: lambda network, *inputs: network(*inputs))
            return objective(within, batch, carry)

        return judged_apart

    build = partial(partial, MinibatchDiscriminated, n_kernels=n_kernels, n_dimensions=n_dimensions)
    return changed(recipe, apart, builders=build, of=discriminators)
