"""Read images with the features and class probabilities that a frozen classifier gave them; shared by image tasks.

A classifier writes ``obsm["features_<layer>"]`` and ``obsm["probabilities_<layer>"]`` (`magan.classifier.annotate`).
Without a classifier, tables have no scores on features.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.metrics.batch_distance import shuffled

MOST = 2000  # images of each side in comparisons of sets


class Seen(NamedTuple):
    """Images, a row each: pixels ``(n, P)``, features ``(n, F)`` and class probabilities ``(n, K)``."""

    pixels: np.ndarray
    features: np.ndarray | None
    probabilities: np.ndarray | None

    def first(self, most: int) -> "Seen":
        """Return at most ``most`` images, by a permutation that depends only on the number of images."""
        rows = shuffled(len(self.pixels))[:most]
        return self.at(rows)

    def at(self, rows: np.ndarray) -> "Seen":
        """Return the images of ``rows``, indices or booleans."""
        features, probabilities = (part if part is None else part[rows] for part in self[1:])
        return Seen(self.pixels[rows], features, probabilities)

    def embedded(self) -> np.ndarray:
        """Return the features of images that a classifier saw."""
        return cast(np.ndarray, self.features)


def seen(adata: AnnData, layer: str = "") -> Seen:
    """Read the images of a layer, or of ``X``."""
    end = f"_{layer}" if layer else ""
    values = adata.layers[layer] if layer else adata.X
    found = [adata.obsm.get(f"{what}{end}") for what in (keys.FEATURES, keys.PROBABILITIES)]
    return Seen(np.asarray(values), *(part if part is None else np.asarray(part) for part in found))


def mapped_as(mapped: AnnData, seeds: Sequence[int | str]) -> list[Seen]:
    """Read the images of each map of `magan.metrics.tidy.maps`."""
    names: dict[int | str, str] = {"": keys.BASELINE, keys.CONSENSUS: keys.CONSENSUS}
    return [seen(mapped, names.get(seed, f"{keys.SEED}_{seed}")) for seed in seeds]


def real(truth: AnnData, split: str) -> AnnData:
    """Select the real images of the target domain, split "train" or "test"."""
    inside = (truth.obs[keys.DOMAIN].astype(str) == "2") & (truth.obs[keys.SPLIT].astype(str) == split)
    return truth[inside.to_numpy()]


def classes(truth: AnnData) -> list[str]:
    """Return the classes of the classifier, in the order of its probabilities; [] without a classifier."""
    return [str(name) for name in truth.uns.get(keys.CLASSIFIER, {}).get("classes", [])]


def knows(truth: AnnData, column: str) -> bool:
    """Return whether the classifier predicts the classes of this obs column."""
    return bool(classes(truth)) and str(truth.uns[keys.CLASSIFIER]["of"]) == column


def named(truth: AnnData, of: Seen) -> np.ndarray:
    """Return the class that the classifier gives each image, ``(n,)``; "" for an image with a nan.

    Raises
    ------
    InputError
        The images have no class probabilities.
    """
    if of.probabilities is None:
        raise InputError("no classifier has seen the images; give one to magan.classifier.annotate first")
    words = np.array([*classes(truth), ""], dtype=object)
    known = np.isfinite(of.probabilities).all(axis=1)
    return words[np.where(known, np.nan_to_num(of.probabilities).argmax(axis=1), len(words) - 1)].astype(str)


def labels(adata: AnnData) -> np.ndarray:
    """Return the known class of each image, ``(n,)`` strings."""
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)


def each(score: Callable[[Seen], float], of: Sequence[Seen]) -> np.ndarray:
    """Compute a score of every map, ``(R,)``."""
    return np.array([score(images) for images in of], dtype=np.float64)
