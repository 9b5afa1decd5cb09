"""The scores of a set of images against real ones that translation and generation share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import image_sets
from magan.metrics.classifier_features import MOST, Seen, classes, knows, real, seen
from magan.metrics.tidy import floor_rows, rows


def of_sets(truth: AnnData, mapped: AnnData, seeds: Sequence[int | str], of: Sequence[Seen]) -> list[pd.DataFrame]:
    """Rows of `compared` for every map, against the real images of the split "test"."""
    target = seen(real(truth[:, mapped.var_names], "test")).first(MOST)
    found = [compared(one.first(MOST), target, knows(truth, keys.CELL_TYPE)) for one in of]
    return [
        rows(mapped.uns, seeds, metric, np.array([values[metric] for values in found]), keys.ALL) for metric in found[0]
    ]


def floor_of_sets(truth: AnnData, task: str) -> list[pd.DataFrame]:
    """The same of real images of the split "train", as many as of "test": what perfect images would score."""
    target = seen(real(truth, "test")).first(MOST)
    other = seen(real(truth, "train")).first(len(target.pixels))
    values = compared(other, target, knows(truth, keys.CELL_TYPE))
    return [floor_rows(truth, task, metric, np.array([value]), keys.ALL) for metric, value in values.items()]


def compared(x: Seen, target: Seen, by_class: bool) -> dict[str, float]:
    """Metric -> value: of pixels, of features where a classifier saw both, and ``by_class`` of what it called them."""
    found = {"sliced_wasserstein": image_sets.sliced_wasserstein(x.pixels, target.pixels)}
    if x.features is None or target.features is None:
        return found
    found |= {
        "frechet": image_sets.frechet(x.features, target.features),
        "kid": image_sets.kid(x.features, target.features),
    }
    found |= image_sets.neighbourhoods(x.features, target.features)
    if by_class:
        made, shares = image_sets.class_shares(x.probabilities), image_sets.class_shares(target.probabilities)
        found["entropy_score"] = image_sets.entropy_score(x.probabilities)
        found |= {
            "modes": image_sets.modes(made, shares),
            "class_divergence": image_sets.class_divergence(made, shares),
        }
    return found


def of_classes(truth: AnnData, mapped: AnnData, seeds: Sequence[int | str], of: Sequence[Seen]) -> list[pd.DataFrame]:
    """``class_share`` of every class that real images have: made over real, 1 at best; the class is the group."""
    shares = image_sets.class_shares(seen(real(truth, "test")).probabilities)
    made = np.stack([image_sets.class_shares(one.probabilities) for one in of])
    return [
        rows(mapped.uns, seeds, "class_share", made[:, k] / share, name)
        for k, (name, share) in enumerate(zip(classes(truth), shares))
        if share > 0
    ]
