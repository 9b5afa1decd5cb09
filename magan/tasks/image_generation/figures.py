"""Figures of generated images: samples, scores, and missing classes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure

from magan import keys
from magan.figures.curves import LOSS_CURVES
from magan.figures.drawing import Drawing
from magan.figures.forest import forest, known_scores, of_dataset
from magan.figures.pictures import laid, shape_of, typical
from magan.figures.style import GREY, INK, counted, empty, lanes, new, panels, seeds_of, short, styled

RANKING = ("frechet", "l1", "sliced_wasserstein")  # the first that is scored ranks the seeds of an arm
SHOWN = 9  # scores: the first that are known of
SCORES = (
    *("frechet", "kid", "modes", "precision", "recall", "entropy_score", "density", "real_coverage"),
    *("class_accuracy", "sliced_wasserstein"),
)
COLUMNS = 4  # arms in a row
ACROSS, DOWN = 8, 10  # samples of an arm
COVERED = 0.1  # share of a class, made over real, below which it counts as dropped


@styled
def generation_grid(truth: AnnData, mapped: Mapping[str, AnnData], metrics: pd.DataFrame, *, digest: str) -> Figure:
    """Samples of the median seed of every arm, and real images first.

    Parameters
    ----------
    truth
        Test images, ``uns["image"]["shape"]``.
    mapped
        Arm -> its samples, row by row of the test images. An arm that is conditioned on classes has a row of
        pictures for each class. Of an arm that is conditioned on images, pictures stand below their image.
    metrics
        The tidy table, which ranks the seeds.
    digest
        Of the data, written at the foot.
    """
    arms = list(mapped)
    title = f"Images made: {mapped[arms[0]].uns.get('dataset', '')}"
    foot = "first samples of the median seed of each arm, none chosen"
    foot += "\nrows are classes where these were asked for, or stand below the images that were given"
    shape = shape_of(truth)
    n_rows = -(-(len(arms) + 1) // COLUMNS)
    figure = new(0.8 + n_rows * (0.5 + 1.7 * DOWN / ACROSS), title, foot, digest)
    real = (truth.obs[keys.DOMAIN].astype(str) == "1").to_numpy()
    first, *axes_of_arms = panels(figure, len(arms) + 1, COLUMNS)
    laid(first, _filled(np.asarray(truth[real].X), shape))
    first.set_title("real\ntest images", fontsize=9)
    for axes, arm in zip(axes_of_arms, arms):
        found = typical(mapped[arm], metrics, RANKING)
        if found is None:
            axes.axis("off")
            axes.set_title(f"{arm}: failed", fontsize=9, color=GREY)
            continue
        _, seed, score, value = found
        values = np.asarray(mapped[arm].layers[f"{keys.SEED}_{seed}"])
        laid(axes, _arranged(truth, mapped[arm], values, shape))
        said = f", {keys.SCORES[score][0].split()[0]} {short(value)}" if score else ""
        axes.set_title(f"{arm}\nseed {seed}{said}", fontsize=9)
    return figure


def _filled(values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The first images in rows, blank where there are too few."""
    images = np.zeros((DOWN * ACROSS, int(np.prod(shape))))
    images[: len(values)] = values[: DOWN * ACROSS]
    return images.reshape(DOWN, ACROSS, *shape)


def _arranged(truth: AnnData, mapped: AnnData, values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Samples by class, or below their images, or as they come: by the conditions of the arm."""
    conditions = [str(name) for name in np.atleast_1d(mapped.uns.get(keys.GIVEN, []))]
    if "x" in conditions:
        n = DOWN // 2 * ACROSS
        both = [_filled(part[:n], shape)[: DOWN // 2] for part in (np.asarray(truth[mapped.obs_names].X), values)]
        return np.stack(both, axis=1).reshape(-1, ACROSS, *shape)
    labels = truth.obs[keys.CELL_TYPE].astype(str).loc[mapped.obs_names].to_numpy()
    classes = sorted(set(labels))
    if "label" not in conditions or not 1 < len(classes) <= DOWN:
        return _filled(values, shape)
    each = DOWN // len(classes) * ACROSS
    return np.concatenate([_filled(values[labels == name][:each], shape)[: each // ACROSS] for name in classes])


@styled
def generation_scores(metrics: pd.DataFrame, summary: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """Every score of every arm.

    Parameters
    ----------
    metrics, summary
        The tidy tables; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Scores of the generated images: {dataset}"
    metrics, summary = of_dataset("generation", dataset, metrics, summary)
    foot = "large: mean over seeds with its 95 % bootstrap interval · small: seeds"
    foot += "\ndashed: real training images against real test images, as many"
    return forest(metrics, summary, known_scores(summary, SCORES)[:SHOWN], title, foot, digest)


@styled
def generation_modes(metrics: pd.DataFrame, *, dataset: str, digest: str) -> Figure:
    """How often each class is made, relative to real images: by the median seed of each arm, and by the worst.

    Parameters
    ----------
    metrics
        The tidy table; rows of other tasks and data sets are passed over.
    dataset
        Which to draw.
    digest
        Of the data, written at the foot.
    """
    title = f"Which classes are generated, and which are missing: {dataset}"
    table = metrics[(metrics["task"] == "generation") & (metrics["dataset"] == dataset)]
    rows = table[(table["metric"] == "class_share") & seeds_of(table).notna()]
    pairs = [pair for pair in lanes(rows) if pair[1] not in keys.SEEDLESS]
    if not pairs:
        return empty(title, "The classes of the images are not known.", digest)
    classes = sorted(rows["group"].unique())
    n_seeds = rows["seed"].nunique()
    foot = f"share of a class among samples, divided by its share among real images; {counted(n_seeds, 'seed')}"
    foot += f"\n× dropped: less than {short(COVERED)} · seeds ranked by classes covered, then by KL of the classes"
    figure = new(1.5 + 0.26 * len(pairs), title, foot, digest)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, rank in ((left, "median seed"), (right, "worst seed")):
        shares = np.stack([_shares(table, pair, classes, worst=rank == "worst seed") for pair in pairs])
        picture = axes.imshow(shares, cmap="PuOr", vmin=0, vmax=2, aspect="auto", interpolation="nearest")
        for y, x in np.argwhere(shares < COVERED):
            axes.text(x, y, "×", ha="center", va="center", color="white", fontsize=11, fontweight="bold")
        axes.set_xticks(range(len(classes)), classes, rotation=0 if max(map(len, classes)) < 4 else 45)
        axes.set_yticks(range(len(pairs)), [arm for _, arm in pairs])
        axes.set_title(rank, color=INK)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=[left, right], shrink=0.8, ticks=[0, 1, 2], extend="max")
    bar.ax.set_yticklabels(["0", "as real", "twice"])
    bar.outline.set_visible(False)
    return figure


def _shares(table: pd.DataFrame, pair: tuple[str, str], classes: list[str], worst: bool) -> np.ndarray:
    """Of one seed of an arm, by classes covered and then by the divergence of its classes."""
    of_arm = table[(table["method"] == pair[0]) & (table["arm"] == pair[1])].assign(number=lambda t: seeds_of(t))
    ranks = of_arm[of_arm["group"] == keys.ALL].pivot_table(index="number", columns="metric", values="value")
    ordered = ranks.sort_values(["modes", "class_divergence"], ascending=[False, True], kind="stable").index
    seed = ordered[-1] if worst else ordered[len(ordered) // 2]
    shares = of_arm[(of_arm["metric"] == "class_share") & (of_arm["number"] == seed)].set_index("group")["value"]
    return shares.reindex(classes).to_numpy(dtype=float)


FIGURES = {
    "generation_grid": Drawing(
        generation_grid,
        "Samples of each arm",
        "Real test images, and samples of each arm's median seed by the Fréchet distance. The first samples are shown, "
        "without selection. If classes were requested, each class has a row. If an arm reads part of an image, the "
        "sample is below that image.",
        "png",
        lambda r: {"truth": r.truth, "mapped": r.mapped, "metrics": r.metrics},
    ),
    "generation_scores": Drawing(
        generation_scores,
        "Scores of the generated images",
        "Large points are means over seeds with their 95 % bootstrap interval, small points are seeds. Dashed: the "
        "floor, the score of real training images against equally many real test images. Features are those of a "
        "classifier trained only on real images; do not compare distances on them with published distances.",
        "svg",
        lambda r: {"metrics": r.metrics, "summary": r.summary, "dataset": r.dataset},
    ),
    "generation_modes": Drawing(
        generation_modes,
        "Which classes are generated, and which are missing",
        "How often the classifier finds each class among the samples, relative to real images, for the median and "
        "the worst seed of each arm. A cross is a class that does not occur.",
        "svg",
        lambda r: {"metrics": r.metrics, "dataset": r.dataset},
    ),
    "loss_curves": LOSS_CURVES,
}


def shown(arms: Mapping[str, str], baselines: Sequence[str], summary: pd.DataFrame) -> list[str]:
    """Every arm: a reader compares images by eye."""
    return list(arms)
