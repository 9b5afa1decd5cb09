"""Hide each shared marker of two panels in turn: what predictions of it are worth, where the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magan.batch_maps import MAPS
from magan.metrics.markers import pearson
from magan.regressors import EXTRA_TREES, Fit, standardised

MATCHINGS = ("identity", "zscore", "quantile")  # keys of `magan.batch_maps.MAPS`; the first of equally good ones wins
LEARNT, ASKED = 1500, 1000  # cells of the target that teach, and cells of either panel that are predicted
SCALES = {"identity": "pooled", "zscore": "each"}  # matching -> the scale of networks that leaves it to the identity


@dataclass(frozen=True)
class Hidden:
    """Predictions of K shared markers, each learned in the target from the remaining ones, in arcsinh units."""

    truth: np.ndarray  # (n, K) measured in cells of the source
    predicted: np.ndarray  # (P, Q, n, K) by P regressors and Q matchings of the source
    target_truth: np.ndarray  # (c, K) measured in cells of the target that no regressor learned from
    target_predicted: np.ndarray  # (P, c, K)

    def skill(self) -> np.ndarray:
        """Mean Pearson's r over the markers in the source, ``(P, Q)``; it does not depend on units."""
        return np.array([[mean_r(self.truth, values) for values in row] for row in self.predicted])


def mean_r(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean Pearson's r over markers, ``(n, T), (n, T)``; a marker where it is undefined counts as 0."""
    return float(np.nan_to_num(pearson(truth, predicted[None])[0]).mean())


def some(n: int, most: int) -> np.ndarray:
    """Rows of at most ``most`` of n cells, drawn with a fixed seed, in random order."""
    return np.random.default_rng(0).permutation(n)[:most]


def hidden(fits: Sequence[Fit], source: np.ndarray, target: np.ndarray, matchings: Sequence[str] = MATCHINGS) -> Hidden:
    """Predict every shared marker of cells of the source, and of cells of the target.

    Parameters
    ----------
    fits
        P regressors.
    source, target
        Shared markers of both panels, ``(n1, K)`` and ``(n2, K)`` in arcsinh units.
    matchings
        Q keys of `magan.batch_maps.MAPS`, which move the source to the units of the target.
    """
    rows = some(len(target), LEARNT + ASKED)
    known, checked = np.split(target[rows], [max(len(rows) - ASKED, 2 * len(rows) // 3)])
    asked = source[some(len(source), ASKED)]
    to_units = standardised(known)
    moved = [to_units(MAPS[name].apply(MAPS[name].fit(source, target), asked)) for name in matchings]
    features, checked_features = to_units(known), to_units(checked)
    n_markers = target.shape[1]
    predicted = np.empty((len(fits), len(moved), len(asked), n_markers))
    target_predicted = np.empty((len(fits), len(checked), n_markers))
    for marker in range(n_markers):
        rest = [i for i in range(n_markers) if i != marker]
        queries = np.concatenate([values[:, rest] for values in (*moved, checked_features)])
        for p, fit in enumerate(fits):
            values = fit(features[:, rest], known[:, [marker]])(queries)[:, 0]
            predicted[p, :, :, marker] = values[: -len(checked)].reshape(len(moved), -1)
            target_predicted[p, :, marker] = values[-len(checked) :]
    return Hidden(asked, predicted, checked, target_predicted)


def best_matching(fit: Fit, source: np.ndarray, target: np.ndarray, matchings: Sequence[str] = MATCHINGS) -> str:
    """Return the matching by which a regressor predicts the hidden shared markers of the source best, see `hidden`.

    The first one, where a single marker is shared.
    """
    if target.shape[1] < 2 or len(matchings) < 2:
        return matchings[0]
    return matchings[int(hidden([fit], source, target, matchings).skill()[0].argmax())]


def best_scale(source: np.ndarray, target: np.ndarray) -> str:
    """Return the scale of networks, "pooled" or "each", that suits the shared markers of two panels better."""
    return SCALES[best_matching(EXTRA_TREES, source, target, tuple(SCALES))]
