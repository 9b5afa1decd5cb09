"""Baselines that learn from a few known pairs, for domains without shared markers and for images.

Features are centred and divided by a single standard deviation per domain, so the relative weights of reduced features
do not change. Features of images are their pixels in [0, 1].
"""

import numpy as np
from anndata import AnnData
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeCV

from magan import keys
from magan.errors import InputError
from magan.images.arrays import pixels

NUMBERS = (1, 2, 3, 5, 8)  # choices for the number of nearest pairs in `pair_knn`
PENALTIES = np.logspace(-3, 3, 13)
NEIGHBOURS = 10  # target cells averaged by `pair_landmarks`


def pair_ridge(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map by ridge regression on the known pairs, with a leave-one-out choice of the penalty, ``(n, M2)`` float32.

    Raises `InputError` if no pair is known.
    """
    first, second, values, target = _standardised("pair_ridge", x1, x2, query)
    rows_1, rows_2 = known_pairs("pair_ridge", x1, x2)
    return _in_units(RidgeCV(PENALTIES).fit(first[rows_1], second[rows_2]).predict(values), target)


def pair_ridge_shuffled(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map by `pair_ridge` trained on shifted (wrong) pairs, a control that must do worse; ``(n, M2)`` float32."""
    first, second, values, target = _standardised("pair_ridge_shuffled", x1, x2, query)
    rows_1, rows_2 = known_pairs("pair_ridge_shuffled", x1, x2)
    return _in_units(RidgeCV(PENALTIES).fit(first[rows_1], second[np.roll(rows_2, 1)]).predict(values), target)


def pair_knn(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map to the mean of the nearest known pairs, ``(n, M2)`` float32.

    The number of pairs, out of 1, 2, 3, 5 and 8, has the smallest leave-one-out squared error. Raises `InputError` if
    no pair is known.
    """
    first, second, values, target = _standardised("pair_knn", x1, x2, query)
    rows_1, rows_2 = known_pairs("pair_knn", x1, x2)
    features, targets = first[rows_1], second[rows_2]
    between = cdist(features, features)
    np.fill_diagonal(between, np.inf)
    possible = [k for k in NUMBERS if k < len(rows_1)] or [1]
    errors = [((_nearest_mean(between, targets, k) - targets) ** 2).mean() for k in possible]
    return _in_units(_nearest_mean(cdist(values, features), targets, possible[int(np.argmin(errors))]), target)


def pair_landmarks(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map to the mean of the 10 cells of domain 2 with the most similar distances to the known pairs.

    The result is ``(n, M2)`` float32. Features of a cell are its distances to the known cells of its domain,
    standardised over the known cells; both domains have these features. Raises `InputError` if fewer than three pairs
    are known.
    """
    first, second, values, target = _standardised("pair_landmarks", x1, x2, query)
    rows_1, rows_2 = known_pairs("pair_landmarks", x1, x2)
    if len(rows_1) < 3:
        raise InputError(f"baseline 'pair_landmarks' needs 3 known pairs, not {len(rows_1)}; raise n_pairs")
    of_query, of_target = _profile(cdist(values, first[rows_1])), _profile(cdist(second, second[rows_2]))
    return _in_units(_nearest_mean(cdist(of_query, of_target), second, min(NEIGHBOURS, len(second))), target)


def known_pairs(name: str, x1: AnnData, x2: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of both domains that are known pairs, ``(K,), (K,)``; raise `InputError` if there are none."""
    first, second = ([] if keys.PAIR not in x.obs else list(x.obs[keys.PAIR].astype(str)) for x in (x1, x2))
    at = {word: i for i, word in enumerate(second) if word.lower() not in keys.UNLABELLED}
    known = [(i, at[word]) for i, word in enumerate(first) if word in at]
    if not known:
        raise InputError(f"baseline '{name}' needs known pairs; give rows of both domains the same word in obs['pair']")
    rows_1, rows_2 = np.array(known).T
    return rows_1, rows_2


def _standardised(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> tuple[np.ndarray, ...]:
    """Return both domains and the query in standard units, and the units of domain 2: mean, sd, least, most."""
    missing = [marker for marker in x1.var_names if marker not in query.var_names]
    if missing:
        raise InputError(f"baseline '{name}': the query lacks marker '{missing[0]}'; give the markers of domain 1")
    first, second, values = (_values(x) for x in (x1, x2, query[:, x1.var_names]))
    mean_1, mean_2 = first.mean(axis=0), second.mean(axis=0)
    sd_1, sd_2 = (np.sqrt(x.var(axis=0).mean()) for x in (first, second))
    ends = (0.0, 1.0) if keys.IMAGE in x2.uns else (-np.inf, np.inf)
    units = np.stack([mean_2, *(np.full(len(mean_2), value) for value in (sd_2, *ends))])
    return (first - mean_1) / sd_1, (second - mean_2) / sd_2, (values - mean_1) / sd_1, units


def _in_units(mapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    mean, sd, least, most = target
    return (mapped * sd + mean).clip(least, most).astype(np.float32)


def _values(x: AnnData) -> np.ndarray:
    return (pixels(x) if keys.IMAGE in x.uns else np.asarray(x.layers[keys.PREPROCESSED])).astype(np.float64)


def _nearest_mean(distance: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """Return the mean target of the k nearest, ``(n, K), (K, M) -> (n, M)``; in a tie the first row is nearest."""
    return targets[np.argsort(distance, axis=1, kind="stable")[:, :k]].mean(axis=1)


def _profile(distance: np.ndarray) -> np.ndarray:
    """Standardise distances ``(n, K)`` over the K landmarks."""
    centred = distance - distance.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12)
