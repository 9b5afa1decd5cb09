"""How the values of markers are distributed in files and batches, before any correction."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.metrics.batch_distance import emd, split_half

SAMPLED = 5000  # cells of a batch that are compared with cells of the remaining batches
PAIRS = 200  # of batches: with more, each is compared with fewer cells
BINS = 40  # of a histogram


class Histogram(NamedTuple):
    """A marker in arcsinh units: ``edges (K + 1,)`` of bins, and path -> shares of the file's cells ``(K,)``."""

    edges: np.ndarray
    shares: dict[str, np.ndarray]


def sampled(adata: AnnData | None) -> dict[str, AnnData]:
    """Batch -> some of its cells, with the markers to be corrected."""
    if adata is None:
        return {}
    of = adata.obs[keys.BATCH].astype(str).to_numpy()
    names = list(dict.fromkeys(of))
    n = SAMPLED if len(names) * (len(names) - 1) / 2 <= PAIRS else SAMPLED // 10
    random = np.random.default_rng(0)
    chosen = {name: random.permutation(np.flatnonzero(of == name))[:n] for name in names}
    markers = adata.var[keys.TO_CORRECT].to_numpy(dtype=bool)
    return {name: adata[rows, markers].copy() for name, rows in chosen.items()}


def below(sampled: Mapping[str, AnnData]) -> pd.DataFrame:
    """Shares of zeros and of negatives among what was measured."""
    parts = []
    for batch, cells in sampled.items():
        x = np.asarray(cells.X)
        known = np.maximum(np.isfinite(x).sum(axis=0), 1)
        shares = {"zeros": (x == 0).sum(axis=0) / known, "negatives": (x < 0).sum(axis=0) / known}
        seen = np.isfinite(x).any(axis=0)
        parts.append(pd.DataFrame({keys.BATCH: batch, "marker": cells.var_names, **shares})[seen])
    columns = [keys.BATCH, "marker", "zeros", "negatives"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def effects(sampled: Mapping[str, AnnData]) -> pd.DataFrame:
    """EMD of every marker between every two batches, in arcsinh units, with the EMD of halves of a batch as floor."""
    values = {batch: np.asarray(cells.layers[keys.PREPROCESSED]) for batch, cells in sampled.items()}
    halves = {batch: [x[rows] for rows in split_half(x)] for batch, x in values.items()}
    floors = {batch: emd(first[None], second)[0] for batch, (first, second) in halves.items()}
    parts = []
    for first, second in itertools.combinations(values, 2):
        # Halves are half as many cells: the floor of whole samples is that much lower.
        floor = np.maximum(floors[first], floors[second]) / np.sqrt(2)
        distance = emd(values[first][None], values[second])[0]
        both = np.isfinite(distance)
        table = {
            keys.BATCH: first,
            "other": second,
            "marker": sampled[first].var_names,
            "emd": distance,
            "floor": floor,
        }
        parts.append(pd.DataFrame(table)[both])
    columns = [keys.BATCH, "other", "marker", "emd", "floor"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def histograms(files: Files, adata: AnnData | None) -> dict[str, Histogram]:
    """Marker -> its distribution in each file, of a subsample, for the markers that are corrected."""
    if adata is None:
        return {}
    values = {path: _some(cells) for path, cells in files.cells.items()}
    found = {}
    for marker in adata.var_names[adata.var[keys.TO_CORRECT].to_numpy(bool)]:
        columns = {path: x[marker].to_numpy() for path, x in values.items() if marker in x}
        low, high = np.percentile(np.concatenate(list(columns.values())), (0.1, 99.9))
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        shares = {path: np.histogram(np.clip(x, low, high), edges)[0] / len(x) for path, x in columns.items()}
        found[str(marker)] = Histogram(edges, shares)
    return found


def _some(cells: AnnData) -> pd.DataFrame:
    return cells[:: max(1, cells.n_obs // SAMPLED)].to_df(keys.PREPROCESSED)
