"""InfoGAN's codes: whether codes acquire a meaning without labels."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from magan import classifier
from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.lectures.images import chosen, classes, floats, pixels
from magan.models import GENERATING
from magan.networks.standing_statistics import standing
from magan.option_types import Count, Rate, SampleArchitectureName, Weight, Width
from magan.recipe import Batch, Networks, Recipe, Sampler
from magan.training.fit import Optimisation, fit

INFORMED, PLAIN = "InfoGAN", "plain GAN"
NAMED = 0.8  # least share of samples with the class of their category, for the best seed
N_SHOWN = 8  # samples per category
Draw = Callable[[Batch], Tensor]  # (1, n, ...) -> (n, C, H, W)


def infogan_codes(
    seeds: Sequence[int],
    images: AnnData,
    *,
    n_train: Count = 10_000,
    n_test: Count = 1000,
    steps: Count = 3000,
    batch_size: Count = 64,
    learning_rate: Rate = 1e-3,
    continuous_weight: Weight = 0.1,
    width: Width = 16,
    architecture: SampleArchitectureName = "auto",
) -> pd.DataFrame:
    """Train InfoGAN, and the same networks and inputs without its information terms (a plain GAN).

    Every category has equally many samples. Categories are matched with classes, one to one, so that most samples
    agree. A classifier of real images determines the class of a sample.

    Quantities of each seed: "named", the share of samples that show the class of their category; "read", the share of
    real test images whose class is that of the category that Q reads (InfoGAN only); "change", the mean change of a
    pixel when the first continuous code goes from -1 to 1. "image" shows, for the seed with the highest "named", a row
    of samples per category and a sweep of each continuous code.
    """
    training, test = chosen(images, n_train), chosen(images, n_test, "test")
    x, tested, (names, labels) = pixels(training), pixels(test), classes(test)
    class_model, table = classifier.fit(floats(training)), Table({"x": x}, (torch.arange(len(x)),) * len(seeds))
    parts = []
    for arm, weight in ((INFORMED, 1.0), (PLAIN, 0.0)):
        recipe = GENERATING["infogan"](
            {"x": tuple(x.shape[1:])},
            n_categories=len(names),
            categorical_weight=weight,
            continuous_weight=weight * continuous_weight,
            architecture=architecture,
            width=width,
        )
        draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
        networks = fit(recipe, draws, seeds=seeds, steps=steps, optimisation=Optimisation(learning_rate=learning_rate))
        fresh = next(batches([table], recipe.noise, batch_size=n_test, seeds=[seed + 10**6 for seed in seeds]))
        category = torch.arange(n_test) % len(names)
        named, changed, samplers = [], [], []
        for i in range(len(seeds)):
            requested = {name: noise[i : i + 1] for name, noise in fresh.items()} | {"label": category[None]}
            draw = partial(_samples, recipe, standing(networks, i, recipe.sample, requested))
            named.append(matched(category.numpy(), _predicted(class_model, draw(requested)), len(names)))
            changed.append(_change(draw, requested))
            samplers.append((draw, requested))
        parts.append(result_table.points("named", named, seeds=seeds, arm=arm))
        parts.append(result_table.points("change", changed, seeds=seeds, arm=arm))
        if arm == INFORMED:
            read = [
                matched(categories, labels.numpy(), len(names)) for categories in _read(networks, tested, len(names))
            ]
            parts.append(result_table.points("read", read, seeds=seeds, arm=arm))
        best = int(np.argmax(named))
        sampler, asked = samplers[best]
        parts += _shown(sampler, asked, len(names), seeds[best], arm)
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: the best seed's categories name .8 of the samples; InfoGAN's name more than a plain GAN's."""
    (named, plain), (moved, still) = (
        [result_table.by_seed(points, quantity, arm) for arm in (INFORMED, PLAIN)] for quantity in ("named", "change")
    )
    best, more = np.array([named.max()]), "more than a plain GAN"
    return result_table.numbers(
        [
            result_table.number(
                "named by its category, best seed", best, f"at least {NAMED}", best[0] >= NAMED, INFORMED
            ),
            result_table.number("named by its category", named, more, named.mean() > plain.mean(), INFORMED),
            result_table.number("named by its category", plain, arm=PLAIN),
            result_table.number(
                "real images named by the category read", result_table.by_seed(points, "read", INFORMED), arm=INFORMED
            ),
            result_table.number("change by a continuous code", moved, more, moved.mean() > still.mean(), INFORMED),
            result_table.number("change by a continuous code", still, arm=PLAIN),
        ]
    )


def matched(category: np.ndarray, label: np.ndarray, n: int) -> float:
    """Return the share of rows whose label matches their category, for the best matching of n categories and labels."""
    counts = np.zeros((n, n))
    np.add.at(counts, (category, label), 1)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(category))


@torch.no_grad()
def _samples(recipe: Recipe, networks: Networks, batch: Batch) -> Tensor:
    """Return samples ``(n, C, H, W)`` in [-1, 1] of one seed."""
    return cast(Sampler, recipe.sample)(networks, batch)[0]


def _predicted(class_model: classifier.Classifier, samples: Tensor) -> np.ndarray:
    return classifier.predict(class_model, ((samples + 1) / 2).flatten(1).numpy())[1].argmax(1)


def _change(draw: Draw, requested: Batch) -> float:
    """Return the mean change of a pixel when only the first continuous code goes from -1 to 1."""
    ends = []
    for value in (-1.0, 1.0):
        codes = requested["continuous"].clone()
        codes[..., 0] = value
        ends.append(draw({**requested, "continuous": codes}))
    return ((ends[1] - ends[0]).abs() / 2).mean().item()


@torch.no_grad()
def _read(networks, tested: Tensor, n: int) -> np.ndarray:
    """Return the category that Q reads from every real image, ``(S, n_test)``."""
    n_seeds = len(next(iter(networks["reader"].weights().values())))
    _, hidden = networks["discriminator"](tested.expand(n_seeds, *tested.shape))
    return networks["reader"](hidden[-1])[..., :n].argmax(-1).numpy()


def _shown(draw: Draw, requested: Batch, n: int, seed: int, arm: str) -> list[pd.DataFrame]:
    """Return samples of each category, with the same noise in all rows, and sweeps of the codes on the first sample."""
    few, parts = {name: x[:, :N_SHOWN] for name, x in requested.items()}, []
    for k in range(n):
        samples = draw({**few, "label": torch.full((1, N_SHOWN), k)})
        parts += result_table.pictures(f"category {k}", samples, arm=arm, seeds=[seed])
    first = {name: x[:, :1].expand(-1, N_SHOWN, *x.shape[2:]) for name, x in few.items()}
    for code in range(few["continuous"].shape[-1]):
        codes = first["continuous"].clone()
        codes[..., code] = torch.linspace(-1, 1, N_SHOWN)
        parts += result_table.pictures(f"code {code + 1}", draw({**first, "continuous": codes}), arm=arm, seeds=[seed])
    return parts
