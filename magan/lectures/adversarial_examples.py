"""Images changed so little that a reader does not care, and so that a classifier errs."""

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
HALF, UNMOVED, REACHED = 0.5, 0.9, 0.9  # of accuracy after FGSM, after random signs, and of targets
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
    """A classifier of its own for each seed, and test images changed by at most a size at every pixel (levels 0 to 1).

    FGSM (Goodfellow et al. 2015) adds the size times the sign of the slope of the loss. The targeted attack walks 20
    steps down the loss of another class, the next one, never farther than the size (Kurakin et al. 2017).

    Quantities of each seed, curves over the size: "accuracy" after an item "fgsm" or "random signs", and
    "reached", the share that is taken for the target. "image" shows the first seed's at the size ``shown``.
    """
    lesson, judged = chosen(images, n_train), chosen(images, n_test, "test")
    names, labels = classes(judged)
    x = (pixels(judged) + 1) / 2
    signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    curves: dict[tuple[str, str], list] = {}
    parts = []
    for seed in seeds:
        own = classifier.fit(floats(lesson), seed=seed)
        for size in sizes:
            changed = {
                ("accuracy", "fgsm"): fgsm(own, x, labels, size),
                ("accuracy", "random signs"): (x + size * signs).clamp(0, 1),
                ("reached", ""): targeted(own, x, (labels + 1) % len(names), size),
            }
            for (quantity, item), images_now in changed.items():
                wanted = labels if quantity == "accuracy" else (labels + 1) % len(names)
                hit = (_scores(own, images_now).argmax(1) == wanted).float().mean().item()
                curves.setdefault((quantity, item), []).append(hit)
        if seed == seeds[0]:
            parts += _shown(own, x, labels, len(names), shown, signs, seed)
    for (quantity, item), values in curves.items():
        by_seed = np.reshape(values, (len(seeds), len(sizes)))
        parts.append(result_table.points(quantity, by_seed, seeds=seeds, x=sizes, item=item))
    return result_table.table(parts)


def judge(points: pd.DataFrame) -> pd.DataFrame:
    """Where FGSM first leaves less than half, random signs must leave .9; the targeted attack must reach .9 at most."""
    attacked, shaken, reached = (
        result_table.values(points, quantity, item=item).pivot(index="seed", columns="x", values="value")
        for quantity, item in (("accuracy", "fgsm"), ("accuracy", "random signs"), ("reached", ""))
    )
    below = attacked.mean() < HALF
    size, last = below.index[below.to_numpy().argmax() if below.any() else -1], attacked.columns[-1]
    left, most = shaken[size].to_numpy(), reached[last].to_numpy()
    return result_table.numbers(
        [
            result_table.number(
                f"accuracy after FGSM of {size:g} a pixel", attacked[size], f"below {HALF}", below.any()
            ),
            result_table.number(
                f"accuracy after random signs of {size:g}", left, f"at least {UNMOVED}", left.mean() >= UNMOVED
            ),
            result_table.number(
                f"taken for the target, {last:g} a pixel", most, f"at least {REACHED}", most.mean() >= REACHED
            ),
            result_table.number("accuracy on images as they are", attacked[0.0]),
        ]
    )


def fgsm(classifier: Classifier, x: Tensor, labels: Tensor, size: float) -> Tensor:
    """``x + size sign(slope of the loss at x)``, cut to [0, 1]."""
    return (x + size * _slope(classifier, x, labels).sign()).clamp(0, 1)


def targeted(classifier: Classifier, x: Tensor, targets: Tensor, size: float, n_steps: int = TARGETED_STEPS) -> Tensor:
    """Images within ``size`` of x, and in [0, 1], that descend the loss of their targets by steps of ``2 size / n``."""
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


def _shown(own: Classifier, x: Tensor, labels: Tensor, n_classes: int, size: float, signs: Tensor, seed: int) -> list:
    """A few images as they are and changed, and as a number what each is taken for."""
    rows = torch.stack([torch.nonzero(labels == k)[0, 0] for k in range(min(n_classes, N_SHOWN))])
    x, labels = x[rows], labels[rows]
    sets = {
        "as it is": x,
        "random signs": (x + size * signs[rows]).clamp(0, 1),
        "FGSM": fgsm(own, x, labels, size),
        "targeted": targeted(own, x, (labels + 1) % n_classes, size),
    }
    parts = []
    for name, images in sets.items():
        parts += result_table.pictures(name, images * 2 - 1, seeds=[seed])
        taken = _scores(own, images).argmax(1)
        parts += [
            result_table.points("taken for", [int(k)], seeds=[seed], item=f"{name}|{i}") for i, k in enumerate(taken)
        ]
    return parts
