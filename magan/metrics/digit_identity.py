"""Score whether a mapped digit is still the same digit.

Images are rows of pixels in [0, 1]: ``mapped`` is ``(R, n, P)``, ``images`` is ``(m, P)``. Two methods predict a mapped
image's class, ``named`` ``(R, n)``: a frozen classifier, and the nearest real image. Both learn only from real target
images, never from a map. Every score is nan for a replicate that contains a nan, and without images.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.neighbors import KNeighborsClassifier

from magan import keys

RIGHT = 0.9  # least share of images for the outcomes "right" and "flipped"


def nearest(images: np.ndarray, labels: np.ndarray) -> KNeighborsClassifier:
    """Fit a classifier by the nearest real image, by Euclidean distance over pixels."""
    return KNeighborsClassifier(1).fit(images, np.asarray(labels).astype(str))


def nearest_named(model: KNeighborsClassifier, mapped: np.ndarray) -> np.ndarray:
    """Return the class of the nearest real image, ``(R, n)`` strings; "" for all images of a replicate with a nan."""
    whole = [len(x) > 0 and bool(np.isfinite(x).all()) for x in mapped]
    words = [model.predict(x) if ok else np.full(len(x), "") for x, ok in zip(mapped, whole)]
    return np.array(words, dtype=object).reshape(mapped.shape[:2])


def agreement(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return 1 where the predicted class is correct, else 0, ``(R, n)``; nan throughout a replicate with a ""."""
    hits = (named == np.asarray(labels).astype(str)).astype(np.float64)
    hits[(named == "").any(axis=1)] = np.nan
    return hits


def identity_accuracy(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of images with a correct class, ``(R,)`` in [0, 1]; higher is better."""
    hits = agreement(named, labels)
    return hits.mean(axis=1) if hits.shape[1] else np.full(len(hits), np.nan)


def permuted_accuracy(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the largest `identity_accuracy` over all one-to-one renamings of the labels, ``(R,)``; higher is better.

    A map that swaps whole classes scores 1. A model without correspondence cannot do better than this: it can preserve
    classes but cannot know their names. The Hungarian algorithm finds the renaming.
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
    """Return the root mean squared error over pixels, ``(n, P), (R, n, P) -> (R,)``, at least 0; lower is better."""
    if not len(truth):
        return np.full(len(mapped), np.nan)
    return np.sqrt(((mapped - truth.astype(np.float64)) ** 2).mean(axis=(1, 2)))


def outcome(accuracy: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Return the outcome of each replicate, ``(R,), (R,) -> (R,)`` strings.

    "right": more than 0.9 of the images preserve their digit. "flipped": more than 0.9 do so after a renaming of the
    digits (with two digits, fewer than 0.1 preserve theirs). "mixed": neither. "": the accuracy is nan.
    """
    accuracy, permuted = (np.asarray(share, dtype=np.float64) for share in (accuracy, permuted))
    return np.select([accuracy > RIGHT, permuted > RIGHT, np.isfinite(accuracy)], keys.OUTCOMES, default="")
