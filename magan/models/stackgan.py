"""StackGAN: Text to Photo-realistic Image Synthesis with Stacked GANs (Zhang et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.information import gaussian_kl
from magan.networks.embedding import Embedding
from magan.networks.enlarging import Enlarging, doublings
from magan.networks.gan_networks import discriminator, generator, onehot
from magan.networks.resizing import shrunk
from magan.recipe import Adam, Noise, Phase, Recipe

FACTOR = 2  # by which the second stage enlarges
STAGES = (1, 2)


def stackgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_words: Sequence[int] | None = None,
    divergence_weight: float = 1.0,
    n_condition: int = 16,
    n_noise: int = 100,
    n_blocks: int = 4,
    width: int = 64,
) -> Recipe:
    """Images from captions in two stages: one of half the size, and another that corrects and enlarges it.

    A caption is a template's words, "a red 3", given as a class: the bag of its words is the embedding that the paper
    takes from a text encoder. Each stage draws its condition from a Gaussian about the embedding (conditioning
    augmentation), which a divergence holds near N(0, 1). Its D judges image and words together, and is also shown
    real images under words of another caption as false. The paper trains the second stage after the first; here they
    train side by side, the first as if alone.

    Parameters
    ----------
    shapes
        Of one image, and the number of captions: ``{"x": (C, H, W), "label": (n_classes,)}``.
    n_words
        Choices for each word of the template. Classes count through them with the last word first: (6, 10) says that
        class 13 has the second of six colours and the fourth of ten digits. By default a caption is one word.
    divergence_weight
        Of the divergence of conditions, per number. The paper's formula sums over numbers, which here holds conditions
        at N(0, 1), so that nothing is told; its authors' code takes the mean.
    n_condition
        Length of a condition.
    n_noise
        Length of the first stage's z, standard normal.
    n_blocks
        Residual blocks of the second stage, at half the size.
    width
        Maps of each network's first layer.

    Raises
    ------
    ValueError
        No classes, ``n_words`` that make another number of captions, no images, or odd sides.
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
        """Of each stage, a condition drawn for every caption and what draws of it diverge by."""
        drawn, paid = [], []
        for stage in STAGES:
            mean, log_variance = networks[f"condition_{stage}"](words(batch["label"], n_words)).chunk(2, -1)
            drawn.append(mean + (log_variance / 2).exp() * batch[f"epsilon_{stage}"])
            paid.append(gaussian_kl(mean, log_variance) / n_condition)
        return drawn, paid

    def made(networks, batch, drawn):
        first = networks["generator_1"](batch["z"], drawn[0])
        return first, networks["generator_2"](first.detach(), drawn[1])

    def judged(networks, batch, images):
        """Scores of each stage's images with the words of their captions."""
        y = words(batch["label"], n_words)
        return [networks[f"discriminator_{stage}"](x, y) for stage, x in zip(STAGES, images)]

    def discriminators(networks, batch, carry):
        images = shrunk(batch["x"], FACTOR), batch["x"]
        drawn, _ = conditions(networks, batch)
        other = (batch["label"] + 1 + (batch["other"] * (n_classes - 1)).long().squeeze(-1)) % n_classes
        real = judged(networks, batch, images)
        wrong = judged(networks, {"label": other}, images)
        fake = judged(networks, batch, [x.detach() for x in made(networks, batch, drawn)])
        return {
            f"adversarial_{stage}": (game.discriminator(r, f) + game.discriminator(r, w)) / 2
            for stage, r, w, f in zip(STAGES, real, wrong, fake)
        }

    def generators(networks, batch, carry):
        drawn, paid = conditions(networks, batch)
        scores = judged(networks, batch, made(networks, batch, drawn))
        terms = {f"adversarial_{stage}": game.generator(score) for stage, score in zip(STAGES, scores)}
        return terms | {f"divergence_{stage}": divergence_weight * each for stage, each in zip(STAGES, paid)}

    def sample(networks, batch):
        drawn, _ = conditions(networks, batch)
        return made(networks, batch, drawn)[1].clamp(-1, 1)

    networks = {f"condition_{stage}": partial(Embedding, sum(n_words), len(n_words), n_condition) for stage in STAGES}
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
    """The bag of words of captions ``(R, B)``: 1 for each word that occurs, ``(R, B, sum of n_words)``."""
    parts = []
    for n in reversed(n_words):
        parts.insert(0, onehot(label % n, n))
        label = label // n
    return torch.cat(parts, -1)
