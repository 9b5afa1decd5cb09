"""Figures of translated images: the maps of test images, and the scores of every method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.forest import forest, known_scores, of_dataset
from magan.figures.pictures import laid, ranked, shape_of, typical
from magan.figures.style import GREY, PALE, colour, counted, empty, label, lanes, marks, new, short, styled

# Of a seed: the first that is scored ranks it.
RANKING = ("retrieved", "l1", "class_accuracy", "frechet", "sliced_wasserstein")
SCORES = (
    *(
        "retrieved",
        "retrieved_ssim",
        "retrieved_outlines",
        "retrieved_features",
        "l1",
        "ssim",
        "class_accuracy",
        "taken_for_target",
    ),
    *("travel_cosine", "background_change", "frechet", "kid", "sliced_wasserstein"),
    *("precision", "recall", "density", "real_coverage"),
)


@styled
def translation_grid(
    truth: AnnData, mapped: Mapping[str, AnnData], metrics: pd.DataFrame, *, digest: str, n_images: int = 10
) -> Figure:
    """Inputs, what the arms make of them, and the true partners where they are known.

    Parameters
    ----------
    truth
        Images of both sets, ``uns["image"]["shape"]``; ``layers["truth"]``.
    mapped
        Arm -> its maps. Of the first arm the best, the median and the worst seed are shown, of the rest the median.
    metrics
        The tidy table, which ranks the seeds.
    digest
        Of the data, written at the foot.
    n_images
        Columns, spread over the test images, and over their classes where they have some.
    """
    arms = list(mapped)
    title = f"Translated images: {mapped[arms[0]].uns.get('dataset', '')}"
    names = _spread(truth, mapped[arms[0]], n_images)
    strips = {"input": np.asarray(truth[names].X)}
    answers = np.asarray(truth[names].layers[keys.TRUTH])
    if np.isfinite(answers).any():
        strips["truth"] = np.where(np.isfinite(answers), answers, 0.0 if shape_of(truth)[0] == 1 else 1.0)
    for i, arm in enumerate(arms):
        chosen = ranked(mapped[arm], metrics, RANKING) if i == 0 else [typical(mapped[arm], metrics, RANKING)]
        for found in filter(None, chosen):
            rank, seed, score, value = found
            at = f" ({short(value)})" if score and i == 0 else ""
            strips[f"{arm}\n{rank}{at}".strip()] = np.asarray(mapped[arm][names].layers[f"{keys.SEED}_{seed}"])
    if not any(name.startswith(tuple(arms)) for name in strips):
        return empty(title, "Every seed of every arm failed.", digest)
    first = ranked(mapped[arms[0]], metrics, RANKING)
    by = keys.SCORES[first[0][2]][0] if first and first[0][2] else ""
    foot = "test images" + (f" · seeds ranked by: {by}" if by else "")
    images = np.stack(list(strips.values())).reshape(len(strips), len(names), *shape_of(truth))
    figure = new(0.9 + 6.0 * len(strips) / len(names), title, foot, digest)
    laid(figure.subplots(), images, list(strips), gap=max(1, shape_of(truth)[1] // 16))
    return figure


def _spread(truth: AnnData, mapped: AnnData, n_images: int) -> list[str]:
    """Names of the images that are drawn: as many of every class, in the order in which they stand."""
    words = truth.obs[keys.CELL_TYPE].astype(str).loc[mapped.obs_names]
    each = max(n_images // words.nunique(), 1)
    names = [name for word in sorted(words.unique()) for name in words.index[words == word][:each]]
    return names[:n_images]


@styled
def translation_scores(metrics: pd.DataFrame, summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """Every score of every method that is known of a data set.

    Parameters
    ----------
    metrics, summary
        The tidy tables; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Scores of the translated images: {dataset}"
    metrics, summary = of_dataset("translation", dataset, metrics, summary)
    foot = "large: mean over seeds with its 95 % bootstrap interval · small: seeds · hollow: mean of all seeds"
    foot += "\ndashed: real images of the target against different real images"
    return forest(metrics, summary, known_scores(summary, SCORES), title, foot, digest)


@styled
def translation_retrieval(summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """The share of images whose true partner is among the nearest, against how many nearest.

    Parameters
    ----------
    summary
        The tidy table; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Is the true partner among the nearest? {dataset}"
    rows = summary[(summary["task"] == "translation") & (summary["dataset"] == dataset)]
    rows = rows[(rows["metric"] == "retrieved") & rows["group"].str.startswith("first ")]
    pairs = lanes(rows)
    if not pairs:
        return empty(title, "No true partner is known.", digest)
    rows = rows.assign(most=rows["group"].str.removeprefix("first ").astype(int)).sort_values("most")
    n_seeds = int(pd.to_numeric(rows["n_seeds"]).max())
    foot = f"lines: mean over {counted(n_seeds, 'seed')}; bands: 95 % bootstrap interval over seeds"
    foot += "\npartners of 100 test images, or of all where they are fewer, by the distance of pixels"
    figure = new(3.6, title, foot, digest)
    axes, shapes = figure.subplots(), marks(pairs)
    ends = []
    for pair in pairs:
        of_method = rows[(rows["method"] == pair[0]) & (rows["arm"] == pair[1]) & np.isfinite(rows["mean"])]
        if of_method.empty:
            continue
        dashed: dict[str, Any] = {"ls": (0, (4, 2))} if pair[1] == keys.BASELINE else {}
        tint = colour(*pair)
        axes.plot(
            of_method["most"], of_method["mean"], marker=shapes.get(pair, "."), ms=4.5, lw=1.4, color=tint, **dashed
        )
        axes.fill_between(of_method["most"], of_method["low"], of_method["high"], color=tint, alpha=0.15, lw=0)
        ends.append((float(of_method["mean"].iloc[0]), label(*pair), tint))
    _named_at_the_left(axes, ends)
    axes.set_xscale("log")
    ticks = sorted(rows["most"].unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set(
        xlabel="nearest that are looked at", ylabel="share of images", ylim=(-0.04, 1.03), xlim=(0.4, ticks[-1] * 1.1)
    )
    axes.grid(axis="y", color=PALE, lw=0.6)
    return figure


def _named_at_the_left(axes, ends: Sequence[tuple[float, str, object]], gap: float = 0.055) -> None:
    """Names of lines where they begin, moved where they would overlap."""
    height = -np.inf
    for value, name, tint in sorted(ends, key=lambda end: end[0]):
        height = max(value, height + gap)
        axes.annotate(
            f"{name} {short(value)}",
            (1, value),
            (0.9, height),
            color=GREY if tint == GREY else tint,
            fontsize=9,
            ha="right",
            va="center",
        )


FIGURES = {
    "translation_grid": Drawing(
        translation_grid,
        "What the maps do to an image",
        "Test images of one set, their true partners if known, and their maps: by the best, the median and the worst "
        "seed of the first arm, and by the median seed of all further arms. Images were not selected.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.mapped, "metrics": r.metrics},
    ),
    "translation_scores": Drawing(
        translation_scores,
        "Scores of the translated images",
        "Large points are means over seeds with their 95 % bootstrap interval, small points are seeds, hollow diamonds "
        "are the mean image of all seeds, grey points are baselines. Dashed: the floor, the score of real target "
        "images against different real target images. Features are those of a classifier trained only on real images; "
        "do not compare distances on them with published distances.",
        "svg",
        lambda r: {"metrics": r.metrics, "summary": r.summary, "dataset": r.dataset},
    ),
    "translation_retrieval": Drawing(
        translation_retrieval,
        "Is the true partner among the nearest?",
        "For every mapped image the real partners are sorted by their distance from it. A line is the share of images "
        "whose true partner is among the nearest 1, 2, 5, ... partners. Dashed lines are baselines.",
        "svg",
        lambda r: {"summary": r.summary, "dataset": r.dataset},
    ),
    "loss_curves": LOSS_CURVES,
}


def shown(arms: Mapping[str, str], baselines: Sequence[str], summary: pd.DataFrame) -> list[str]:
    """Every arm: a reader compares images by eye."""
    return list(arms)
