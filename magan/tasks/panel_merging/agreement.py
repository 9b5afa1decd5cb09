"""Judge merged cells without a truth: how well maps agree, and how typical each cell is of the other panel."""

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from magan.metrics.markers import pearson

NEIGHBOURS = 15
STRAY = 0.9  # quantile at which the distances among the source panel's cells are cut
MOST = 20_000  # cells of the source panel that a cell is compared with


def claimed(predicted: np.ndarray, known: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r that a map claims for the markers it predicts, and the number of cells behind it.

    The r between the predictions ``known`` of calibration cells, which training did not see, and their ``measured``
    values. Each calibration cell counts as often as its prediction is the nearest to that of a cell of ``predicted``.
    This is the r to expect if the markers of both sets of cells follow the same rule.

    Parameters
    ----------
    predicted, known, measured
        ``(n, M)``, ``(c, M)`` and ``(c, M)``.

    Returns
    -------
    tuple
        ``(M,)`` r, nan where nothing varies, and ``(M,)`` effective numbers of calibration cells,
        ``(sum w)^2 / sum w^2`` with w the count of each cell (Kish 1965), at most c.
    """
    found = [_claimed(*columns) for columns in zip(predicted.T, known.T, measured.T)]
    return np.array([r for r, _ in found]), np.array([n for _, n in found])


def _claimed(predicted: np.ndarray, known: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    order = np.argsort(known, kind="stable")
    middles = (known[order][1:] + known[order][:-1]) / 2
    nearest = order[np.searchsorted(middles, predicted)]
    counts = np.bincount(nearest)
    r = pearson(measured[nearest, None], known[None, nearest, None])
    return float(r[0, 0]), float(counts.sum() ** 2 / (counts.astype(float) ** 2).sum())


def agreement(maps: np.ndarray) -> np.ndarray:
    """Mean Pearson's r between two of R maps of the same cells, ``(R, n, M) -> (M,)``; nan for a single map.

    nan for a marker that is constant in a map, where r is undefined.
    """
    if len(maps) < 2:
        return np.full(maps.shape[2], np.nan)
    pairs = [pearson(values, maps[i + 1 :]) for i, values in enumerate(maps[:-1])]
    return np.concatenate(pairs).mean(axis=0)


def least_agreement(values: np.ndarray, references: Sequence[np.ndarray]) -> np.ndarray:
    """The least Pearson's r between a map and references of the same cells, ``(n, M), (n, M) each -> (M,)``.

    nan without references, and for a marker that is constant in the map or in a reference.
    """
    if not references:
        return np.full(values.shape[1], np.nan)
    return pearson(values, np.stack(references)).min(axis=0)


def confidence(cells: np.ndarray, source: np.ndarray, seed: int = 0) -> np.ndarray:
    """How typical each cell is of the cells of the source panel, ``(n, M), (c, M) -> (n,)`` from 0 to 1.

    The source cells are split at random into a reference half and a judging half. The distance of a cell is its mean
    distance to its 15 nearest reference cells, divided by the mean distance of these 15 to their neighbours: about 1
    inside a population of any density, and more outside. The distances in the divisor are cut at their 90 % quantile,
    so that stray cells between populations hide no foreign cell. The confidence is a conformal p-value,
    ``(1 + number of judging cells at least as far) / (1 + number of judging cells)``: uniform from 0 to 1 for cells
    of a population of the source panel, and near 0 for a cell that the source panel does not have.

    Parameters
    ----------
    cells, source
        Arcsinh units, the same markers; each marker is divided by its sd over the source panel. At most 20,000 cells
        of ``source``, drawn at random, are used.
    seed
        Seed of this draw and of the halves.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, section 2.2; Breunig et al. 2000,
    ACM SIGMOD 29:93 (distances over those of the neighbours).
    """
    order = np.random.default_rng(seed).permutation(len(source))[:MOST]
    sd = source.std(axis=0)
    scale = np.where(sd > 0, sd, 1)
    known, judge_cells = np.array_split(source[order] / scale, 2)
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known) - 1)).fit(known)
    # Without an argument, no cell is its own neighbour. The lower limit serves cells that equal all their neighbours.
    reach = index.kneighbors()[0].mean(axis=1)
    reach = np.maximum(np.minimum(reach, np.quantile(reach, STRAY)), np.finfo(np.float32).tiny)

    def distance(values: np.ndarray) -> np.ndarray:
        distances, neighbours = index.kneighbors(values)
        return distances.mean(axis=1) / reach[neighbours].mean(axis=1)

    judge_distances = np.sort(distance(judge_cells))
    as_far = len(judge_distances) - np.searchsorted(judge_distances, distance(cells / scale))
    return (1 + as_far) / (1 + len(judge_distances))
