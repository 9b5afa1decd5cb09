"""Adversarial examples: image changes that are too small to matter to a reader and make a classifier err."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor
from torch.nn.functional import cross_entropy

from magan import classifier
from magan.classifier import Classifier
from magan.lectures import result_table
from magan.lectures.images import chosen, classes, floats, pixels
from magan.option_types import Count, Size

TARGETED_STEPS = 20
HALF, UNMOVED, REACHED = (
    0.5,
    0.9,
    0.9,
)  # limits of the accuracy after FGSM and after random signs, and of the share of images classified as the target
N_SHOWN = 8


def adversarial_examples(
    seeds: Sequence[int],
    images: AnnData,
    *,
    n_train: Count = 4000,
    n_test: Count = 500,
    sizes: Sequence[Size] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    shown: Size = 0.2,
) -> pd.DataFrame:
    """Train a classifier per seed and change every pixel of test images by at most a size (levels 0 to 1).

    FGSM (Goodfellow et al. 2015) adds the size times the sign of the loss's gradient. The targeted attack takes 20
    steps down the loss of the next class and stays within the size (Kurakin et al. 2017).

    Quantities of each seed, as curves over the size: "accuracy" after the item "fgsm" or "random signs", and "reached",
    the share of images classified as the target. "image" shows the first seed's images at the size ``shown``.
    """
    training, test = chosen(images, n_train), chosen(images, n_test, "test")
    names, labels = classes(test)
    x = (pixels(test) + 1) / 2
    signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    curves: dict[tuple[str, str], list] = {}
    parts = []
    for seed in seeds:
        model = classifier.fit(floats(training), seed=seed)
        for size in sizes:
            changed = {
                ("accuracy", "fgsm"): fgsm(model, x, labels, size),
                ("accuracy", "random signs"): (x + size * signs).clamp(0, 1),
                ("reached", ""): targeted(model, x, (labels + 1) % len(names), size),
            }
            for (quantity, item), images_now in changed.items():
                wanted = labels if quantity == "accuracy" else (labels + 1) % len(names)
                hit = (_scores(model, images_now).argmax(1) == wanted).float().mean().item()
                curves.setdefault((quantity, item), []).append(hit)
        if seed == seeds[0]:
            parts += _shown(model, x, labels, len(names), shown, signs, seed)
    for (quantity, item), values in curves.items():
        by_seed = np.reshape(values, (len(seeds), len(sizes)))
        parts.append(result_table.points(quantity, by_seed, seeds=seeds, x=sizes, item=item))
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: where FGSM first leaves less than half, random signs leave .9; targets are reached by .9."""
    attacked, random, reached = (
        result_table.values(points, quantity, item=item).pivot(index="seed", columns="x", values="value")
        for quantity, item in (("accuracy", "fgsm"), ("accuracy", "random signs"), ("reached", ""))
    )
    below = attacked.mean() < HALF
    first = int(below.to_numpy().argmax()) if below.any() else -1
    size, last = below.index[first], attacked.columns[-1]
    unharmed, hits = random[size].to_numpy(), reached[last].to_numpy()
    return result_table.numbers(
        [
            result_table.number(
                f"accuracy after FGSM of {size:g} a pixel", attacked[size], f"below {HALF}", below.any()
            ),
            result_table.number(
                f"accuracy after random signs of {size:g}", unharmed, f"at least {UNMOVED}", unharmed.mean() >= UNMOVED
            ),
            result_table.number(
                f"taken for the target, {last:g} a pixel", hits, f"at least {REACHED}", hits.mean() >= REACHED
            ),
            result_table.number("accuracy on images as they are", attacked[0.0]),
        ]
    )


def fgsm(classifier: Classifier, x: Tensor, labels: Tensor, size: float) -> Tensor:
    """Return ``x + size sign(gradient of the loss at x)``, clipped to [0, 1]."""
    return (x + size * _slope(classifier, x, labels).sign()).clamp(0, 1)


def targeted(classifier: Classifier, x: Tensor, targets: Tensor, size: float, n_steps: int = TARGETED_STEPS) -> Tensor:
    """Descend the loss of the targets by steps of ``2 size / n``, within ``size`` of x and in [0, 1]."""
    moved = x
    for _ in range(n_steps):
        moved = moved - 2 * size / n_steps * _slope(classifier, moved, targets).sign()
        moved = torch.minimum(torch.maximum(moved, x - size), x + size).clamp(0, 1)
    return moved


def _slope(classifier: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(cross_entropy(classifier.network(x)[1], labels, reduction="sum"), x)
    return slope


@torch.no_grad()
def _scores(classifier: Classifier, x: Tensor) -> Tensor:
    return classifier.network(x)[1]


def _shown(model: Classifier, x: Tensor, labels: Tensor, n_classes: int, size: float, signs: Tensor, seed: int) -> list:
    """Return a few images, original and changed, and the number of the class that the classifier gives each."""
    rows = torch.stack([torch.nonzero(labels == k)[0, 0] for k in range(min(n_classes, N_SHOWN))])
    x, labels = x[rows], labels[rows]
    sets = {
        "as it is": x,
        "random signs": (x + size * signs[rows]).clamp(0, 1),
        "FGSM": fgsm(model, x, labels, size),
        "targeted": targeted(model, x, (labels + 1) % n_classes, size),
    }
    parts = []
    for name, images in sets.items():
        parts += result_table.pictures(name, images * 2 - 1, seeds=[seed])
        predicted = _scores(model, images).argmax(1)
        parts += [
            result_table.points("taken for", [int(k)], seeds=[seed], item=f"{name}|{i}")
            for i, k in enumerate(predicted)
        ]
    return parts
