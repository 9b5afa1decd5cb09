"""Find shared markers that are related to the remaining ones in one panel and not in the other: a failed staining."""

from typing import NamedTuple

import numpy as np

from magan.metrics.markers import pearson
from magan.regressors import EXTRA_TREES, standardised
from magan.regressors.hidden_markers import some

MOST = 1000  # cells of a panel: half of them teach, half are predicted
FEWEST = 300  # cells of a panel from which an r of 0 is not chance
MARKERS = 4  # shared markers from which one can be judged by the rest
RELATED = 0.4  # r from which a marker is related to the rest in a panel
CHANCE = 0.25  # share of that r below which the marker is unrelated in the other panel


class Unrelated(NamedTuple):
    """A shared marker (its column), the panel in which it is unrelated to the rest (0 or 1), and r in both panels."""

    marker: int
    panel: int
    r: tuple[float, float]


def unrelated_markers(first: np.ndarray, second: np.ndarray) -> list[Unrelated]:
    """Shared markers that the remaining shared markers predict in one panel and not in the other, the worst first.

    In each panel each marker is predicted from the rest, by extra trees that half of the cells teach, and compared with
    the measured values of the other half. A marker counts as unrelated where its r is below a quarter of its r in the
    other panel, which must be at least .4. The worst is taken away and the rest are judged again without it, so that a
    failed staining does not hide among the markers it fails to predict. Nothing is said of fewer than four markers or
    300 cells.

    Parameters
    ----------
    first, second
        Shared markers of both panels, ``(n1, K)`` and ``(n2, K)`` in arcsinh units.
    """
    found: list[Unrelated] = []
    columns = list(range(first.shape[1]))
    if min(len(first), len(second)) < FEWEST:
        return found
    while len(columns) >= MARKERS:
        r = np.array([_relations(panel[:, columns]) for panel in (first, second)])
        best = r.max(axis=0)
        share = np.where(best >= RELATED, r.min(axis=0) / np.maximum(best, RELATED), 1.0)
        worst = int(share.argmin())
        if share[worst] >= CHANCE:
            return found
        marker = columns.pop(worst)
        found.append(Unrelated(marker, int(r[:, worst].argmin()), (float(r[0, worst]), float(r[1, worst]))))
    return found


def _relations(cells: np.ndarray) -> np.ndarray:
    """Pearson's r of each marker with its prediction from the rest, ``(n, K) -> (K,)``; 0 where it is undefined."""
    cells = standardised(cells)(cells)[some(len(cells), MOST)]
    known, asked = np.array_split(cells, 2)
    predicted = np.empty_like(asked)
    for marker in range(cells.shape[1]):
        rest = np.arange(cells.shape[1]) != marker
        predicted[:, [marker]] = EXTRA_TREES(known[:, rest], known[:, [marker]])(asked[:, rest])
    return np.nan_to_num(pearson(asked, predicted[None])[0])


def sentence(found: Unrelated, name: str, panels: tuple[str, str]) -> str:
    """What was found of a marker ``name``, and what it may mean."""
    here, there = found.panel, 1 - found.panel
    return (
        f"{name} is unrelated to the remaining shared markers in panel {panels[here]} (r {found.r[here]:.2f}) and "
        f"related to them in panel {panels[there]} (r {found.r[there]:.2f}): its staining failed, or its population is "
        "absent"
    )
