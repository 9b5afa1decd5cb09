"""What a map leaves of the difference between two batches, on held-out cells and without labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from magan.batch_maps import monotone
from magan.batch_maps.monotone_balanced import Balance
from magan.batch_maps.populations import LEAK, beyond, retained_shares, squared_distances, thin

LEAST = 20  # cells of a population on either side, for it to count
KERNEL_CELLS = 1500  # of either batch in the MMD
MEDIAN_CELLS = 500  # in the median distance
RANK_KEPT = 0.98  # mean Spearman r of a marker before and after, below which a map pays
TORN = 5.0  # price of a unit of r: a map at .88 pays half of the whole difference


@dataclass(frozen=True)
class View:
    """Held-out cells as every candidate is judged on them: populations and equal composition, found only once."""

    x1: np.ndarray  # (n1, M) arcsinh units
    x2: np.ndarray  # (n2, M)
    clusters_1: np.ndarray  # (n1,) number of a cell's population
    clusters_2: np.ndarray
    rows_1: np.ndarray  # cells of equal composition
    rows_2: np.ndarray
    scale: np.ndarray  # (M,) arcsinh units
    points: np.ndarray  # (K, M) centres of populations, in units of ``scale``
    width: float  # median distance of the reference's cells, in units of ``scale``


def view(x1: np.ndarray, x2: np.ndarray, whole: Balance, *, recount: bool, seed: int = 0) -> View:
    """Prepare held-out cells ``x1 (n1, M)`` and ``x2 (n2, M)`` for `parts`.

    ``whole`` is the balance of all cells that take part in the comparison. With ``recount`` composition is that of
    these cells, as whole samples differ in theirs; without, that of ``whole``, which few cells need.
    """
    x1, x2 = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    z1, z2 = monotone.apply(whole.curves, x1) / whole.scale, x2 / whole.scale
    distances = squared_distances(z1, whole.points), squared_distances(z2, whole.points)
    retained = retained_shares(*distances, whole.points) if recount else (whole.retained_1, whole.retained_2)
    clusters = [d.argmin(axis=1) for d in distances]
    rows = [thin(number, share, seed) for number, share in zip(clusters, retained)]
    width = float(np.median(pdist(_some(z2[rows[1]], MEDIAN_CELLS))))
    return View(x1, x2, clusters[0], clusters[1], rows[0], rows[1], whole.scale, whole.points, max(width, 1e-12))


def parts(seen: View, mapped: np.ndarray) -> dict[str, float]:
    """Return the parts of the criterion for the cells of ``seen.x1`` once mapped, ``(n1, M)`` in arcsinh units.

    ``within`` and ``marginal`` are mean earth mover's distances over markers, in sd of the reference, inside
    populations and over cells of equal composition; ``mmd`` the squared maximum mean discrepancy of the latter;
    ``rank`` the mean Spearman r of a marker before and after; ``moved`` the share of cells that have left their
    population, further beyond its border than a residual batch effect reaches.
    """
    mapped = np.asarray(mapped, np.float64)
    y1, y2 = mapped[seen.rows_1] / seen.scale, seen.x2[seen.rows_2] / seen.scale
    clusters = seen.clusters_1[seen.rows_1], seen.clusters_2[seen.rows_2]
    marginal = float(earth_movers(y1, y2).mean())
    within = []
    for k in range(len(seen.points)):
        inside = clusters[0] == k, clusters[1] == k
        if min(i.sum() for i in inside) >= LEAST:
            within.append(earth_movers(y1[inside[0]], y2[inside[1]]).mean())
    distances = squared_distances(mapped / seen.scale, seen.points)
    past = beyond(distances, seen.points, seen.clusters_1).max(axis=1)
    ranks = [spearman(a[a > 0], b[a > 0]) for a, b in zip(seen.x1.T, mapped.T)]
    known = [r for r in ranks if np.isfinite(r)]
    return {
        "within": float(np.mean(within)) if within else marginal,
        "marginal": marginal,
        "mmd": mmd(_some(y1, KERNEL_CELLS), _some(y2, KERNEL_CELLS), seen.width),
        "rank": float(np.mean(known)) if known else 1.0,
        "moved": float((past > LEAK).mean()),
    }


def criterion(found: Mapping[str, float], identity: Mapping[str, float], n: int) -> float:
    """Join the `parts` of a map to a figure of which less is better, 1 for cells as measured that are in place.

    The mean of three shares of the difference left: of the earth mover's distance within populations, of that of
    the marginals, and of the root of the MMD (a distance as the first two are). To it are added the price of torn
    ranks and the share of cells that left their population. ``n`` is the smaller number of cells of equal
    composition; 0.1 / n keeps an MMD that is chance from being divided by.
    """
    floor = 0.1 / max(n, 1)
    shares = [
        _share(found["within"], identity["within"]),
        _share(found["marginal"], identity["marginal"]),
        float(np.sqrt((max(found["mmd"], 0) + floor) / (max(identity["mmd"], 0) + floor))),
    ]
    return float(np.mean(shares)) + TORN * max(RANK_KEPT - found["rank"], 0) + found["moved"]


def earth_movers(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the earth mover's distance of each marker of ``x (n, M)`` and ``y (m, M)``, ``(M,)``, in their units."""
    n, m = len(x), len(y)
    both = np.concatenate([x, y])
    order = np.argsort(both, axis=0, kind="stable")
    difference = np.cumsum(np.where(order < n, m, -n), axis=0)[:-1] / (n * m)
    return (np.abs(difference) * np.diff(np.take_along_axis(both, order, axis=0), axis=0)).sum(axis=0)


def mmd(x: np.ndarray, y: np.ndarray, width: float) -> float:
    """Return the unbiased squared maximum mean discrepancy of ``x (n, M)`` and ``y (m, M)``; chance is 0.

    The kernel is the mean of Gaussians of half, all and twice the ``width``, as in `magan.metrics.batch_distance`. nan
    with fewer than two cells on a side.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return np.nan
    within = [(_kernel(z, z, width).sum() - len(z)) / (len(z) * (len(z) - 1)) for z in (x, y)]
    return float(sum(within) - 2 * _kernel(x, y, width).mean())


def spearman(before: np.ndarray, after: np.ndarray) -> float:
    """Return Spearman's r of ``before (n,)`` and ``after (n,)``; nan where it is not defined."""
    if len(before) < 2 or not np.ptp(before) or not np.ptp(after):
        return np.nan
    return float(np.corrcoef(rankdata(before), rankdata(after))[0, 1])


def _share(after: float, before: float) -> float:
    return after / before if before > 0 else 1.0 + after


def _kernel(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    wide = np.exp(-squared_distances(x, y) / (8 * width**2))
    middle = wide**4
    return (wide + middle + middle**4) / 3


def _some(x: np.ndarray, n: int) -> np.ndarray:
    return x[np.random.default_rng(0).permutation(len(x))[:n]]
