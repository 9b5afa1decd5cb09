"""A UMAP of cells before and after the map, on the same coordinates."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from magan import keys
from magan.figures.style import GREY, GROUP_COLOURS, PALE, empty, label, new, styled

NAMED = 7  # populations with a colour of their own; more could not be told apart


@styled
def umap(truth: AnnData, mapped: AnnData, *, digest: str, n_cells: int = 3000, seed: int = 0) -> Figure:
    """Cells of all batches before and after the map, coloured by batch and, where known, by population.

    One UMAP is fitted to the reference, the cells before and the cells after together, so the panels share their
    coordinates. It draws neighbourhoods, not distances; no score is read from it.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]`` as measured, ``obs["batch"]``, ``uns["reference"]``.
    mapped
        The same cells after the map; of seeds, their consensus is drawn.
    digest
        Of the data, written at the foot.
    n_cells
        The most points that are drawn, over all three sets.
    seed
        Of the choice of cells and of UMAP.
    """
    name = label(str(mapped.uns.get("method", "")), str(mapped.uns.get("arm", "")))
    title = f"Cells before and after {name}: {mapped.uns.get('dataset', '')}"
    if mapped.uns.get("error"):
        return empty(title, f"{name} failed: {mapped.uns['error']}", digest)
    points = _points(truth, mapped, n_cells, seed)
    features = points.drop(columns=[keys.BATCH, keys.CELL_TYPE, "part"]).to_numpy(np.float32)
    points[["x", "y"]] = _fit(features, seed)
    known = keys.CELL_TYPE in truth.obs
    foot = f"{len(points):,} points, one UMAP of all (seed {seed})"
    figure = new(4.2 if not known else 7.4, title, foot, digest)
    grid = figure.subplots(2 if known else 1, 2, squeeze=False, sharex=True, sharey=True)
    for column, part in enumerate(("before", "after")):
        shown = points[points["part"].isin(["reference", part])].sample(frac=1, random_state=seed)
        _by_batch(grid[0, column], shown, str(truth.uns["reference"]))
        grid[0, column].set_title(f"{part}, by batch")
        if known:
            _by_population(grid[1, column], shown, points)
            grid[1, column].set_title(f"{part}, by population")
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def _points(truth: AnnData, mapped: AnnData, n_cells: int, seed: int) -> pd.DataFrame:
    """The three sets of cells one above the other: markers, batch, population and part."""
    draw = np.random.default_rng(seed)
    batch = truth.obs[keys.BATCH].astype(str)
    reference = np.flatnonzero(batch == str(truth.uns["reference"]))
    query = truth.obs_names.get_indexer(mapped.obs_names)
    kept = [np.sort(draw.permutation(len(rows))[: n_cells // 3]) for rows in (reference, query)]
    before = truth.to_df(keys.PREPROCESSED)[list(mapped.var_names)]
    parts = {
        "reference": (before.iloc[reference[kept[0]]], reference[kept[0]]),
        "before": (before.iloc[query[kept[1]]], query[kept[1]]),
        "after": (mapped.to_df().iloc[kept[1]], query[kept[1]]),
    }
    population = (
        truth.obs[keys.CELL_TYPE].astype(str) if keys.CELL_TYPE in truth.obs else pd.Series("", truth.obs_names)
    )
    tables = []
    for part, (values, rows) in parts.items():
        known = {keys.BATCH: batch.iloc[rows].to_numpy(), keys.CELL_TYPE: population.iloc[rows].to_numpy()}
        tables.append(values.assign(**known, part=part))
    return pd.concat(tables, ignore_index=True)


def _fit(features: np.ndarray, seed: int) -> np.ndarray:
    from umap import UMAP  # compiles for seconds: only who draws one waits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return UMAP(random_state=seed, n_jobs=1).fit_transform(features)


def _by_batch(axes: Axes, shown: pd.DataFrame, reference: str) -> None:
    batches = [reference, *sorted(set(shown[keys.BATCH]) - {reference})]
    tints = {name: GREY if name == reference else GROUP_COLOURS[(i - 1) % NAMED] for i, name in enumerate(batches)}
    axes.scatter(shown["x"], shown["y"], c=shown[keys.BATCH].map(tints), s=4, lw=0, alpha=0.7, rasterized=True)
    names = [f"{name} (reference)" if name == reference else name for name in batches]
    handles = [Line2D([], [], ls="", marker="o", ms=5, color=tints[b], label=n) for b, n in zip(batches, names)]
    axes.legend(handles=handles, loc="lower left", handletextpad=0.1, borderpad=0)


def _by_population(axes: Axes, shown: pd.DataFrame, points: pd.DataFrame) -> None:
    largest = list(points[keys.CELL_TYPE].value_counts().index[:NAMED])
    tints = dict(zip(largest, GROUP_COLOURS))
    colours = shown[keys.CELL_TYPE].map(lambda name: tints.get(name, PALE))
    axes.scatter(shown["x"], shown["y"], c=colours, s=4, lw=0, alpha=0.7, rasterized=True)
    for name in largest:
        cells = shown[shown[keys.CELL_TYPE] == name]
        if len(cells):
            halo = [withStroke(linewidth=2.5, foreground="white")]
            centre = cells[["x", "y"]].median()
            x, y = cells.loc[((cells[["x", "y"]] - centre) ** 2).sum(axis=1).idxmin(), ["x", "y"]]  # on a cell
            axes.text(x, y, name, fontsize=9, ha="center", va="center", path_effects=halo)
