"""iLISI, cLISI and BRAS by scib-metrics, if installed; scib-metrics is an extra because it requires JAX."""

from importlib.util import find_spec

import numpy as np
from sklearn.neighbors import NearestNeighbors

from magan.metrics.batch_distance import labelled, populations, shuffled

SIDE = 2000  # cells of each side
NEIGHBOURS = 90  # neighbours of a cell, including the cell


def installed() -> bool:
    """Return whether the scores can be computed; otherwise tables have no rows for them."""
    return find_spec("scib_metrics") is not None


def scores(
    mapped: np.ndarray, labels: np.ndarray, target: np.ndarray, target_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Return iLISI, cLISI and BRAS of ``mapped (R, n, M)`` and ``target (m, M)``, ``(R,)`` each.

    - ``ilisi``: the effective number of sides among a cell's 90 nearest neighbours, median over cells, scaled to
      [0, 1]; higher is better, 1 means both sides are evenly mixed. Sides of different size cannot reach 1.
    - ``clisi``: the same number for populations, reversed: 1 means each neighbourhood has a single population; higher
      is better.
    - ``bras``: 1 minus the silhouette of the side within each population, against the mean distance to the opposite
      side (cosine distance), in [0, 1]; higher is better.

    The first 2,000 cells of each side in a fixed permutation are used. ``clisi`` and ``bras`` use the cells of
    populations that occur on both sides. Constant markers have no effect. All scores are nan for a replicate that
    contains a nan and if fewer than 90 cells remain; ``ilisi`` is nan if a side is empty, ``clisi`` with fewer than two
    populations, ``bras`` without populations. If batch and group are confounded, the scores are computed all the same,
    see `magan.metrics.group_effects.confounded`.

    References
    ----------
    Korsunsky et al. 2019, Nature Methods 16:1289 (LISI); Rautenstrauch and Ohler 2025 (BRAS).
    """
    rows, goal = shuffled(mapped.shape[1])[:SIDE], shuffled(len(target))[:SIDE]
    side = np.repeat([0, 1], [len(rows), len(goal)])
    words = np.concatenate([np.asarray(labels).astype(str)[rows], np.asarray(target_labels).astype(str)[goal]])
    shared = populations(words[side == 0], words[side == 1])
    named = labelled(words) & np.isin(words, shared)
    values = {name: np.full(len(mapped), np.nan) for name in ("ilisi", "clisi", "bras")}
    for r, x in enumerate(mapped[:, rows]):
        cells = np.concatenate([x, target[goal]]).astype(np.float32)
        if not np.isfinite(cells).all():
            continue
        if len(rows) and len(goal):
            values["ilisi"][r] = _lisi(cells, side) - 1
        if len(shared) > 1:
            values["clisi"][r] = (len(shared) - _lisi(cells[named], words[named])) / (len(shared) - 1)
        if shared:
            values["bras"][r] = _bras(cells[named], words[named], side[named])
    return values


def _lisi(cells: np.ndarray, labels: np.ndarray) -> float:
    """Return the median over cells of the inverse Simpson index of the labels of their neighbours."""
    if len(cells) < NEIGHBOURS:
        return np.nan
    # Slow to import, and an extra.
    from scib_metrics import lisi_knn  # pyright: ignore[reportMissingImports]
    from scib_metrics.nearest_neighbors import NeighborsResults  # pyright: ignore[reportMissingImports]

    distances, indices = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(cells).kneighbors(cells)
    return float(np.nanmedian(lisi_knn(NeighborsResults(indices=indices, distances=distances), labels)))


def _bras(cells: np.ndarray, labels: np.ndarray, side: np.ndarray) -> float:
    if len(cells) < NEIGHBOURS:
        return np.nan
    from scib_metrics import bras  # pyright: ignore[reportMissingImports]

    return float(bras(cells, labels, side))
