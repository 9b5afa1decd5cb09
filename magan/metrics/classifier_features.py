"""Maps, real images, and what the frozen classifier saw of them: the way in that the tasks on images share.

A classifier leaves ``obsm["features_<layer>"]`` and ``obsm["probabilities_<layer>"]``
(`magan.classifier.look`). Where there is none, every score of features is left out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.metrics.batch_distance import shuffled

MOST = 2000  # images of either side that are compared as sets


class Seen(NamedTuple):
    """Of images in their rows: pixels ``(n, P)``, features ``(n, F)`` and probabilities of classes ``(n, K)``."""

    pixels: np.ndarray
    features: np.ndarray | None
    probabilities: np.ndarray | None

    def first(self, most: int) -> "Seen":
        """At most so many of them, by a permutation that depends on their number alone."""
        rows = shuffled(len(self.pixels))[:most]
        return Seen(*(part if part is None else part[rows] for part in self))


def seen(adata: AnnData, layer: str = "") -> Seen:
    """Of a layer, or of ``X``."""
    end = f"_{layer}" if layer else ""
    values = adata.layers[layer] if layer else adata.X
    found = [adata.obsm.get(f"{what}{end}") for what in (keys.FEATURES, keys.PROBABILITIES)]
    return Seen(np.asarray(values), *(part if part is None else np.asarray(part) for part in found))


def mapped_as(mapped: AnnData, seeds: Sequence[int | str]) -> list[Seen]:
    """Of each map that `magan.metrics.tidy.maps` gives."""
    names = {"": keys.BASELINE, keys.CONSENSUS: keys.CONSENSUS}
    return [seen(mapped, names.get(seed, f"{keys.SEED}_{seed}")) for seed in seeds]


def real(truth: AnnData, split: str) -> AnnData:
    """The real images of the target domain, "train" or "test"."""
    inside = (truth.obs[keys.DOMAIN].astype(str) == "2") & (truth.obs[keys.SPLIT].astype(str) == split)
    return truth[inside.to_numpy()]


def classes(truth: AnnData) -> list[str]:
    """Those the classifier knows, in the order of its probabilities; [] without a classifier."""
    return [str(name) for name in truth.uns.get(keys.CLASSIFIER, {}).get("classes", [])]


def knows(truth: AnnData, column: str) -> bool:
    """Whether the classifier tells the classes of this obs column."""
    return bool(classes(truth)) and str(truth.uns[keys.CLASSIFIER]["of"]) == column


def named(truth: AnnData, of: Seen) -> np.ndarray:
    """The class that the classifier gives each image, ``(n,)``; "" for one with a nan.

    Raises
    ------
    InputError
        There is no classifier.
    """
    if of.probabilities is None:
        raise InputError("no classifier has seen the images; give one to magan.classifier.look first")
    words = np.array([*classes(truth), ""], dtype=object)
    known = np.isfinite(of.probabilities).all(axis=1)
    return words[np.where(known, np.nan_to_num(of.probabilities).argmax(axis=1), len(words) - 1)].astype(str)


def labels(adata: AnnData) -> np.ndarray:
    """The classes that are told, ``(n,)`` words."""
    return adata.obs[keys.CELL_TYPE].astype(str).to_numpy().astype(str)


def each(score: Callable[[Seen], float], of: Sequence[Seen]) -> np.ndarray:
    """One score of every map, ``(R,)``."""
    return np.array([score(one) for one in of], dtype=np.float64)
