"""Numbers behind the interactive figures of a batch correction: counts of cells, quantiles and a sample of cells."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys

BINS = 40  # of a density
CELLS = 1500  # in the sample, over all batches
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
PARTS = 240  # most pairs of a batch and a population, so that a page stays small; the largest populations are shown
ROWS = 600  # most rows of a sample and a population; above this samples are shown over all cells alone
LEAST = 20  # cells that a row of quantiles needs
TAIL = 0.002  # share of cells on either side that the first and the last bin collect


def explorer(truth: AnnData, written: AnnData, seed: int = 0) -> dict[str, Any]:
    """Return what a page needs to draw any marker of any population of any batch.

    Parameters
    ----------
    truth
        Held-out cells: ``layers["preprocessed"]`` as measured, ``obs["batch"]``, ``uns["reference"]``;
        ``obs["sample"]`` and ``obs["cell_type"]`` if known.
    written
        Cells of all batches except the reference, ``X`` as written to files.
    seed
        Of the sample of cells.

    Returns
    -------
    dict
        ``markers``, those with the largest difference between batches first; ``batches``, ``reference``;
        ``populations``, "all" first and then the largest first; ``edges``, the ends of the bins of each marker;
        ``counts``, part -> side ("before", "after" or "reference") -> a list of `BINS` counts for each marker, where a
        part is "batch|population" and the sum of a list is the number of cells; ``samples``, rows of batch, sample,
        population and number of cells with the `QUANTILES` of each marker before and after; ``cells``, a random
        sample with batch, population, and values in hundredths of an arcsinh unit.
    """
    order = written.var_names
    measured = truth[:, order]
    before = pd.DataFrame(np.asarray(measured.layers[keys.PREPROCESSED]), truth.obs_names, order)
    after = before.copy()
    after.loc[written.obs_names] = np.asarray(written.X)
    obs = pd.DataFrame(
        {name: _words(truth, name) for name in (keys.BATCH, keys.SAMPLE, keys.CELL_TYPE)}, index=truth.obs_names
    )
    reference = str(truth.uns[keys.REFERENCE])
    obs = obs[obs[keys.BATCH].isin([reference, *_words(written, keys.BATCH)])]
    before, after = before.loc[obs.index], after.loc[obs.index]
    batches = sorted(set(obs[keys.BATCH]) - {reference})
    populations = _populations(obs, len(batches) + 1)
    markers = _by_difference(before, obs[keys.BATCH], reference)
    before, after = before[markers], after[markers]
    ends = pd.concat([before, after]).quantile([TAIL, 1 - TAIL])
    low, high = ends.iloc[0].to_numpy(), ends.iloc[1].to_numpy()
    high = np.where(high > low, high, low + 1)
    sides = {"before": before, "after": after}
    counts = {
        f"{batch}|{population}": {
            "reference" if batch == reference else side: _counts(values.to_numpy()[rows], low, high)
            for side, values in sides.items()
            if batch != reference or side == "before"
        }
        for batch in (reference, *batches)
        for population, rows in _parts(obs, batch, populations)
    }
    return {
        "reference": reference,
        "batches": batches,
        "populations": populations,
        "markers": markers,
        "edges": [[_round(a), _round(b)] for a, b in zip(low, high)],
        "counts": counts,
        "samples": _samples(obs, sides, populations),
        "cells": _cells(obs, sides, populations, seed),
    }


def _words(adata: AnnData, name: str) -> np.ndarray:
    return adata.obs.get(name, pd.Series("", index=adata.obs_names)).astype(str).to_numpy()


def _populations(obs: pd.DataFrame, n_batches: int) -> list[str]:
    """All cells, then named populations, the largest first, as many as a page can hold."""
    named = obs.loc[~obs[keys.CELL_TYPE].str.lower().isin(keys.UNLABELLED), keys.CELL_TYPE]
    return [keys.ALL, *named.value_counts().index[: max(PARTS // n_batches - 1, 0)]]


def _by_difference(before: pd.DataFrame, batch: pd.Series, reference: str) -> list[str]:
    """Markers by the mean distance of their quantiles from the reference before the map, the largest first."""
    levels = np.linspace(0.01, 0.99, 50)
    goal = before[batch == reference].quantile(levels)
    gaps = [
        (rows.quantile(levels) - goal).abs().mean() for name, rows in before.groupby(batch) if str(name) != reference
    ]
    return list(pd.concat(gaps, axis=1).mean(axis=1).sort_values(ascending=False, kind="stable").index)


def _parts(obs: pd.DataFrame, batch: str, populations: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    inside = (obs[keys.BATCH] == batch).to_numpy()
    for population in populations:
        rows = np.flatnonzero(inside & ((obs[keys.CELL_TYPE] == population).to_numpy() | (population == keys.ALL)))
        if len(rows):
            yield population, rows


def _counts(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[list[int]]:
    """Count cells in bins for each marker; the first and the last bin hold all cells beyond them."""
    inside = np.clip((values - low) / (high - low) * BINS, 0, BINS - 1).astype(int)
    return [np.bincount(column, minlength=BINS).tolist() for column in inside.T]


def _samples(obs: pd.DataFrame, sides: dict[str, pd.DataFrame], populations: list[str]) -> list[dict[str, Any]]:
    names = obs[[keys.BATCH, keys.SAMPLE]].drop_duplicates()
    names = names[names[keys.SAMPLE] != ""].sort_values([keys.BATCH, keys.SAMPLE])
    shown = populations if len(names) * len(populations) <= ROWS else populations[:1]
    found = []
    for batch, sample in names.itertuples(index=False):
        here = obs[keys.SAMPLE] == sample
        for population, rows in _parts(obs[here], batch, shown):
            if len(rows) >= LEAST:
                quantiles = {side: _quantiles(values[here].to_numpy()[rows]) for side, values in sides.items()}
                found.append({"batch": batch, "sample": sample, "population": population, "n": len(rows), **quantiles})
    return found


def _quantiles(values: np.ndarray) -> list[list[float]]:
    return np.quantile(values, QUANTILES, axis=0).T.round(3).tolist()


def _cells(obs: pd.DataFrame, sides: dict[str, pd.DataFrame], populations: list[str], seed: int) -> dict[str, Any]:
    """Return equally many random cells of each batch, the same ones before and after."""
    draw = np.random.default_rng(seed)
    batches = [np.flatnonzero(rows) for rows in (obs[keys.BATCH] == name for name in sorted(set(obs[keys.BATCH])))]
    each = CELLS // len(batches)
    rows = np.sort(np.concatenate([draw.permutation(part)[:each] for part in batches]))
    place = {name: i for i, name in enumerate(populations)}
    return {
        "batch": obs[keys.BATCH].iloc[rows].tolist(),
        "population": [place.get(name, -1) for name in obs[keys.CELL_TYPE].iloc[rows]],
        **{side: np.rint(100 * values.iloc[rows].to_numpy()).astype(int).tolist() for side, values in sides.items()},
    }


def _round(x: float) -> float:
    return round(float(x), 3)
