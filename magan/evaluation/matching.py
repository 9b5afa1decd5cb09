"""Whether a mapped digit is still the same digit.

Images are rows of pixels in [0, 1]: ``mapped`` is ``(R, n, P)``, ``images``
``(m, P)``. The judge is trained once on real target images and never on a map.
Every score is nan for a replicate that holds a nan, and where there is no image.
"""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from magan.evaluation.alignment import shuffled

EXAMPLES = 4000  # real images that a judge learns from
RIGHT, FLIPPED = 0.9, 0.1


def classifier(images: np.ndarray, labels: np.ndarray) -> SVC:
    """A support vector machine (radial kernel, C = 10) on pixels; deterministic.

    It learns from the first 4,000 images of a fixed permutation.
    """
    rows = shuffled(len(images))[:EXAMPLES]
    return SVC(C=10.0, kernel="rbf", gamma="scale").fit(images[rows], np.asarray(labels)[rows].astype(str))


def nearest(images: np.ndarray, labels: np.ndarray) -> KNeighborsClassifier:
    """The judge that names an image as its nearest real one, by Euclidean distance over pixels."""
    return KNeighborsClassifier(1).fit(images, np.asarray(labels).astype(str))


def agreement(judge: SVC | KNeighborsClassifier, mapped: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 where the judge gives an image its own label, else 0, ``(R, n)``; nan throughout a replicate with a nan."""
    labels = np.asarray(labels).astype(str)
    hits = np.full(mapped.shape[:2], np.nan)
    for r, x in enumerate(mapped):
        if len(x) and np.isfinite(x).all():
            hits[r] = judge.predict(x) == labels
    return hits


def identity_accuracy(judge: SVC, mapped: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of mapped images that the judge gives their own label, ``(R,)`` in [0, 1]; higher is better."""
    return _share(agreement(judge, mapped, labels))


def nearest_accuracy(
    mapped: np.ndarray, labels: np.ndarray, images: np.ndarray, image_labels: np.ndarray
) -> np.ndarray:
    """Share of mapped images whose nearest real target image has their label, ``(R,)`` in [0, 1]; higher is better."""
    return _share(agreement(nearest(images, image_labels), mapped, labels))


def _share(hits: np.ndarray) -> np.ndarray:
    return hits.mean(axis=1) if hits.shape[1] else np.full(len(hits), np.nan)


def pixel_rmse(truth: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Root of the mean squared error over all pixels, ``(n, P), (R, n, P) -> (R,)``, at least 0; lower is better."""
    if not len(truth):
        return np.full(len(mapped), np.nan)
    return np.sqrt(((mapped - truth.astype(np.float64)) ** 2).mean(axis=(1, 2)))


def outcome(accuracy: np.ndarray) -> np.ndarray:
    """What became of each replicate, ``(R,) -> (R,)`` words.

    "right" above 0.9, "flipped" below 0.1, "mixed" between, "" where the accuracy
    is nan. Flipped is a swap of the two digits only where there are two.
    """
    accuracy = np.asarray(accuracy, dtype=np.float64)
    return np.select([accuracy > RIGHT, accuracy < FLIPPED, np.isfinite(accuracy)], OUTCOMES, default="")


OUTCOMES = ("right", "flipped", "mixed")
