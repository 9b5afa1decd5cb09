"""Simple aligners that a network must beat: each ``(x1, x2, query) -> (n, M2)`` float32 in arcsinh units.

``x1`` and ``x2`` are the training cells of the two domains. The query holds cells of domain 1, to be mapped into
domain 2. All are deterministic. A library that only one baseline needs is imported when the baseline is called.
"""

from magan.registry import Entry, Registry


def _map(method: str) -> Entry:
    """A map of `magan.batch_maps`, or the choice among them."""
    return Entry("magan.baselines.batch_map:batch_map", ("shared markers",), {"method": method}, deployable=True)


def _tuned(regressor: str) -> Entry:
    """A regressor of `magan.regressors`, tuned on training cells."""
    return Entry("magan.baselines.tuned:tuned", ("shared markers",), {"regressor": regressor})


BASELINES = Registry(
    identity=Entry("magan.baselines.identity:identity", ("shared features",)),
    auto=_map("auto"),
    zscore=_map("zscore"),
    quantile=_map("quantile"),
    monotone=_map("monotone"),
    monotone_balanced=_map("monotone_balanced"),
    population_monotone=_map("population_monotone"),
    flow=_map("flow"),
    combat=Entry("magan.baselines.combat:combat", ("shared markers",)),
    harmony=Entry("magan.baselines.harmony:harmony", ("shared markers",)),
    cytonorm=Entry("magan.baselines.cytonorm:cytonorm", ("shared markers",)),
    cycombine=Entry("magan.baselines.cycombine:cycombine", ("shared markers",)),
    scanorama=Entry("magan.baselines.scanorama:scanorama", ("shared markers",)),
    cytovi=Entry("magan.baselines.cytovi:cytovi", ("shared markers",)),
    ridge=Entry("magan.baselines.ridge:ridge", ("shared markers",)),
    knn=Entry("magan.baselines.knn:knn", ("shared markers",)),
    knn_draw=Entry("magan.baselines.knn:knn_draw", ("shared markers",)),
    boosting=Entry("magan.baselines.boosting:boosting", ("shared markers",)),
    extra_trees=_tuned("extra_trees"),
    knn_tuned=_tuned("nearest"),
    boosting_tuned=_tuned("boosting"),
    pair_ridge=Entry("magan.baselines.pairs:pair_ridge", ("pairs",)),
    pair_knn=Entry("magan.baselines.pairs:pair_knn", ("pairs",)),
    pair_landmarks=Entry("magan.baselines.pairs:pair_landmarks", ("pairs", "cells")),
    pair_ridge_shuffled=Entry("magan.baselines.pairs:pair_ridge_shuffled", ("pairs", "cells")),
    gromov=Entry("magan.baselines.gromov:gromov", ("cells",)),
    gromov_pairs=Entry("magan.baselines.gromov:gromov_pairs", ("pairs", "cells")),
)
