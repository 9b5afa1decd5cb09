"""What can be said of merged cells without a truth: who agrees with whom, and whose like the other panel has."""

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from magan.metrics.markers import pearson

NEIGHBOURS = 15
STRAY = 0.9  # of the other panel's cells have as many fellows about them
MOST = 20_000  # cells of the other panel that a cell is compared with


def claimed(predicted: np.ndarray, known: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r that a map claims of the markers it predicts, and by how many cells.

    The r between ``known``, what it predicts of cells that were kept from training, and what was ``measured`` of them,
    each such cell counted as often as it is the one with the prediction most like that of a cell of ``predicted``: r
    as it would be if those cells' markers followed the same rule.

    Parameters
    ----------
    predicted, known, measured
        ``(n, M)``, ``(c, M)`` and ``(c, M)``.

    Returns
    -------
    tuple
        ``(M,)`` r, nan where nothing varies, and ``(M,)`` effective numbers of cells kept from training,
        ``(sum w)^2 / sum w^2`` of how often each counts (Kish 1965), at most c.
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

    nan for a marker that some map holds constant: then two maps do not tell the same.
    """
    if len(maps) < 2:
        return np.full(maps.shape[2], np.nan)
    pairs = [pearson(one, maps[i + 1 :]) for i, one in enumerate(maps[:-1])]
    return np.concatenate(pairs).mean(axis=0)


def least_agreement(one: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """The least Pearson's r between a map and others of the same cells, ``(n, M), (n, M) each -> (M,)``.

    nan without others, and for a marker that one of them holds constant.
    """
    if not others:
        return np.full(one.shape[1], np.nan)
    return pearson(one, np.stack(others)).min(axis=0)


def confidence(cells: np.ndarray, others: np.ndarray, seed: int = 0) -> np.ndarray:
    """How ordinary each cell would be among the cells of another panel, ``(n, M), (c, M) -> (n,)`` from 0 to 1.

    How far a cell is from the other panel's cells is its mean distance to the 15 nearest of one half of them, over the
    mean of what these have to theirs: about 1 in their midst, be they many or few, and more beside them. No distance
    among them counts for more than nine tenths of all do, so that the stray cells between populations hide nothing. The
    confidence is the share of the other half that is as far (a conformal p-value, ``(1 + number as far) / (1 + c)``):
    cells that the other panel has are spread evenly from 0 to 1, and one that it does not have is near 0.

    Parameters
    ----------
    cells, others
        Arcsinh units, the same markers; they count alike, each by its sd over the other panel. A random 20,000
        of more ``others`` stand for all.
    seed
        Of that choice, and of the halves.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, section 2.2; Breunig et al. 2000,
    ACM SIGMOD 29:93 (distances over those of the neighbours).
    """
    order = np.random.default_rng(seed).permutation(len(others))[:MOST]
    sd = others.std(axis=0)
    scale = np.where(sd > 0, sd, 1)
    known, judges = np.array_split(others[order] / scale, 2)
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known) - 1)).fit(known)
    # Without an argument: of each without itself. Cells may be equal to all around them.
    reach = index.kneighbors()[0].mean(axis=1)
    reach = np.maximum(np.minimum(reach, np.quantile(reach, STRAY)), np.finfo(np.float32).tiny)

    def distance(values: np.ndarray) -> np.ndarray:
        distances, near = index.kneighbors(values)
        return distances.mean(axis=1) / reach[near].mean(axis=1)

    own = np.sort(distance(judges))
    as_far = len(own) - np.searchsorted(own, distance(cells / scale))
    return (1 + as_far) / (1 + len(own))
