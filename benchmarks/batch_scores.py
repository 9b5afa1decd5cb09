"""Every method on every batch data set of the tree, by Open Problems' scores and the project's."""

import numpy as np
from batch_cells import Pair, labels, samples, values
from batch_scenarios import transfer, within

from magan import keys
from magan.aligner import Aligner
from magan.baselines import BASELINES
from magan.config import Training
from magan.metrics import batch_distance, open_problems

# The preset stands for the network, with one seed; all remaining methods need none.
METHODS = ("identity", "zscore", "quantile", "monotone", "combat", "harmony", "cytonorm", "batch_correction", "auto")
SIMPLE = ("identity", "zscore", "quantile", "combat")
STEPS = 1000  # of the network's training


def mapped_by(name: str, sample: Pair) -> np.ndarray:
    """The held-out cells mapped by a method, ``(n, M)`` float32."""
    if name in BASELINES:
        return np.asarray(BASELINES[name](sample.x1, sample.x2, sample.query), np.float32)
    aligner = Aligner.from_preset(name, device="cpu", training=Training(steps=STEPS))
    return np.asarray(aligner.fit(sample.x1, sample.x2).map(sample.query).layers[keys.CONSENSUS], np.float32)


def scored(sample: Pair, mapped: np.ndarray) -> dict[str, float]:
    """Open Problems' scores of the held-out cells, and the project's, mapped and in the reference."""
    from flowsom.models import FlowSOMEstimator

    x, y = (mapped, labels(sample.query)), (values(sample.target), labels(sample.target))
    tree = FlowSOMEstimator(xdim=10, ydim=10, seed=0, n_clusters=10).fit(y[0])
    clusters = np.concatenate([tree.predict(side) for side in (y[0], mapped)])
    both, kinds = np.concatenate([y[0], mapped]), np.concatenate([y[1], x[1]])
    side = np.repeat([0, 1], [len(y[0]), len(mapped)])
    whole, of_types = open_problems.average_batch_r2(x, y)
    mixed, pure = open_problems.scaled_lisi(both, side, kinds)
    parts = [
        (cells_of[rows], kinds_of[rows])
        for (cells_of, kinds_of), names in ((x, samples(sample.query)), (y, samples(sample.target)))
        for name in np.unique(names)
        if (rows := names == name).sum() >= 100
    ]
    return {
        "emd_mean_ct_horiz": open_problems.emd_mean_ct([(x, y)]),
        "emd_mean_ct_vert": open_problems.emd_mean_ct(open_problems.vertical([("", part) for part in parts])),
        "ratio_consistent_peaks": open_problems.ratio_consistent_peaks((values(sample.query), x[1]), mapped, y),
        "average_batch_r2_global": whole,
        "average_batch_r2_ct": of_types,
        "flowsom_mean_mapping_similarity": open_problems.flowsom_mapping_similarity(clusters, kinds, side),
        "iLisi": mixed,
        "cLisi": pure,
        **functional(sample, mapped),
        "emd": float(batch_distance.emd(mapped[None], y[0]).mean()),
        "emd_within": within(mapped, sample),
        "mmd": float(batch_distance.mmd(mapped[None], y[0])[0]),
        "rank_kept": float(np.nanmean(batch_distance.rank_kept(values(sample.query), mapped[None]))),
        "label_transfer": transfer(mapped, x[1], sample),
    }


def functional(sample: Pair, mapped: np.ndarray) -> dict[str, float]:
    """Functional-marker preservation between healthy donors and patients; {} without groups."""
    if keys.GROUP not in sample.query.obs:
        return {}
    before, after, groups, batches = [], [], [], []
    for x, moved, batch in ((sample.query, mapped, "1"), (sample.target, values(sample.target), "2")):
        names = samples(x)
        for name in np.unique(names):
            rows = names == name
            if rows.sum() >= 20:
                before.append(values(x)[rows].mean(axis=0))
                after.append(moved[rows].mean(axis=0))
                groups.append("HD" if name.startswith("HD") else "patient")
                batches.append(batch)
    design = [np.array(column) for column in (before, after, groups, batches)]
    if min(((design[3] == b) & (design[2] == g)).sum() for b in "12" for g in ("HD", "patient")) < 2:
        return {}
    kept, change = open_problems.functional_marker_preservation(*design)
    return {"functional_marker_preservation_wilcoxon": kept, "functional_marker_preservation_cohens_d": change}
