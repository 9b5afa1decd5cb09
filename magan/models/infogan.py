"""InfoGAN: Interpretable Representation Learning by Information Maximizing GANs (Chen et al., NIPS 2016)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.information import categorical_information, gaussian_information
from magan.networks.gan_networks import discriminator, generator, n_hidden, onehot
from magan.networks.mlp import MLP
from magan.option_types import Count, SampleArchitectureName, Weight, Whole, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def infogan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_categories: Count = 10,
    n_continuous: Whole = 2,
    categorical_weight: Weight = 1.0,
    continuous_weight: Weight = 1.0,
    n_noise: Count = 62,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build the non-saturating game with codes that a reader Q recovers from a sample: a category, numbers in [-1, 1].

    Q shares all layers of D but the last. Q's prediction gives a lower bound on the mutual information between codes
    and samples. D with Q and G both raise the bound: it is subtracted from both losses, so in the logs ``category``
    falls to minus its weight times log ``n_categories``.

    If a row has a ``label``, `sample` uses the number of the label as the category. Training reads no classes, so which
    category corresponds to which class must be found afterwards. Rows without a label have a random category. The
    numbers are always random.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    n_categories, n_continuous
        Number of values of the categorical code, and number of continuous codes.
    categorical_weight, continuous_weight
        The paper's lambda for each kind of code.
    n_noise
        Length of z without the codes, uniform on [-1, 1).
    architecture, width
        See `magan.networks.gan_networks`; at 64 the image networks are the paper's for MNIST.
    normalised
        Use batch normalisation in both networks, by the statistics of each minibatch.
    """
    game = ADVERSARIAL["non_saturating"]

    def generated(networks, batch):
        category = (batch["category"] * n_categories).long().squeeze(-1)
        x = networks["generator"](batch["z"], onehot(category, n_categories), batch["continuous"])
        return x, category

    def information(prediction, category, batch):
        """Return minus both weighted bounds, from Q's output ``(R, B, n_categories + n_continuous)``."""
        logits, mean = prediction.split([n_categories, n_continuous], dim=-1)
        return {
            "category": -categorical_weight * categorical_information(logits, category),
            "continuous": -continuous_weight * gaussian_information(mean, batch["continuous"]),
        }

    def discriminators(networks, batch, carry):
        D, Q = networks["discriminator"], networks["reader"]
        x, category = generated(networks, batch)
        (real, _), (fake, hidden) = D(batch["x"]), D(x.detach())
        return {"adversarial": game.discriminator(real, fake), **information(Q(hidden[-1]), category, batch)}

    def generators(networks, batch, carry):
        D, Q = networks["discriminator"], networks["reader"]
        x, category = generated(networks, batch)
        fake, hidden = D(x)
        return {"adversarial": game.generator(fake), **information(Q(hidden[-1]), category, batch)}

    def sample(networks, batch):
        if "label" in batch:
            category = onehot(batch["label"] % n_categories, n_categories)
            return networks["generator"](batch["z"], category, batch["continuous"])
        return generated(networks, batch)[0]

    n_in, n_codes = n_noise + n_categories + n_continuous, n_categories + n_continuous
    return Recipe(
        networks={
            "generator": generator(n_in, shapes["x"], architecture, width, normalised=normalised, activation="relu"),
            "discriminator": discriminator(shapes["x"], architecture, width, normalised=normalised, features=True),
            "reader": partial(MLP, (n_hidden(shapes["x"], architecture, width),), (n_codes,), (2 * width,), torch.relu),
        },
        phases=(
            Phase("discriminator", trains=("discriminator", "reader"), objective=discriminators),
            Phase(
                "generator",
                trains=("generator",),
                objective=generators,
                optimiser=Adam(learning_rate=1e-3, betas=(0.5, 0.999)),
            ),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={
            "z": Noise((n_noise,), "signed"),
            "category": Noise((1,), "uniform"),
            "continuous": Noise((n_continuous,), "signed"),
        },
        uninformed_loss={"discriminator/adversarial": game.uninformed_loss},
        sample=sample,
    )
