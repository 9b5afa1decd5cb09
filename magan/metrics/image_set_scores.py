"""Scores of a set of images against real images, shared by the tasks translation and generation."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import image_sets
from magan.metrics.classifier_features import MOST, Seen, classes, knows, real, seen
from magan.metrics.tidy import floor_rows, rows


def of_sets(truth: AnnData, mapped: AnnData, seeds: Sequence[int | str], of: Sequence[Seen]) -> list[pd.DataFrame]:
    """Return rows of `compared` for every map, against the real images of the split "test"."""
    target = seen(real(truth[:, mapped.var_names], "test")).first(MOST)
    found = [compared(images.first(MOST), target, knows(truth, keys.CELL_TYPE)) for images in of]
    return [
        rows(mapped.uns, seeds, metric, np.array([values[metric] for values in found]), keys.ALL) for metric in found[0]
    ]


def floor_of_sets(truth: AnnData, task: str) -> list[pd.DataFrame]:
    """Return the same rows for real images of the split "train", as many as in "test": the scores of perfect images."""
    target = seen(real(truth, "test")).first(MOST)
    training = seen(real(truth, "train")).first(len(target.pixels))
    values = compared(training, target, knows(truth, keys.CELL_TYPE))
    return [floor_rows(truth, task, metric, np.array([value]), keys.ALL) for metric, value in values.items()]


def compared(x: Seen, target: Seen, by_class: bool) -> dict[str, float]:
    """Return metric -> value: on pixels; on features if both sides have them; on predicted classes if ``by_class``."""
    found = {"sliced_wasserstein": image_sets.sliced_wasserstein(x.pixels, target.pixels)}
    if x.features is None or target.features is None:
        return found
    found |= {
        "frechet": image_sets.frechet(x.features, target.features),
        "kid": image_sets.kid(x.features, target.features),
    }
    found |= image_sets.neighbourhoods(x.features, target.features)
    if by_class:
        generated, real = cast(np.ndarray, x.probabilities), cast(np.ndarray, target.probabilities)
        of_generated, shares = image_sets.class_shares(generated), image_sets.class_shares(real)
        found["entropy_score"] = image_sets.entropy_score(generated)
        found |= {
            "modes": image_sets.modes(of_generated, shares),
            "class_divergence": image_sets.class_divergence(of_generated, shares),
        }
    return found


def of_classes(truth: AnnData, mapped: AnnData, seeds: Sequence[int | str], of: Sequence[Seen]) -> list[pd.DataFrame]:
    """Return ``class_share`` of every class of real images: generated / real share, best at 1; group is the class."""
    shares, *generated = (
        image_sets.class_shares(cast(np.ndarray, images.probabilities)) for images in (seen(real(truth, "test")), *of)
    )
    generated = np.stack(generated)
    return [
        rows(mapped.uns, seeds, "class_share", generated[:, k] / share, name)
        for k, (name, share) in enumerate(zip(classes(truth), shares))
        if share > 0
    ]
