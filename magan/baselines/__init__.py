"""Simple aligners that a network must beat: each ``(x1, x2, query) -> (n, M2)`` float32 in arcsinh units.

``x1`` and ``x2`` are the training cells of the two domains, the query cells of
domain 1 to be mapped into domain 2; all deterministic.
"""

from magan.baselines.boosting import boosting
from magan.baselines.combat import combat
from magan.baselines.identity import identity
from magan.baselines.knn import knn
from magan.baselines.quantile import quantile
from magan.baselines.ridge import ridge
from magan.baselines.zscore import zscore

BASELINES = {
    "identity": identity,
    "zscore": zscore,
    "quantile": quantile,
    "combat": combat,
    "ridge": ridge,
    "knn": knn,
    "boosting": boosting,
}
