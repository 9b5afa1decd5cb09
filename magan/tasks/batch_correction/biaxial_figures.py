"""Figures that compare the maps of all arms: cells by two markers, and how many seeds preserve the populations."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import binomtest

from magan import keys
from magan.figures.drawing import Drawing
from magan.figures.embedding import populations
from magan.figures.pictures import typical
from magan.figures.style import (
    GREY,
    INK,
    PALE,
    colour,
    counted,
    empty,
    key,
    label,
    lanes,
    new,
    panels,
    seeds_of,
    styled,
)

COLUMNS = 4
MOST = 1500  # cells of a panel
PRESERVED = 0.9  # least label transfer of a seed that preserves the populations, as for digits
OUTER = 0.001  # share of cells beyond each end of an axis
MARGIN = np.array([-0.3, 0.3])  # beyond them, arcsinh units


@styled
def biaxial(
    truth: AnnData, mapped: Mapping[str, AnnData], metrics: pd.DataFrame, *, digest: str, seed: int = 0
) -> Figure:
    """Draw two markers of the reference, of each further batch as measured, and of its map by every arm.

    Of an arm, the map of its median seed by label transfer is drawn: the mean of maps that permute populations in
    different ways lies between the populations.

    Parameters
    ----------
    truth
        ``layers["preprocessed"]``, ``obs["batch"]``, ``uns["reference"]`` and ``uns["biaxial"]``, the two markers.
    mapped
        Arm -> its maps.
    metrics
        The tidy table; seeds are ranked by its ``label_transfer``.
    digest
        Of the data, written at the foot.
    seed
        Of the choice of cells and of the order in which they are painted.
    """
    x, y = (str(marker) for marker in truth.uns[keys.BIAXIAL])
    measured, batch = truth.to_df(keys.PREPROCESSED)[[x, y]], truth.obs[keys.BATCH].astype(str)
    kinds = truth.obs[keys.CELL_TYPE] if keys.CELL_TYPE in truth.obs else pd.Series("", index=truth.obs_names)
    groups, tints = populations(kinds.astype(str))
    reference = str(truth.uns[keys.REFERENCE])
    sets = {f"{reference}, reference": measured[(batch == reference).to_numpy()]}
    for name in sorted(set(batch) - {reference}):
        sets[f"{name}, as measured"] = measured[(batch == name).to_numpy()]
        for maps in mapped.values():
            inside = (batch.loc[maps.obs_names] == name).to_numpy()
            found = typical(maps, metrics, ("label_transfer",))
            title = f"{name}, {label(str(maps.uns['method']), str(maps.uns['arm']))}"
            drawn = maps.to_df(f"{keys.SEED}_{found[1]}").loc[inside, [x, y]] if found else measured[:0]
            sets[title] = drawn.dropna()  # a seed that failed has no number
    figure = new(1.3 + 1.9 * -(-len(sets) // COLUMNS), "", f"at most {MOST:,} cells a panel · median seed", digest)
    every = pd.concat([part for part in sets.values() if len(part)])
    limits = [every[marker].quantile([OUTER, 1 - OUTER]).to_numpy() + MARGIN for marker in (x, y)]
    for i, (axes, (name, part)) in enumerate(zip(panels(figure, len(sets), COLUMNS), sets.items())):
        _cells(axes, part, groups, tints, seed)
        axes.set_title("\n".join(name.split(", ", 1)), fontsize=9)
        axes.set(xlim=limits[0], ylim=limits[1], xlabel=x if i >= len(sets) - COLUMNS else "")
        axes.set_ylabel(y if i % COLUMNS == 0 else "")
    handles = [Line2D([], [], ls="", marker="o", ms=5, color=tint, label=name) for name, tint in tints.items()]
    handles.append(Line2D([], [], ls="", marker="P", ms=6, mfc="white", mec=INK, label="median of a population"))
    key(figure, f"Each arm's map by {x} and {y}: {truth.uns.get(keys.DATASET, '')}", handles, 4)
    return figure


def _cells(axes: Axes, part: pd.DataFrame, groups: pd.Series, tints: dict[str, str], seed: int) -> None:
    if part.empty:
        axes.text(0.5, 0.5, "failed", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    drawn = part.iloc[np.random.default_rng(seed).permutation(len(part))[:MOST]]
    axes.scatter(*drawn.to_numpy().T, c=groups[drawn.index].map(tints), s=3, lw=0, alpha=0.6, rasterized=True)
    medians = part.groupby(groups[part.index], observed=True).median()
    for name, tint in tints.items():
        if name in medians.index and tint != PALE:
            x, y = medians.loc[[name]].to_numpy()[0]
            axes.plot(x, y, "P", ms=6, mfc=tint, mec="white", mew=0.8)


@styled
def population_seeds(metrics: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """Draw the share of seeds of each arm whose label transfer is above .9, with its 95 % Wilson interval.

    Parameters
    ----------
    metrics
        The tidy table; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"How often the map preserves the populations: {dataset}"
    table = metrics[(metrics["task"] == "batch") & (metrics["dataset"] == dataset) & seeds_of(metrics).notna()]
    table = table[(table["metric"] == "label_transfer") & (table["group"] == keys.ALL) & table["value"].notna()]
    pairs = lanes(table)
    if not pairs:
        return empty(title, "No seed was scored.", digest)
    figure = new(1.0 + 0.34 * len(pairs), title, "black: 95 % Wilson interval", digest)
    (axes,) = panels(figure, 1, 1)
    for place, pair in enumerate(pairs):
        values = table[(table["method"] == pair[0]) & (table["arm"] == pair[1])]["value"]
        n, right = len(values), int((values > PRESERVED).sum())
        low, high = binomtest(right, n).proportion_ci(method="wilson")
        axes.barh(place, right / n, height=0.6, color=colour(*pair))
        axes.plot([low, high], [place] * 2, color=INK, lw=1.2)
        axes.text(1.02, place, f"{right} of {counted(n, 'seed')}", va="center", fontsize=9)
    axes.set_yticks(range(len(pairs)), [label(*pair) for pair in pairs])
    axes.set(ylim=(len(pairs) - 0.4, -0.6), xlim=(0, 1), xticks=np.linspace(0, 1, 5))
    axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    return figure


def compares(results) -> bool:
    """Say whether the study asks for these figures: its setting ``biaxial``."""
    return keys.BIAXIAL in results.truth.uns


BIAXIAL = {
    "biaxial": Drawing(
        biaxial,
        "The map of every arm by two markers",
        "Held-out cells of the reference, of each further batch as measured, and mapped by each arm: the seed whose "
        "label transfer is the median. Colours are populations, crosses their medians. A map is right where each "
        "colour lies where it lies in the reference.",
        "png",
        lambda r: {"truth": r.truth, "mapped": {arm: r.mapped[arm] for arm in r.arms}, "metrics": r.metrics},
        compares,
    ),
    "population_seeds": Drawing(
        population_seeds,
        "How often the map preserves the populations",
        "The share of seeds in which more than .9 of the mapped cells lie among reference cells of their population "
        "(label transfer, the mean over populations). The black line is its 95 % Wilson interval.",
        "svg",
        lambda r: {"metrics": r.metrics, "dataset": r.dataset},
        compares,
    ),
}
