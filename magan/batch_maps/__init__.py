"""Maps of the cells of one batch to another that need no network.

Each module has ``fit(x1, x2, *, seed=0) -> state`` with training cells ``x1 (n1, M)`` and the reference ``x2 (n2, M)``
in arcsinh units, and ``apply(state, values) -> (n, M)`` float32. A state is a dict of arrays, so that it can be saved;
each cell's result depends on that cell and the state alone, so that files can stream. Both `fit` and `apply` are
deterministic, given the seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from magan.batch_maps import average, flow, identity, monotone, monotone_balanced, population_monotone, quantile, zscore

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class BatchMap:
    """A candidate map and where it stands among the others."""

    fit: Callable[..., dict[str, np.ndarray]]
    apply: Callable[[State, np.ndarray], np.ndarray]
    # Of caution: of maps that are as good the lowest is taken. A line tears nothing, and a median of maps follows
    # none of them alone.
    rank: int
    title: str
    sentence: str  # what it does, for a report
    balanced: bool = False  # whether `fit` takes ``start``, what `monotone_balanced.balance` returns


MAPS = {
    "identity": BatchMap(identity.fit, identity.apply, 0, "no correction", "Cells stay as measured."),
    "zscore": BatchMap(
        zscore.fit, zscore.apply, 1, "z-score", "Each marker is shifted and stretched to the reference's mean and sd."
    ),
    "average": BatchMap(
        average.fit,
        average.apply,
        2,
        "average of maps",
        "The median of four maps fitted on cells of equal composition: rising curves, the quantile map, curves by "
        "population, and a flow.",
        balanced=True,
    ),
    "quantile": BatchMap(
        quantile.fit, quantile.apply, 3, "quantile map", "Each marker is given the reference's distribution."
    ),
    "monotone": BatchMap(
        monotone.fit,
        monotone.apply,
        3,
        "monotone map",
        "Each marker moves along a rising curve, no further than the cells can tell.",
    ),
    "monotone_balanced": BatchMap(
        monotone_balanced.fit,
        monotone_balanced.apply,
        3,
        "monotone map, balanced",
        "The rising curves are fitted on cells in which each population is as common in either batch.",
        balanced=True,
    ),
    "population_monotone": BatchMap(
        population_monotone.fit,
        population_monotone.apply,
        3,
        "monotone map by population",
        "After the balanced curves, each population found without labels moves along further curves.",
        balanced=True,
    ),
    "flow": BatchMap(
        flow.fit,
        flow.apply,
        3,
        "flow",
        "After the balanced curves, cells take a few steps towards where the reference has more of their kind.",
        balanced=True,
    ),
}

# What `choose` compares unless asked for more. The flow is not among them: it won the criterion and lost in truth on
# depleted controls (turned, and once in the demo's direction, a pair that figures are also reported on) and on both
# synthetic pairs.
CANDIDATES = tuple(name for name in MAPS if name != "flow")
