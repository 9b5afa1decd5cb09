"""Whether a mapped digit is still the same digit.

Images are rows of pixels in [0, 1]: ``mapped`` is ``(R, n, P)``, ``images``
``(m, P)``. Judges know real target images and never a map: a frozen classifier,
whose words ``named`` ``(R, n)`` are, and the nearest real image. Every score is nan
for a replicate that holds a nan, and where there is no image.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.neighbors import KNeighborsClassifier

RIGHT = 0.9


def nearest(images: np.ndarray, labels: np.ndarray) -> KNeighborsClassifier:
    """The judge that names an image as its nearest real one, by Euclidean distance over pixels."""
    return KNeighborsClassifier(1).fit(images, np.asarray(labels).astype(str))


def nearest_named(judge: KNeighborsClassifier, mapped: np.ndarray) -> np.ndarray:
    """What the nearest real image is, ``(R, n)`` words; "" throughout a replicate with a nan."""
    whole = [len(x) > 0 and bool(np.isfinite(x).all()) for x in mapped]
    words = [judge.predict(x) if ok else np.full(len(x), "") for x, ok in zip(mapped, whole)]
    return np.array(words, dtype=object).reshape(mapped.shape[:2])


def agreement(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where an image is given its own label, else 0, ``(R, n)``; nan throughout a replicate that holds a ""."""
    hits = (named == np.asarray(labels).astype(str)).astype(np.float64)
    hits[(named == "").any(axis=1)] = np.nan
    return hits


def identity_accuracy(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of images that are given their own label, ``(R,)`` in [0, 1]; higher is better."""
    hits = agreement(named, labels)
    return hits.mean(axis=1) if hits.shape[1] else np.full(len(hits), np.nan)


def permuted_accuracy(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The largest `identity_accuracy` of any renaming of the labels, one to one, ``(R,)``; higher is better.

    A map that swaps digits as wholes has 1: it keeps what belongs together, which is
    all that a model without correspondence can be asked for. The Hungarian algorithm
    finds the renaming.
    """
    labels = np.asarray(labels).astype(str)
    names = np.unique(np.concatenate([labels, named.ravel().astype(str)]))
    scores = np.full(len(named), np.nan)
    for r, words in enumerate(named):
        if len(words) and not (words == "").any():
            counts = np.zeros((len(names),) * 2)
            np.add.at(counts, (np.searchsorted(names, labels), np.searchsorted(names, words.astype(str))), 1)
            scores[r] = counts[linear_sum_assignment(counts, maximize=True)].sum() / len(words)
    return scores


def pixel_rmse(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Root of the mean squared error over all pixels, ``(n, P), (R, n, P) -> (R,)``, at least 0; lower is better."""
    if not len(truth):
        return np.full(len(mapped), np.nan)
    return np.sqrt(((mapped - truth.astype(np.float64)) ** 2).mean(axis=(1, 2)))


def outcome(accuracy: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """What became of each replicate, ``(R,), (R,) -> (R,)`` words.

    "right" where more than 0.9 of the images keep their digit, "flipped" where more
    than 0.9 do after a renaming of the digits (with two, fewer than 0.1 keep theirs),
    "mixed" otherwise, "" where the accuracy is nan.
    """
    accuracy, permuted = (np.asarray(share, dtype=np.float64) for share in (accuracy, permuted))
    return np.select([accuracy > RIGHT, permuted > RIGHT, np.isfinite(accuracy)], OUTCOMES, default="")


OUTCOMES = ("right", "flipped", "mixed")
