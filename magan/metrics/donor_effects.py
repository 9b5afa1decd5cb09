"""Whether differences between groups of donors survive a correction: estimates with intervals, before and after.

Cells of a donor are no replicates of a group, so a donor counts once, however many cells there are.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from magan import keys
from magan.metrics.batch_distance import LEAST, labelled

DESIGN = (keys.BATCH, keys.DONOR, keys.GROUP, keys.CELL_TYPE)
MEAN, SHARE = "mean", "share positive"
PRESERVED, LOST, INVENTED = "preserved", "lost", "invented"
LEVEL = 0.05  # of intervals, and of the false discovery rate
ESTIMATE = ("effect", "low", "high", "p", "q")
EFFECTS = (
    *("population", keys.MARKER, "measure", "group_1", "group_2", "donors_1", "donors_2"),
    *(f"{name}_{side}" for side in ("before", "after") for name in ESTIMATE),
    "status",
)


def donor_effects(
    design: pd.DataFrame,
    values: tuple[np.ndarray, np.ndarray],
    positive: tuple[np.ndarray, np.ndarray],
    markers: list[str],
) -> pd.DataFrame:
    """Estimate the differences between groups in each population before and after a map, a donor as the unit.

    Each of a marker's mean and share of positive cells in a donor is modelled as a sum of a group's and a batch's
    effect, by least squares, so that a batch effect is no difference between groups. ``q`` is p adjusted over all
    rows of a side (Benjamini and Hochberg).

    Parameters
    ----------
    design
        A row for each cell of all batches, reference included, with columns ``DESIGN``; a cell type that
        names none counts among all cells only.
    values, positive
        Before and after, ``(n, M)``: arcsinh units, and whether the cell has the marker.
    markers
        Names, M.

    Returns
    -------
    DataFrame
        Columns ``EFFECTS``: a row for each population, marker, measure and pair of groups, effects being those of
        group 2 less group 1. Donors with fewer than 10 cells of a population are left out of it; pairs with fewer
        than two donors in either group, or confounded with batch, have no row. ``status`` is "preserved", "lost" or
        "invented" where q is below 0.05 before and after with one sign, before alone, or after alone; else "".
    """
    words = design.astype(str)
    grouped = labelled(words[keys.GROUP].to_numpy())
    populations = {keys.ALL: grouped}
    kinds = words[keys.CELL_TYPE].to_numpy()
    for name in np.unique(kinds[labelled(kinds)]):
        populations[str(name)] = grouped & (kinds == name)
    measured = {MEAN: values, SHARE: positive}
    tables = [
        _of_population(words[inside], {name: [x[inside] for x in sides] for name, sides in measured.items()}, markers)
        .assign(population=population)
        for population, inside in populations.items()
    ]  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        return pd.DataFrame(columns=list(EFFECTS))
    for side in ("before", "after"):
        table[f"q_{side}"] = false_discovery_control(table[f"p_{side}"])
    proven = [table[f"q_{side}"] < LEVEL for side in ("before", "after")]
    same = np.sign(table["effect_before"]) == np.sign(table["effect_after"])
    table["status"] = np.select(
        [proven[0] & proven[1] & same, proven[0], proven[1]], [PRESERVED, LOST, INVENTED], default=""
    )
    return table[list(EFFECTS)]


def _of_population(design: pd.DataFrame, measured: dict[str, list[np.ndarray]], markers: list[str]) -> pd.DataFrame:
    donors = design.groupby(keys.DONOR, sort=True)
    numbers = donors.ngroup().to_numpy()
    counts = np.bincount(numbers)
    about = donors.agg(
        {keys.GROUP: lambda names: "+".join(sorted(set(names))), keys.BATCH: lambda names: "+".join(sorted(set(names)))}
    )
    enough = counts >= LEAST
    about = about[enough]
    x, groups = _design(about)
    rows = []
    for measure, sides in measured.items():
        means = [
            np.stack([np.bincount(numbers, column) for column in side.T.astype(np.float64)], axis=1) / counts[:, None]
            for side in sides
        ]
        for first, second in combinations(range(len(groups)), 2):
            sizes = [int((about[keys.GROUP] == groups[k]).sum()) for k in (first, second)]
            contrast = np.zeros(x.shape[1])
            contrast[[first, second]] = -1, 1
            found = [contrasted(x, y[enough], contrast) for y in means]
            if min(sizes) < 2 or found[0] is None:
                continue
            named = {"group_1": groups[first], "group_2": groups[second], "donors_1": sizes[0], "donors_2": sizes[1]}
            part = pd.DataFrame({keys.MARKER: markers, "measure": measure, **named})
            for side, estimates in zip(("before", "after"), found):
                part[[f"{name}_{side}" for name in ESTIMATE[:-1]]] = estimates
            rows.append(part)
    return pd.concat(rows) if rows else pd.DataFrame(columns=[c for c in EFFECTS if c[:2] != "q_"])


def contrasted(x: np.ndarray, y: np.ndarray, contrast: np.ndarray) -> np.ndarray | None:
    """Return estimate, 95 % interval and p of ``contrast (P,)`` for each column of ``y (n, M)``, ``(M, 4)``.

    The model is ``y = x b`` with ``x (n, P)``, by least squares; p is that of Student's t. None where the model does
    not determine the contrast, or no degree of freedom is left. p is 1 for a constant column.
    """
    freedom = len(x) - (np.linalg.matrix_rank(x) if len(x) else 0)
    if freedom < 1 or np.linalg.matrix_rank(np.vstack([x, contrast])) > np.linalg.matrix_rank(x):
        return None
    inverse = np.linalg.pinv(x)
    fitted = inverse @ y
    variance = ((y - x @ fitted) ** 2).sum(axis=0) / freedom
    estimate = contrast @ fitted
    error = np.sqrt(variance * ((contrast @ inverse) ** 2).sum())
    ratio = np.divide(np.abs(estimate), error, out=np.zeros_like(estimate), where=error > 1e-12)
    half = student.ppf(1 - LEVEL / 2, freedom) * error
    return np.stack([estimate, estimate - half, estimate + half, 2 * student.sf(ratio, freedom)], axis=1)


def _design(about: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Columns of ones for each group, then for each batch; the names of the groups."""
    groups = sorted(set(about[keys.GROUP]))
    batches = sorted(set(about[keys.BATCH]))
    columns = [about[keys.GROUP].to_numpy() == name for name in groups]
    columns += [about[keys.BATCH].to_numpy() == name for name in batches]
    return np.array(columns, float).T.reshape(len(about), -1), groups
