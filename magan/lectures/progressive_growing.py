"""Progressive growing: whether networks that grow learn faster than networks of full size."""

import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from magan import classifier
from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.lectures.images import chosen, floats, pixels
from magan.metrics.image_sets import frechet
from magan.models import GENERATING
from magan.option_types import Count, Share, Width
from magan.recipe import Recipe, Sampler
from magan.training.fit import Watch, fit

GROWING, WHOLE = "growing", "full size"
MOMENTS = 10  # number of times that samples are scored
N_SHOWN = 10


def progressive_growing(
    seeds: Sequence[int],
    images: AnnData,
    *,
    n_train: Count = 10_000,
    n_judged: Count = 500,
    steps: Count = 2000,
    grown_at: Share = 0.6,
    batch_size: Count = 32,
    width: Width = 8,
    n_noise: Count = 64,
) -> pd.DataFrame:
    """Train the networks of Karras et al. 2018 level by level, and the same networks at full size from the start.

    Growth ends at the share ``grown_at`` of the steps. Each level is blended in during half of its time. Samples of a
    growing network are enlarged to the images' size.

    Quantities of each seed, for the arms "growing" and "full size" over the steps: "frechet", the Frechet distance
    between samples and real test images on a classifier's features, and "seconds", the training time of all seeds.
    "image" shows the first seed's last samples.
    """
    training, test = chosen(images, n_train), chosen(images, n_judged, "test")
    x = pixels(training)
    class_model = classifier.fit(floats(training))
    real = classifier.predict(class_model, floats(test).X)[0]

    def distance(samples: Tensor) -> float:
        return frechet(classifier.predict(class_model, ((samples + 1) / 2).flatten(1).numpy())[0], real)

    parts = []
    for arm, options in _growth(x.shape[-1], steps, grown_at).items():
        recipe = GENERATING["progressive"]({"x": tuple(x.shape[1:])}, width=width, n_noise=n_noise, **options)
        parts += _trained(recipe, x, distance, seeds, steps, batch_size, n_judged, arm)
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: growing networks reach at most the distance of full-size networks, in less time."""
    rows, ends, seconds = [], {}, {}
    for arm in (GROWING, WHOLE):
        curve, clock = result_table.values(points, "frechet", arm), result_table.values(points, "seconds", arm)
        ends[arm] = curve[curve["x"] == curve["x"].max()].sort_values("seed")["value"].to_numpy()
        seconds[arm] = clock["value"].max()
    ratio = ends[GROWING] / ends[WHOLE]
    rows.append(
        result_table.number("Frechet distance at the end, growing / full size", ratio, "at most 1", ratio.mean() <= 1)
    )
    share = seconds[GROWING] / seconds[WHOLE]
    rows.append(result_table.number("time, growing / full size", np.array([share]), "less than 1", share < 1))
    rows += [result_table.number("Frechet distance at the end", ends[arm], arm=arm) for arm in (GROWING, WHOLE)]
    return result_table.numbers(rows)


def _trained(
    recipe: Recipe,
    x: Tensor,
    distance: Callable[[Tensor], float],
    seeds: Sequence[int],
    steps: int,
    batch_size: int,
    n_judged: int,
    arm: str,
) -> list[pd.DataFrame]:
    """Train an arm and return its points."""
    table = Table({"x": x}, (torch.arange(len(x)),) * len(seeds))
    fresh = next(batches([table], recipe.noise, batch_size=n_judged, seeds=[seed + 10**6 for seed in seeds]))
    scores, seconds, last = {}, {}, []
    start, spent = time.monotonic(), 0.0

    def look(step, networks):
        nonlocal spent, start
        spent += time.monotonic() - start  # exclude the time of scoring
        with torch.no_grad():
            samples = cast(Sampler, recipe.sample)(networks, fresh)
        scores[step + 1], seconds[step + 1] = [distance(of_seed) for of_seed in samples], spent
        last[:] = [samples[0, :N_SHOWN]]
        start = time.monotonic()
        return {}

    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
    fit(recipe, draws, seeds=seeds, steps=steps, watch=Watch(look=look, every=max(1, steps // MOMENTS)))
    at = list(scores)
    return [
        result_table.points("frechet", np.array(list(scores.values())).T, seeds=seeds, x=at, arm=arm),
        result_table.points("seconds", list(seconds.values()), x=at, arm=arm),
        *result_table.pictures(arm, last[0], arm=arm, seeds=seeds[:1]),
    ]


def _growth(side: int, steps: int, grown_at: float) -> dict[str, dict[str, int]]:
    """Return the options of both arms: steps per level and steps of blending; "full size" is reached at once."""
    n_growths = max(int(np.ceil(np.log2(side))) - 2, 1)
    half = max(1, round(grown_at * steps / n_growths / 2))
    return {
        GROWING: {"stable_steps": half, "fade_steps": half},
        WHOLE: {"stable_steps": 1, "fade_steps": 0},
    }
