"""Figures of cell matching: the places of mapped cells among real cells, and the scores of every method."""

from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.forest import forest, known_scores, of_dataset
from magan.figures.style import GREY, GROUP_COLOURS, METHOD_COLOURS, PALE, counted, empty, label, new, styled

SCORES = ("foscttm", "label_accuracy")
REAL, MAPPED = GREY, METHOD_COLOURS["magan"]
OTHER = "other"


@styled
def matching_cells(truth: AnnData, mapped: AnnData, *, digest: str, seed: int = 0) -> Figure:
    """Real and mapped cells of the target on the real cells' two main directions, and mapped cells by population.

    The first draw of the pairs; the directions are the first two principal components of the real cells.

    Parameters
    ----------
    truth
        As in `folds`: mapped cells (``obs["fold"]``, ``obs["known_pair"]``) and real cells (domain "2").
    mapped
        Cells after the map; of seeds, their consensus is drawn.
    digest
        Of the data, written at the foot.
    seed
        Of the order in which cells are painted.
    """
    name = label(str(mapped.uns["method"]), str(mapped.uns["arm"]))
    title = f"Cells mapped by {name}: {mapped.uns.get('dataset', '')}"
    if mapped.uns.get("error") or not np.isfinite(np.asarray(mapped.X)).all():
        return empty(title, f"{name} failed: {mapped.uns.get('error') or 'every seed failed'}", digest)
    about = cast(pd.DataFrame, truth.obs).loc[mapped.obs_names]
    first = (about[keys.FOLD] == about[keys.FOLD].iloc[0]).to_numpy()
    real = truth[(truth.obs[keys.DOMAIN].astype(str) == "2").to_numpy(), mapped.var_names]
    onto, shares = _directions(np.asarray(real.layers[keys.PREPROCESSED], dtype=np.float64))
    places = {"real": onto(real.layers[keys.PREPROCESSED]), "mapped": onto(np.asarray(mapped.X)[first])}
    is_training_pair = about[keys.KNOWN_PAIR].to_numpy(bool)[first]
    foot = (
        f"{len(places['real']):,} real and {len(places['mapped']):,} mapped cells, {is_training_pair.sum()} known pairs"
    )
    foot += f" · mean of {counted(len(np.atleast_1d(mapped.uns['seeds'])), 'seed')}" if _trained(mapped) else ""
    figure = new(4.1, title, foot + "\ndirections of the real cells", digest)
    left, right = cast(np.ndarray, figure.subfigures(1, 2))
    kinds = np.repeat(["real", "mapped"], [len(places["real"]), len(places["mapped"])])
    _points(left, np.concatenate(list(places.values())), kinds, {"real": REAL, "mapped": MAPPED}, "by set", seed)
    labels, tints = _populations(about[keys.CELL_TYPE].astype(str)[first], real.obs[keys.CELL_TYPE].astype(str))
    axes = _points(right, places["mapped"], labels, tints, "mapped cells by population", seed)
    axes.plot(*places["mapped"][is_training_pair].T, "o", ms=5, mfc="none", mec="black", mew=0.9)
    for panel in (left.axes[0], axes):
        panel.set(xlabel=f"direction 1 ({shares[0]:.0%} of variance)", ylabel=f"direction 2 ({shares[1]:.0%})")
        panel.set(xlim=left.axes[0].get_xlim(), ylim=left.axes[0].get_ylim())
    return figure


def _trained(mapped: AnnData) -> bool:
    return str(mapped.uns["arm"]) not in keys.SEEDLESS


def _directions(values: np.ndarray):
    """Onto the first two principal components, and the share of the variance along each."""
    mean = values.mean(axis=0)
    _, size, axes = np.linalg.svd(values - mean, full_matrices=False)
    # The sign of a component is arbitrary: its largest entry is made positive.
    axes = axes[:2] * np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return (lambda x: (np.asarray(x, dtype=np.float64) - mean) @ axes.T), size[:2] ** 2 / (size**2).sum()


def _points(figure: SubFigure, places: np.ndarray, groups: np.ndarray, tints: dict, title: str, seed: int) -> Axes:
    axes = figure.subplots()
    order = np.random.default_rng(seed).permutation(len(places))
    colours = np.array([tints[group] for group in groups])[order]
    axes.scatter(*places[order].T, c=colours, s=5, lw=0, alpha=0.7, rasterized=True)
    axes.set(xticks=[], yticks=[], title=title)
    handles = [Line2D([], [], ls="", marker="o", ms=5, color=tint, label=name) for name, tint in tints.items()]
    if title != "by set":
        handles.append(Line2D([], [], ls="", marker="o", ms=5, mfc="none", mec="black", label="known pair"))
    figure.legend(handles=handles, loc="outside lower left", ncols=3, handletextpad=0.1, columnspacing=1.2)
    return axes


def _populations(labels: pd.Series, everywhere: pd.Series) -> tuple[np.ndarray, dict[str, str]]:
    """Population of each cell, and a colour for the largest; the rest, and what has no name, is pale."""
    named = everywhere[~everywhere.str.lower().isin(keys.UNLABELLED)]
    largest = sorted(named.value_counts().index[: len(GROUP_COLOURS)])
    groups = labels.where(labels.isin(largest), OTHER).to_numpy()
    return groups, dict(zip(largest, GROUP_COLOURS)) | ({OTHER: PALE} if OTHER in groups else {})


@styled
def matching_scores(metrics: pd.DataFrame, summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """FOSCTTM and label transfer of every method, and of every draw of the known pairs.

    Parameters
    ----------
    metrics, summary
        The tidy tables; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Scores of the mapped cells: {dataset}"
    metrics, summary = of_dataset("matching", dataset, metrics, summary)
    n_draws = max(metrics.loc[metrics["group"] != keys.ALL, "group"].nunique(), 1)
    n_seeds = int(max(pd.to_numeric(summary["n_seeds"]), default=0))
    foot = f"large: mean over {counted(n_seeds, 'seed')} and {counted(n_draws, 'draw')} of the pairs, with its 95 % "
    foot += "bootstrap interval over seeds\nsmall: one draw, mean over seeds · hollow: mean of all seeds"
    foot += "\ndashed: chance, or what real cells reach"
    scores = known_scores(summary, SCORES)
    return forest(_draws(metrics), summary, scores, title, foot, digest, chance={"foscttm": 0.5})


def _draws(metrics: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds of each draw of the pairs, in the place of the seeds themselves."""
    of = metrics[(metrics["group"] != keys.ALL) & (metrics["seed"] != keys.CONSENSUS)]
    means = of.groupby(["method", "arm", "metric", "group"], as_index=False)["value"].mean()
    numbers = means.groupby(["method", "arm", "metric"]).cumcount()
    return means.assign(seed=numbers, group=keys.ALL, feature=keys.ALL)


FIGURES = {
    "matching_scores": Drawing(
        matching_scores,
        "Are cells mapped close to their true partners?",
        "FOSCTTM is the share of target cells that are closer to a mapped cell than its true partner (.5 is chance). "
        "Label transfer is the share of mapped cells whose five nearest real cells have the same label. Both exclude "
        "cells of known pairs. Large points are means with their 95 % bootstrap interval over seeds, small points are "
        "draws of the known pairs, hollow diamonds are the mean of the maps of all seeds, grey points are baselines.",
        "svg",
        lambda r: {"metrics": r.metrics, "summary": r.summary, "dataset": r.dataset},
    ),
    "matching_cells": Drawing(
        matching_cells,
        "Positions of the mapped cells",
        "Real cells and mapped cells in the target's space, along the two directions in which the real cells vary "
        "most. If the colours of the left panel are separate, the map missed the distribution. If the colours of the "
        "right panel are mixed, it lost the populations.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.headline},
    ),
    "loss_curves": LOSS_CURVES,
}
