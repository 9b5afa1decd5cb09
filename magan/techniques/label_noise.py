"""Label smoothing and label noise: change the labels "real" and "generated" that train a discriminator.

The logistic and the least squares loss of a score s with label y are, up to a constant, linear in the label:

    -y log D - (1 - y) log(1 - D) = softplus(s) - y s,        (s - y)^2 / 2 = s^2 / 2 - y s + y^2 / 2.

So a change of the label by a step adds -s times the step to the loss. Games without labels are not supported: these
techniques have no meaning for them.
"""

from collections.abc import Callable

from torch import Tensor

from magan.losses.reduce import replicate_mean
from magan.option_types import Share
from magan.recipe import Batch, Noise, Objective, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained

Steps = Callable[[Batch], tuple[float | Tensor, float | Tensor]]  # steps of the labels of real and of generated samples


def label_smoothing(recipe: Recipe, *, label: Share = 0.9) -> Recipe:
    """Smooth labels on one side: the label of real samples becomes ``label``, that of generated samples stays 0.

    In the logistic game the optimal discriminator is then ``label p_r / (p_r + p_g)``. To smooth the labels of
    generated samples too would pull generated samples towards their present positions (Salimans et al. 2016, section
    3.4).
    """
    return _relabelled(recipe, "label_smoothing", lambda batch: (label - 1, 0.0))


def noisy_labels(recipe: Recipe, *, rate: Share = 0.05) -> Recipe:
    """Give the discriminator the wrong label for a random share ``rate`` of the samples, real and generated.

    On average this smooths the labels of both sides. The choice is new for each sample and update, so it is also noise.
    """

    def steps(batch: Batch) -> tuple[Tensor, Tensor]:
        wrong = (batch["noisy_labels"] < rate).to(batch["noisy_labels"])
        return -wrong[..., 0], wrong[..., 1]

    return _relabelled(recipe, "noisy_labels", steps, {"noisy_labels": Noise((2,), "uniform")})


def _relabelled(recipe: Recipe, name: str, steps: Steps, noise: dict[str, Noise] | None = None) -> Recipe:
    """Return the recipe with the labels of each update's samples changed by ``steps``."""
    generators, discriminators = trained(recipe, "generator"), trained(recipe, "discriminator")

    def change(objective: Objective) -> Objective:
        def relabelled(networks, batch, carry):
            generated: list[Tensor] = []
            real: list[Tensor] = []
            fake: list[Tensor] = []

            def generate(role):
                def call(network, *inputs):
                    generated.append(network(*inputs))
                    return generated[-1]

                return call

            def discriminate(role):
                def call(network, x, *conditions):
                    out = network(x, *conditions)
                    scores = out[0] if isinstance(out, tuple) else out
                    if scores.shape == x.shape and x[0, 0].numel() > 1:
                        raise ValueError(f"{name} needs a discriminator that gives scores, not samples; leave it out")
                    if any(x is entry for entry in batch.values()):
                        real.append(scores)
                    elif any(x.data_ptr() == sample.data_ptr() and x.shape == sample.shape for sample in generated):
                        fake.append(scores)
                    return out

                return call

            within = altered(altered(networks, discriminators, discriminate), generators, generate)
            terms = objective(within, batch, carry)
            if not real or not fake:
                raise ValueError(f"{name} needs a discriminator that judges samples as they are; leave it out")
            of_real, of_fake = steps(batch)
            parts = [-_mean(of_real, scores) for scores in real] + [-_mean(of_fake, scores) for scores in fake]
            return {**terms, name: sum(parts[1:], parts[0])}

        return relabelled

    return changed(recipe, change, training=discriminators, noise=noise)


def _mean(step: float | Tensor, scores: Tensor) -> Tensor:
    """Return the mean of step times score, ``(R,)``; ``step`` is a number, or a number per sample, ``(R, B)``."""
    return replicate_mean(step * scores.flatten(2).mean(2))
