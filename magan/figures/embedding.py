"""A UMAP of cells before and after the map, in the same coordinates."""

import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from magan import keys
from magan.figures.style import GREY, GROUP_COLOURS, PALE, empty, label, new, styled

NAMED = len(GROUP_COLOURS)  # populations with a separate colour; more colours could not be distinguished
OTHER = "other"
N_NEIGHBOURS = 15  # UMAP's default


@styled
def umap(truth: AnnData, mapped: AnnData, *, digest: str, n_cells: int = 3000, seed: int = 0) -> Figure:
    """Draw cells of all batches before and after the map, coloured by batch and, if known, by population.

    A single UMAP is fitted to the reference cells, the cells before and the cells after the map, so the panels have the
    same coordinates. UMAP shows neighbourhoods, not distances; no score depends on it.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` as measured, ``obs["batch"]``, ``uns["reference"]``.
    mapped
        The same cells after the map; for several seeds the consensus is drawn.
    digest
        Digest of the data, written at the foot.
    n_cells
        Greatest number of points, over all three sets.
    seed
        Seed of the choice of cells and of UMAP.
    """
    name = label(str(mapped.uns.get("method", "")), str(mapped.uns.get("arm", "")))
    title = f"Cells before and after the map: {mapped.uns.get('dataset', '')}"
    if mapped.uns.get("error"):
        return empty(title, f"{name} failed: {mapped.uns['error']}", digest)
    points = _points(truth, mapped, n_cells, seed)
    features = points.drop(columns=[keys.BATCH, keys.CELL_TYPE, "part"]).to_numpy(np.float32)
    points[["x", "y"]] = coordinates(features, seed)
    known = keys.CELL_TYPE in truth.obs
    foot = f"{len(points):,} points, one UMAP of all (seed {seed})"
    figure = new(4.2 if not known else 7.8, title, foot, digest)
    rows = figure.subfigures(2 if known else 1, 1, squeeze=False)[:, 0]  # each with a key below it
    _row(rows[0], points, seed, "batch", *_batches(points, str(truth.uns["reference"])))
    if known:
        _row(rows[1], points, seed, "population", *populations(points[keys.CELL_TYPE]))
    return figure


def _points(truth: AnnData, mapped: AnnData, n_cells: int, seed: int) -> pd.DataFrame:
    """Concatenate the three sets of cells: columns are markers, batch, population and part."""
    draw = np.random.default_rng(seed)
    batch = truth.obs[keys.BATCH].astype(str)
    reference = np.flatnonzero(batch == str(truth.uns["reference"]))
    query = truth.obs_names.get_indexer(mapped.obs_names)
    sampled = [np.sort(draw.permutation(len(rows))[: n_cells // 3]) for rows in (reference, query)]
    before = truth.to_df(keys.PREPROCESSED)[list(mapped.var_names)]
    parts = {
        "reference": (before.iloc[reference[sampled[0]]], reference[sampled[0]]),
        "before": (before.iloc[query[sampled[1]]], query[sampled[1]]),
        "after": (mapped.to_df().iloc[sampled[1]], query[sampled[1]]),
    }
    population = (
        truth.obs[keys.CELL_TYPE].astype(str) if keys.CELL_TYPE in truth.obs else pd.Series("", truth.obs_names)
    )
    tables = []
    for part, (values, rows) in parts.items():
        known = {keys.BATCH: batch.iloc[rows].to_numpy(), keys.CELL_TYPE: population.iloc[rows].to_numpy()}
        tables.append(values.assign(**known, part=part))
    return pd.concat(tables, ignore_index=True)


def coordinates(features: np.ndarray, seed: int) -> np.ndarray:
    """Return the UMAP coordinates of each row, ``(n, M) -> (n, 2)``."""
    from sklearn.neighbors import NearestNeighbors  # here: the report draws nothing
    from umap import UMAP, layouts, umap_

    for function in (*vars(layouts).values(), *vars(umap_).values()):
        if hasattr(function, "enable_caching"):  # numba compiles it for seconds: once on a machine, not in each process
            with suppress(RuntimeError):  # no folder for the compiled code
                function.enable_caching()
    near = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(features))).fit(features)
    distances, rows = near.kneighbors(features)  # UMAP's own search compiles for twice as long
    found = rows, distances
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return UMAP(N_NEIGHBOURS, random_state=seed, n_jobs=1, precomputed_knn=found).fit_transform(features)


def _row(figure: SubFigure, points: pd.DataFrame, seed: int, by: str, groups: pd.Series, tints: dict) -> None:
    """Draw the panels before and after, and a key of colours below them."""
    for axes, part in zip(figure.subplots(1, 2, sharex=True, sharey=True), ("before", "after")):
        shown = points[points["part"].isin(["reference", part])].sample(frac=1, random_state=seed)
        axes.scatter(shown["x"], shown["y"], c=groups[shown.index].map(tints), s=4, lw=0, alpha=0.7, rasterized=True)
        axes.set_title(f"{part}, by {by}")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    handles = [Line2D([], [], ls="", marker="o", ms=5, color=tint, label=name) for name, tint in tints.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, handletextpad=0.1, columnspacing=1.4)


def _batches(points: pd.DataFrame, reference: str) -> tuple[pd.Series, dict[str, str]]:
    """Return the batch of every point, and a colour for each batch; the reference is grey."""
    names = {reference: f"{reference} (reference)"} | {b: b for b in sorted(set(points[keys.BATCH]) - {reference})}
    tints = [GREY, *(GROUP_COLOURS[i % NAMED] for i in range(len(names) - 1))]
    return points[keys.BATCH].map(names), dict(zip(names.values(), tints))


def populations(cell_type: pd.Series) -> tuple[pd.Series, dict[str, str]]:
    """Return the population of every point, and colours of the largest; small or unnamed populations are pale."""
    named = cell_type[~cell_type.str.lower().isin([*keys.UNLABELLED, OTHER])]
    largest = list(named.value_counts().index[:NAMED])
    groups = cell_type.where(cell_type.isin(largest), OTHER)
    tints = dict(zip(largest, GROUP_COLOURS))
    return groups, tints | ({OTHER: PALE} if OTHER in set(groups) else {})
