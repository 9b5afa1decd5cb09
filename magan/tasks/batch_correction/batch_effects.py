"""Measure the batch effects before correction."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.metrics import batch_distance, batch_mixing

CELLS = 5000  # compared cells of a batch
PAIR = ["batch_1", "batch_2"]


class Effects(NamedTuple):
    """Batch effects in three tables."""

    emd: pd.DataFrame  # batch_1, batch_2, marker, emd, floor (`batch_distance.sampling`)
    samples: pd.DataFrame  # sample, batch, n, x, y: samples as points
    auc: pd.DataFrame  # batch_1, batch_2, auc (`batch_mixing.batch_auc`)


def before(truth: AnnData) -> Effects:
    """Batch effects as measured.

    Every pair of batches is compared, over the first 5,000 cells of a fixed
    permutation of either. Samples are placed by classical multidimensional scaling
    of their median marker values: distances between points approximate, in two
    dimensions, the Euclidean distances between samples in arcsinh units. The sign of
    each axis makes its largest entry positive. A single sample is at the origin. A
    difference between batches may be biology: these tables cannot separate the two,
    see `groups.confounded`.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]``, ``obs["batch"]`` and, if known, ``obs["sample"]``; else each batch is a sample.
    """
    batches = truth.obs[keys.BATCH].astype(str).to_numpy()
    values = np.asarray(truth.layers[keys.PREPROCESSED])
    cells = {}
    for name in np.unique(batches):
        batch_values = values[batches == name]
        cells[name] = batch_values[batch_distance.shuffled(len(batch_values))[:CELLS]]
    emds, aucs = [], []
    for first, second in combinations(cells, 2):
        x, y = cells[first], cells[second]
        pair = dict(zip(PAIR, (first, second)))
        columns = {"emd": batch_distance.emd(x[None], y)[0], "floor": batch_distance.sampling(y, len(x))}
        emds.append(pd.DataFrame({**pair, keys.MARKER: truth.var_names, **columns}))
        aucs.append({**pair, "auc": batch_mixing.batch_auc(x[None], y)[0]})
    emd = pd.concat(emds, ignore_index=True) if emds else pd.DataFrame(columns=[*PAIR, keys.MARKER, "emd", "floor"])
    return Effects(emd, _samples(truth, values, batches), pd.DataFrame(aucs, columns=[*PAIR, "auc"]))


def _samples(truth: AnnData, values: np.ndarray, batches: np.ndarray) -> pd.DataFrame:
    names = truth.obs[keys.SAMPLE].astype(str).to_numpy() if keys.SAMPLE in truth.obs else batches
    table = pd.DataFrame({keys.SAMPLE: names, keys.BATCH: batches}).groupby([keys.SAMPLE, keys.BATCH], sort=True).size()
    table = table.rename("n").reset_index()
    medians = np.stack(
        [
            np.median(values[(names == s) & (batches == b)], axis=0)
            for s, b in zip(table[keys.SAMPLE], table[keys.BATCH])
        ]
    )
    table[["x", "y"]] = classical_scaling(medians.astype(np.float64))
    return table


def classical_scaling(points: np.ndarray) -> np.ndarray:
    """The two directions in which ``points (n, M)`` vary most, ``(n, 2)``, centred; zeros where there are fewer."""
    left, scale, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    axes = (left * scale)[:, :2]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0) + 1e-300)
    return np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
