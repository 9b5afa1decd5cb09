"""StackGAN: Text to Photo-realistic Image Synthesis with Stacked GANs (Zhang et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.information import gaussian_kl
from magan.networks.architectures import Builder
from magan.networks.embedding import Embedding
from magan.networks.enlarging import Enlarging, doublings
from magan.networks.gan_networks import discriminator, generator, onehot
from magan.networks.resizing import shrunk
from magan.option_types import Count, Weight, Width
from magan.recipe import Adam, Noise, Phase, Recipe

FACTOR = 2  # the second stage enlarges images by this factor
STAGES = (1, 2)


def stackgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_words: Sequence[Count] | None = None,
    divergence_weight: Weight = 1.0,
    n_condition: Count = 16,
    n_noise: Count = 100,
    n_blocks: Count = 4,
    width: Width = 64,
) -> Recipe:
    """Build a GAN of images from captions in two stages: half the size first, then a stage that corrects and enlarges.

    A caption consists of a template's words, e.g. "a red 3", and is given as a class. The bag of its words replaces the
    embedding that the paper takes from a text encoder. Each stage draws its condition from a Gaussian around the
    embedding (conditioning augmentation); a divergence term holds the Gaussian near N(0, 1). Each D scores an image
    together with the words. It also reads real images with the words of a wrong caption, as false pairs. The paper
    trains the second stage after the first. Here they train at the same time; the second does not affect the first.

    Parameters
    ----------
    shapes
        Shape of an image, and number of captions: ``{"x": (C, H, W), "label": (n_classes,)}``.
    n_words
        Number of choices for each word of the template. The last word changes fastest with the class number: with
        (6, 10) class 13 has the second of six colours and the fourth of ten digits. By default a caption is one word.
    divergence_weight
        Weight of the divergence of conditions, mean over the numbers of a condition, as in the authors' code. The
        paper's formula is the sum, which here makes conditions equal N(0, 1), without information on the caption.
    n_condition
        Length of a condition.
    n_noise
        Length of the first stage's z, standard normal.
    n_blocks
        Number of residual blocks of the second stage, at half the size.
    width
        Channels of each network's first layer.

    Raises
    ------
    ValueError
        The data have no classes, ``n_words`` does not give their number, samples are not images, or sides are odd.
    """
    if len(shapes["x"]) != 3 or "label" not in shapes:
        raise ValueError("stackgan needs images with classes, which are its captions; give some, or use gan")
    shape, (n_classes,) = shapes["x"], shapes["label"]
    n_words = tuple(n_words or (n_classes,))
    if prod(n_words) != n_classes:
        raise ValueError(f"n_words {n_words} make {prod(n_words)} captions, not {n_classes}; change it")
    game, small = ADVERSARIAL["non_saturating"], (shape[0], *(side // FACTOR for side in shape[1:]))
    n_doublings = doublings(shape, FACTOR)

    def conditions(networks, batch):
        """Return for each stage a random condition of every caption, and the divergence of its distribution."""
        drawn_conditions, divergences = [], []
        for stage in STAGES:
            mean, log_variance = networks[f"condition_{stage}"](words(batch["label"], n_words)).chunk(2, -1)
            drawn_conditions.append(mean + (log_variance / 2).exp() * batch[f"epsilon_{stage}"])
            divergences.append(gaussian_kl(mean, log_variance) / n_condition)
        return drawn_conditions, divergences

    def generated(networks, batch, drawn_conditions):
        first = networks["generator_1"](batch["z"], drawn_conditions[0])
        return first, networks["generator_2"](first.detach(), drawn_conditions[1])

    def scores_of(networks, batch, images):
        """Return the scores of each stage's images with the words of their captions."""
        y = words(batch["label"], n_words)
        return [networks[f"discriminator_{stage}"](x, y) for stage, x in zip(STAGES, images)]

    def discriminators(networks, batch, carry):
        images = shrunk(batch["x"], FACTOR), batch["x"]
        drawn_conditions, _ = conditions(networks, batch)
        wrong_label = (batch["label"] + 1 + (batch["other"] * (n_classes - 1)).long().squeeze(-1)) % n_classes
        real = scores_of(networks, batch, images)
        wrong = scores_of(networks, {"label": wrong_label}, images)
        fake = scores_of(networks, batch, [x.detach() for x in generated(networks, batch, drawn_conditions)])
        return {
            f"adversarial_{stage}": (game.discriminator(r, f) + game.discriminator(r, w)) / 2
            for stage, r, w, f in zip(STAGES, real, wrong, fake)
        }

    def generators(networks, batch, carry):
        drawn_conditions, divergences = conditions(networks, batch)
        scores = scores_of(networks, batch, generated(networks, batch, drawn_conditions))
        terms = {f"adversarial_{stage}": game.generator(score) for stage, score in zip(STAGES, scores)}
        return terms | {f"divergence_{stage}": divergence_weight * each for stage, each in zip(STAGES, divergences)}

    def sample(networks, batch):
        drawn_conditions, _ = conditions(networks, batch)
        return generated(networks, batch, drawn_conditions)[1].clamp(-1, 1)

    networks: dict[str, Builder] = {
        f"condition_{stage}": partial(Embedding, sum(n_words), len(n_words), n_condition) for stage in STAGES
    }
    networks["generator_1"] = generator(n_noise + n_condition, small, "auto", width)
    networks["generator_2"] = partial(Enlarging, shape[0], n_doublings, width, n_blocks, n_condition, True)
    for stage, size in zip(STAGES, (small, shape)):
        networks[f"discriminator_{stage}"] = discriminator(size, "auto", width, n_condition=sum(n_words))
    return Recipe(
        networks=networks,
        phases=tuple(
            Phase(name, trains=tuple(role for role in networks if role.startswith(roles)), objective=objective)
            for name, roles, objective in (
                ("discriminator", "discriminator", discriminators),
                ("generator", ("generator", "condition"), generators),
            )
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={
            "z": Noise((n_noise,)),
            "other": Noise((1,), "uniform"),
            **{f"epsilon_{stage}": Noise((n_condition,)) for stage in STAGES},
        },
        uninformed_loss={f"discriminator/adversarial_{stage}": game.uninformed_loss for stage in STAGES},
        sample=sample,
    )


def words(label: Tensor, n_words: Sequence[int]) -> Tensor:
    """Return the bags of words of captions ``(R, B)``: 1 for each word that occurs, ``(R, B, sum of n_words)``."""
    parts = []
    for n in reversed(n_words):
        parts.insert(0, onehot(label % n, n))
        label = label // n
    return torch.cat(parts, -1)
