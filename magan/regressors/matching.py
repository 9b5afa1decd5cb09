"""Move the shared markers of one panel to the units of another, by the matching that predicts hidden markers best."""

from collections.abc import Sequence

import numpy as np

from magan.batch_maps import MAPS
from magan.metrics.markers import pearson
from magan.regressors import Fit

MATCHINGS = ("identity", "zscore", "quantile")  # keys of `magan.batch_maps.MAPS`; the first of equally good ones wins
COMPARED = 2000  # cells of a panel by which methods are compared


def some(n: int) -> np.ndarray:
    """Rows of at most ``COMPARED`` of n cells, drawn with a fixed seed, in random order."""
    return np.random.default_rng(0).permutation(n)[:COMPARED]


def mean_r(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean Pearson's r over markers, ``(n, T), (n, T)``; a marker where it is undefined counts as 0."""
    return float(np.nan_to_num(pearson(truth, predicted[None])[0]).mean())


def best_matching(fit: Fit, source: np.ndarray, target: np.ndarray, names: Sequence[str] = MATCHINGS) -> str:
    """Return the matching by which shared markers are predicted best in the source, each hidden in turn.

    Parameters
    ----------
    fit
        A regressor, which learns each hidden marker in the target from the remaining shared markers.
    source, target
        Shared markers of cells of both panels, ``(n1, K)`` and ``(n2, K)`` in arcsinh units.
    names
        Keys of `magan.batch_maps.MAPS`.
    """
    n_markers = target.shape[1]
    if n_markers < 2 or len(names) < 2:
        return names[0]
    asked, known = source[some(len(source))], target[some(len(target))]
    mean, sd = known.mean(axis=0), np.where(np.ptp(known, axis=0) > 0, known.std(axis=0), 1.0)
    moved = {name: (MAPS[name].apply(MAPS[name].fit(source, target), asked) - mean) / sd for name in names}
    features = (known - mean) / sd
    predicted = {name: np.empty(asked.shape) for name in names}
    for hidden in range(n_markers):
        rest = [i for i in range(n_markers) if i != hidden]
        predict = fit(features[:, rest], features[:, [hidden]])
        for name in names:
            predicted[name][:, hidden] = predict(moved[name][:, rest])[:, 0]
    return max(names, key=lambda name: mean_r(asked, predicted[name]))
