"""Figures of experiments that generate samples: points in the plane, and images."""

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from magan.figures.lectures.theory import arms, curve, lines, n_seeds
from magan.figures.style import GREY, GROUP_COLOURS, INK, PALE, key, new, short, styled

BLUE, ORANGE, GREEN = GROUP_COLOURS[:3]
DIGIT_COLOURS = (*GROUP_COLOURS, "#4d4d4d", "#a6761d", "#66a61e")  # ten


def images(points: pd.DataFrame, name: str, arm: str = "") -> np.ndarray:
    """Return the images of a row of a grid, ``(n, H, W)`` or ``(n, H, W, 3)``; pixels give the side."""
    rows = points[(points["quantity"] == "image") & (points["arm"] == arm)]
    items = rows["item"].str.rpartition("|")
    chosen = rows[items[0] == name].assign(place=items[2][items[0] == name].astype(int))
    wide = chosen.pivot(index="place", columns="x", values="value").to_numpy()
    n_channels = 1 if int(np.sqrt(wide.shape[1])) ** 2 == wide.shape[1] else 3
    side = int(np.sqrt(wide.shape[1] / n_channels))
    return wide.reshape(-1, n_channels, side, side).transpose(0, 2, 3, 1).squeeze()


def names(points: pd.DataFrame, arm: str = "") -> list[str]:
    """Return the names of an arm's rows of images, in order."""
    rows = points[(points["quantity"] == "image") & (points["arm"] == arm)]
    return list(dict.fromkeys(rows["item"].str.rpartition("|")[0]))


def strip(axes: Axes, row: np.ndarray, top: float, label: str = "") -> None:
    """Draw images of width 1 in a row, from the height ``top`` downwards, with a label at the left."""
    for i, image in enumerate(row):
        tint = None if image.ndim == 3 else "gray"
        axes.imshow(image, cmap=tint, vmin=0, vmax=1, extent=(i + 0.02, i + 0.98, top - 0.98, top - 0.02))
    axes.text(-0.15, top - 0.5, label, ha="right", va="center", fontsize=9)


def blank(axes: Axes, width: float, height: float) -> None:
    """Remove frame and ticks, and set limits for ``width`` by ``height`` images."""
    axes.set(xlim=(0, width), ylim=(-height, 0), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


@styled
def mode_collapse(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw real samples and the first seed's samples of every arm, with the coverage over all seeds below them."""
    shapes = list(dict.fromkeys(points["item"]))
    shown = arms(points, "x")
    trained = [arm for arm in shown if arm != "real"]
    foot = f"samples of the first of {n_seeds(points)} · numbers: mean over seeds (95 % bootstrap interval)"
    figure = new(2.05 * len(shapes) + 0.7, "What a generator omits, and what helps", foot, digest)
    grid = figure.subplots(len(shapes), len(shown), squeeze=False)
    for row, item in zip(grid, shapes):
        for axes, arm in zip(row, shown):
            tint = GREY if arm == "real" else GROUP_COLOURS[trained.index(arm) % len(GROUP_COLOURS)]
            x, y = (curve(points, quantity, arm, item).iloc[:, 0] for quantity in ("x", "y"))
            axes.plot(x, y, ".", ms=2.2, color=tint, alpha=0.6, mec="none", rasterized=True)
            axes.set(xlim=(-2.9, 2.9), ylim=(-2.9, 2.9), xticks=[], yticks=[], aspect="equal")
            for spine in axes.spines.values():
                spine.set(visible=True, color=PALE)
            if item == shapes[0]:
                axes.set_title(_broken(arm), fontsize=9, loc="center")
            axes.set_xlabel(_covered(numbers, arm, item) if arm != "real" else item, fontsize=9)
    return figure


def _broken(name: str) -> str:
    """Break a name of two words into two lines."""
    return name.replace(" ", "\n", 1)


def _covered(numbers: pd.DataFrame, arm: str, item: str) -> str:
    of = numbers[numbers["arm"] == arm].set_index("quantity")
    modes, quality = (
        cast(pd.Series, of.loc[row]) for row in (f"modes of the {item} covered", f"high-quality share, {item}")
    )
    interval = f" ({modes['low']:.1f} to {modes['high']:.1f})" if np.isfinite(modes["low"]) else ""
    return f"{modes['mean']:.1f} modes\n{interval.strip()}\nquality {short(quality['mean'])}"


@styled
def progressive_growing(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw the Frechet distance by steps and by time, and the last samples."""
    figure = new(4.3, "", f"{n_seeds(points)}, trained together · time: of all seeds, on one machine", digest)
    tints = {"growing": BLUE, "full size": ORANGE}
    top, bottom = cast(np.ndarray, figure.subfigures(2, 1, height_ratios=(2, 1)))
    by_step, by_time = top.subplots(1, 2, sharey=True)
    for arm, tint in tints.items():
        wide, seconds = curve(points, "frechet", arm), curve(points, "seconds", arm)[-1]
        lines(by_step, wide, tint)
        lines(by_time, wide.set_axis(seconds.to_numpy()), tint)
    by_step.set(xlabel="step", ylabel="Fréchet distance", yscale="log")
    by_time.set(xlabel="seconds of training")
    axes = bottom.subplots()
    for i, arm in enumerate(tints):
        strip(axes, images(points, arm, arm), -i, arm)
    blank(axes, 10, 2)
    handles = [Line2D([], [], color=tint, lw=2, label=arm) for arm, tint in tints.items()]
    key(figure, "Networks that grow, and the same networks at full size from the start", handles, 2)
    return figure


@styled
def digit_map(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw digits at the positions of t-SNE of their codes, and of their first two principal components."""
    foot = (
        f"the first of {n_seeds(points)} · share: digits whose 10 nearest neighbours on the page vote for their class"
    )
    figure = new(4.2, "Digits on a page, placed without their labels", foot, digest)
    labels = curve(points, "class")[-1].to_numpy().astype(int)
    titles = {"t-SNE": "t-SNE of an autoencoder's codes", "components": "two principal components"}
    for axes, (arm, title) in zip(figure.subplots(1, 2), titles.items()):
        x, y = (curve(points, quantity, arm).iloc[:, 0].to_numpy() for quantity in ("first", "second"))
        for k in np.unique(labels):
            members, tint = labels == k, DIGIT_COLOURS[k % len(DIGIT_COLOURS)]
            axes.plot(x[members], y[members], ".", ms=4, mec="none", color=tint, alpha=0.65, rasterized=True)
            middle = np.median(x[members]), np.median(y[members])
            box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": tint, "lw": 1, "alpha": 0.9}
            axes.text(*middle, str(k), ha="center", va="center", fontsize=9, bbox=box)
        share = points[(points["quantity"] == "agreement") & (points["arm"] == arm)]["value"].mean()
        axes.set(title=f"{title}: {short(share)}", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


@styled
def adversarial_examples(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw accuracy over the size of the change, and a few digits with the class that the classifier gives them."""
    figure = new(
        3.9, "", f"{n_seeds(points)}, a classifier each · images: the first seed; green: classified correctly", digest
    )
    left, right = cast(np.ndarray, figure.subfigures(1, 2, width_ratios=(1, 1.45)))
    axes = left.subplots()
    sets = (("accuracy", "random signs", GREY), ("accuracy", "fgsm", ORANGE), ("reached", "", BLUE))
    for quantity, item, tint in sets:
        lines(axes, curve(points, quantity, "", item), tint)
    axes.set(xlabel="size of the change a pixel (0 to 1)", ylabel="share of test images", ylim=(-0.02, 1.02))
    grid, rows = right.subplots(), names(points)
    taken = points[points["quantity"] == "taken for"].set_index("item")["value"].astype(int)
    for i, name in enumerate(rows):
        row = images(points, name)
        strip(grid, row, -1.35 * i, name)
        for j in range(len(row)):
            k = taken[f"{name}|{j}"]
            same = k == taken[f"{rows[0]}|{j}"]
            grid.text(
                j + 0.5, -1.35 * i - 1.15, str(k), ha="center", va="center", fontsize=9, color=GREEN if same else ORANGE
            )
    blank(grid, len(row), 1.35 * len(rows))
    handles = [
        Line2D([], [], color=GREY, lw=2, label="correct after random signs"),
        Line2D([], [], color=ORANGE, lw=2, label="correct after FGSM"),
        Line2D([], [], color=BLUE, lw=2, label="classified as the target"),
    ]
    key(figure, "Changes that mislead a classifier but not a reader", handles, 3)
    return figure


@styled
def latent_arithmetic(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw paths of codes above paths of pixels, and their distance to real images."""
    figure = new(4.2, "", f"{n_seeds(points)} · images: the first seed", digest)
    left, right = cast(np.ndarray, figure.subfigures(1, 2, width_ratios=(1.5, 1)))
    grid, paths = left.subplots(), sorted({int(name.split()[1]) for name in names(points)})
    for i, path in enumerate(paths):
        for j, arm in enumerate(("codes", "pixels")):
            row = images(points, f"{arm} {path}")
            strip(grid, row, -2.3 * i - j, arm)
    blank(grid, len(row), 2.3 * len(paths))
    axes = right.subplots()
    tints = {"codes": BLUE, "pixels": ORANGE}
    for arm, tint in tints.items():
        lines(axes, curve(points, "distance", arm), tint)
    axes.set(xlabel="share of the path", ylabel="distance to the nearest real image", ylim=(0, None))
    of = numbers.set_index("quantity")["mean"]
    summed = f"thin + (bold - thin) covers\n{of['share of the way from thin to bold']:.0%} of the way to bold;\n"
    summed += f"{of['share that keeps its class']:.0%} keep their class"
    axes.text(0.5, 0.04, summed, transform=axes.transAxes, fontsize=9, color=INK, ha="center")
    handles = [Line2D([], [], color=tint, lw=2, label=f"a line of {arm}") for arm, tint in tints.items()]
    key(figure, "From one digit to another, and from thin to bold", handles, 2)
    return figure


@styled
def infogan_codes(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw a row of samples for each category, of InfoGAN and of a plain GAN, and sweeps of the continuous codes."""
    foot = f"the best of {n_seeds(points)} · a row: one category; a column: one noise vector"
    figure = new(6.2, "Do codes acquire a meaning?", foot, digest)
    for axes, arm in zip(figure.subplots(1, 2), arms(points, "named")):
        rows = names(points, arm)
        for i, name in enumerate(rows):
            gap = 0.5 if name.startswith("code") else 0.0
            strip(axes, images(points, name, arm), -i - gap, name.removeprefix("category ") if not gap else name)
        share = points[(points["quantity"] == "named") & (points["arm"] == arm)]["value"]
        axes.set_title(f"{arm}: named {short(share.max())}, mean {short(share.mean())}")
        blank(axes, 8, len(rows) + 0.5)
    return figure
