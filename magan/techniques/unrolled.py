"""Unrolled GANs: the generator looks ahead at the discriminator's next updates (Metz et al. 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from magan.option_types import Count, Rate
from magan.recipe import Objective, Recipe
from magan.techniques.recipe_wrappers import Moved, changed, trained, trains


class Attached(TorchFunctionMode):
    """Disable ``detach`` inside this context, so a discriminator's loss depends on the generator."""

    def __torch_function__(self, function: Callable, types, args=(), kwargs=None):
        return args[0] if function is Tensor.detach else function(*args, **(kwargs or {}))


def unrolled(recipe: Recipe, *, n_steps: Count = 5, rate: Rate = 0.1) -> Recipe:
    """Evaluate the generator's loss at discriminators after ``n_steps`` virtual updates.

    A virtual update is a gradient step of length ``rate`` on the same minibatch. The generator's gradient passes
    through the virtual updates, so the generator also learns how the discriminator would react. The discriminators
    train as before."""
    generators, discriminators = trained(recipe, "generator"), trained(recipe, "discriminator")
    answers = [phase.objective for phase in recipe.phases if trains(phase, discriminators)]

    def change(objective: Objective) -> Objective:
        def ahead(networks, batch, carry):
            moved = {role: networks[role].weights() for role in discriminators}
            moved = {role: {name: w.detach().requires_grad_() for name, w in of.items()} for role, of in moved.items()}
            for _ in range(n_steps):
                within = {**networks, **{role: Moved(networks[role], w) for role, w in moved.items()}}
                with Attached():
                    terms = [term for answer in answers for term in answer(within, batch, carry).values()]
                weights = [w for of in moved.values() for w in of.values()]
                slopes = iter(
                    torch.autograd.grad(
                        torch.stack(terms).sum(), weights, create_graph=True, allow_unused=True, materialize_grads=True
                    )
                )
                moved = {role: {k: w - rate * next(slopes) for k, w in of.items()} for role, of in moved.items()}
            within = {**networks, **{role: Moved(networks[role], w) for role, w in moved.items()}}
            return objective(within, batch, carry)

        return ahead

    return changed(recipe, change, training=generators)
