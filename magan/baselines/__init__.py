"""Simple aligners that a network must beat: each ``(x1, x2, query) -> (n, M2)`` float32 in arcsinh units.

``x1`` and ``x2`` are the training cells of the two domains, the query cells of
domain 1 to be mapped into domain 2; all deterministic. What needs a library of its
own imports it when called.
"""

from magan.baselines.boosting import boosting
from magan.baselines.combat import combat
from magan.baselines.cytonorm import cytonorm
from magan.baselines.cytovi import cytovi
from magan.baselines.gromov import gromov, gromov_pairs
from magan.baselines.harmony import harmony
from magan.baselines.identity import identity
from magan.baselines.knn import knn, knn_draw
from magan.baselines.pairs import pair_knn, pair_landmarks, pair_ridge, pair_ridge_shuffled
from magan.baselines.quantile import quantile
from magan.baselines.ridge import ridge
from magan.baselines.scanorama import scanorama
from magan.baselines.zscore import zscore

FROM_PAIRS = ("pair_ridge", "pair_knn", "pair_landmarks", "pair_ridge_shuffled", "gromov", "gromov_pairs")
OF_IMAGES = ("identity", "pair_ridge", "pair_knn")  # what also maps images
BASELINES = {
    "identity": identity,
    "zscore": zscore,
    "quantile": quantile,
    "combat": combat,
    "harmony": harmony,
    "cytonorm": cytonorm,
    "scanorama": scanorama,
    "cytovi": cytovi,
    "ridge": ridge,
    "knn": knn,
    "knn_draw": knn_draw,
    "boosting": boosting,
    "pair_ridge": pair_ridge,
    "pair_knn": pair_knn,
    "pair_landmarks": pair_landmarks,
    "pair_ridge_shuffled": pair_ridge_shuffled,
    "gromov": gromov,
    "gromov_pairs": gromov_pairs,
}
