"""Gromov-Wasserstein optimal transport: match cells without common markers by their distances within each domain.

Settings are those of Demetci et al. (2022) for SNARE-seq. Distances are steps along a graph of nearest neighbours by
correlation, divided by the longest distance. The plan is regularised by its entropy. A cell is mapped to the mean of
its matched cells, weighted by the plan.
"""

import warnings
from functools import lru_cache

import numpy as np
from anndata import AnnData
from scipy.sparse.csgraph import shortest_path
from sklearn.neighbors import kneighbors_graph

from magan import keys
from magan.baselines.pairs import known_pairs
from magan.errors import InputError

NEIGHBOURS = 50  # at most a fifth of the cells
ENTROPY = 5e-4
ROUNDS = 100  # updates of the plan; each solves an entropic problem
INNER = 50  # steps within an update of `gromov_pairs`
SHARE = 0.5  # weight of the graph distances in `gromov_pairs`; 1 - SHARE is that of the distances to known pairs


def gromov(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map by entropic Gromov-Wasserstein without known pairs, ``(n, M2)`` float32.

    The query must consist of training cells of domain 1, because the plan maps only these. Raises `InputError` if it
    does not, or if POT is not installed.
    """
    first, second, source = _cells("gromov", x1, x2, query)
    plan = _unsupervised(first.tobytes(), first.shape, second.tobytes(), second.shape)
    return _projected(plan, second)[source]


def gromov_pairs(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Map by fused Gromov-Wasserstein with known pairs, ``(n, M2)`` float32.

    A cell and its match must also have similar distances to the known pairs. Raises `InputError` as `gromov` does, or
    if no pair is known.
    """
    first, second, source = _cells("gromov_pairs", x1, x2, query)
    rows_1, rows_2 = known_pairs("gromov_pairs", x1, x2)
    steps_1, steps_2 = steps(first), steps(second)
    gaps = ((steps_1[:, None, rows_1] - steps_2[None, :, rows_2]) ** 2).mean(axis=2)
    return _projected(_plan(steps_1, steps_2, gaps), second)[source]


def steps(values: np.ndarray) -> np.ndarray:
    """Return graph distances of cells, divided by the longest distance, ``(n, n)``.

    A distance is the number of steps along the graph of nearest neighbours. Unconnected cells have the longest
    distance.
    """
    k = min(NEIGHBOURS, max(len(values) // 5, 1))
    graph = kneighbors_graph(values, k, mode="connectivity", metric="correlation", include_self=False)
    lengths = shortest_path(graph, directed=False, unweighted=True)
    longest = lengths[np.isfinite(lengths)].max()
    return np.minimum(lengths, longest) / longest


@lru_cache(maxsize=1)
def _unsupervised(first: bytes, shape_1: tuple[int, int], second: bytes, shape_2: tuple[int, int]) -> np.ndarray:
    """Return the plan without known pairs; it takes a minute and is the same for all draws of pairs, so cache it."""
    values_1, values_2 = (np.frombuffer(x).reshape(shape) for x, shape in ((first, shape_1), (second, shape_2)))
    return _plan(steps(values_1), steps(values_2), None)


def _plan(steps_1: np.ndarray, steps_2: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
    """Return the transport plan: the weight of each pair of cells, ``(n1, n2)``."""
    from ot import gromov as solvers  # import here: slow, and only this baseline needs it

    settings = {"loss_fun": "square_loss", "epsilon": ENTROPY, "max_iter": ROUNDS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an inner problem that stops before its tolerance continues in the next update
        if gaps is None:
            return np.asarray(solvers.entropic_gromov_wasserstein(steps_1, steps_2, **settings))
        # Pairs restrict the plan, so few inner steps suffice and each update may start from the previous result.
        settings |= {"warmstart": True, "numItermax": INNER, "tol": 1e-7}
        return np.asarray(solvers.entropic_fused_gromov_wasserstein(gaps, steps_1, steps_2, alpha=SHARE, **settings))


def _projected(plan: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (plan @ second / plan.sum(axis=1, keepdims=True)).astype(np.float32)


def _cells(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of both domains, and the row of domain 1 of each query cell."""
    first, second, values = (np.asarray(x.layers[keys.PREPROCESSED], dtype=np.float64) for x in (x1, x2, query))
    row = {cell.tobytes(): i for i, cell in enumerate(first)}
    found = [row.get(cell.tobytes()) for cell in values]
    if None in found:
        raise InputError(f"baseline '{name}' can map the training cells of domain 1 alone; use it in the task matching")
    return first, second, np.array(found)
