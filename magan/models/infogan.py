"""InfoGAN: Interpretable Representation Learning by Information Maximizing GANs (Chen et al., NIPS 2016)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.information import categorical_information, gaussian_information
from magan.networks.gan_networks import discriminator, generator, n_hidden, onehot
from magan.networks.mlp import MLP
from magan.recipe import Adam, Noise, Phase, Recipe


def infogan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_categories: int = 10,
    n_continuous: int = 2,
    categorical_weight: float = 1.0,
    continuous_weight: float = 1.0,
    n_noise: int = 62,
    architecture: str = "auto",
    width: int = 64,
    normalised: bool = True,
) -> Recipe:
    """The non-saturating game with codes that Q reads from a sample: one category, some numbers in [-1, 1].

    Q shares all of D but its last layer. The information between codes and samples is bounded from below by what Q
    reads, and both D with Q and G raise the bound: it is subtracted from both losses, so that in the logs
    ``category`` falls to minus its weight times log ``n_categories``.

    `sample` takes the category of a row from the number of its ``label``, where there is one: no class was seen in
    training, so which category names which class is for the reader to match, and every sample's category is
    known afterwards. Rows without a label get a random one; the numbers are always random.

    Parameters
    ----------
    shapes
        Of one sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    n_categories, n_continuous
        Values of the categorical code and number of the others.
    categorical_weight, continuous_weight
        The paper's lambda for each kind of code.
    n_noise
        Length of z beside the codes, uniform on [-1, 1).
    architecture, width
        See `magan.networks.gan_networks`; at 64 the image networks are the paper's for MNIST.
    normalised
        Batch normalisation in both networks, by the statistics of each minibatch.
    """
    game = ADVERSARIAL["non_saturating"]

    def generated(networks, batch):
        category = (batch["category"] * n_categories).long().squeeze(-1)
        x = networks["generator"](batch["z"], onehot(category, n_categories), batch["continuous"])
        return x, category

    def information(said, category, batch):
        """Both bounds, weighted and to be minimised, from Q's output ``(R, B, n_categories + n_continuous)``."""
        logits, mean = said.split([n_categories, n_continuous], dim=-1)
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
