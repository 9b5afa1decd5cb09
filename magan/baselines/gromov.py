"""Optimal transport between cells that have no common marker: their distances to one another must agree.

With the settings that Demetci et al. (2022) publish for SNARE-seq: distances
are steps along a graph of nearest neighbours by correlation, as a share of the
longest; the plan is regularised by its entropy, and a cell goes to the mean of
the cells it is sent to.
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
ROUNDS = 100  # of the plan; the entropic problem is solved anew in each
INNER = 50  # steps within a round of `gromov_pairs`
SHARE = 0.5  # of the graph distances in `gromov_pairs`; the rest is the distances to the known pairs


def gromov(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Entropic Gromov-Wasserstein, which is told no pair; ``(n, M2)`` float32.

    The query must be the training cells of domain 1, for a plan knows no other
    cell. `InputError` if it is not, or POT is not installed.
    """
    first, second, source = _cells("gromov", x1, x2, query)
    plan = _unsupervised(first.tobytes(), first.shape, second.tobytes(), second.shape)
    return _projected(plan, second)[source]


def gromov_pairs(x1: AnnData, x2: AnnData, query: AnnData) -> np.ndarray:
    """Fused Gromov-Wasserstein: a cell must also be as far from the known pairs as its match is; ``(n, M2)`` float32.

    `InputError` as in `gromov`, or where no pair is known.
    """
    first, second, source = _cells("gromov_pairs", x1, x2, query)
    rows_1, rows_2 = known_pairs("gromov_pairs", x1, x2)
    steps_1, steps_2 = steps(first), steps(second)
    gaps = ((steps_1[:, None, rows_1] - steps_2[None, :, rows_2]) ** 2).mean(axis=2)
    return _projected(_plan(steps_1, steps_2, gaps), second)[source]


def steps(values: np.ndarray) -> np.ndarray:
    """Steps between cells along the graph of nearest neighbours, as a share of the longest way, ``(n, n)``.

    Cells without a way between them are as far apart as the two farthest that have one.
    """
    k = min(NEIGHBOURS, max(len(values) // 5, 1))
    graph = kneighbors_graph(values, k, mode="connectivity", metric="correlation", include_self=False)
    ways = shortest_path(graph, directed=False, unweighted=True)
    longest = ways[np.isfinite(ways)].max()
    return np.minimum(ways, longest) / longest


@lru_cache(maxsize=1)
def _unsupervised(first: bytes, shape_1: tuple[int, int], second: bytes, shape_2: tuple[int, int]) -> np.ndarray:
    """The plan that knows no pair; draws of the pairs ask for it again and again, and it takes a minute."""
    one, other = (np.frombuffer(x).reshape(shape) for x, shape in ((first, shape_1), (second, shape_2)))
    return _plan(steps(one), steps(other), None)


def _plan(steps_1: np.ndarray, steps_2: np.ndarray, gaps: np.ndarray | None) -> np.ndarray:
    """Which share of each cell goes where, ``(n1, n2)``."""
    try:
        from ot import gromov as solvers  # slow to import, and only this baseline needs it
    except ImportError:
        raise InputError("baseline 'gromov' needs POT, which is not installed; pip install magan[workflow]") from None
    settings = {"loss_fun": "square_loss", "epsilon": ENTROPY, "max_iter": ROUNDS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an inner problem that stops before its tolerance is taken up by the next
        if gaps is None:
            return solvers.entropic_gromov_wasserstein(steps_1, steps_2, **settings)
        # The pairs leave little to search: each round may go on where the last one stopped, after a few inner steps.
        settings |= {"warmstart": True, "numItermax": INNER, "tol": 1e-7}
        return solvers.entropic_fused_gromov_wasserstein(gaps, steps_1, steps_2, alpha=SHARE, **settings)


def _projected(plan: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (plan @ second / plan.sum(axis=1, keepdims=True)).astype(np.float32)


def _cells(name: str, x1: AnnData, x2: AnnData, query: AnnData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of both domains, and the row of domain 1 that each query cell is."""
    first, second, values = (np.asarray(x.layers[keys.PREPROCESSED], dtype=np.float64) for x in (x1, x2, query))
    row = {cell.tobytes(): i for i, cell in enumerate(first)}
    found = [row.get(cell.tobytes()) for cell in values]
    if None in found:
        raise InputError(f"baseline '{name}' can map the training cells of domain 1 alone; use it in the task matching")
    return first, second, np.array(found)
