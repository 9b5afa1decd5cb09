"""Figures of experiments that make samples: points in the plane, and images."""

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
    """The images of a row of a grid, ``(n, H, W)`` or ``(n, H, W, 3)``; a side is told by the number of pixels."""
    rows = points[(points["quantity"] == "image") & (points["arm"] == arm)]
    items = rows["item"].str.rpartition("|")
    own = rows[items[0] == name].assign(place=items[2][items[0] == name].astype(int))
    wide = own.pivot(index="place", columns="x", values="value").to_numpy()
    n_channels = 1 if int(np.sqrt(wide.shape[1])) ** 2 == wide.shape[1] else 3
    side = int(np.sqrt(wide.shape[1] / n_channels))
    return wide.reshape(-1, n_channels, side, side).transpose(0, 2, 3, 1).squeeze()


def names(points: pd.DataFrame, arm: str = "") -> list[str]:
    """The rows of images that an arm has, in their order."""
    rows = points[(points["quantity"] == "image") & (points["arm"] == arm)]
    return list(dict.fromkeys(rows["item"].str.rpartition("|")[0]))


def strip(axes: Axes, row: np.ndarray, top: float, label: str = "") -> None:
    """Images side by side, each one unit wide, from the height ``top`` downwards; the name stands before them."""
    for i, one in enumerate(row):
        tint = None if one.ndim == 3 else "gray"
        axes.imshow(one, cmap=tint, vmin=0, vmax=1, extent=(i + 0.02, i + 0.98, top - 0.98, top - 0.02))
    axes.text(-0.15, top - 0.5, label, ha="right", va="center", fontsize=9)


def blank(axes: Axes, width: float, height: float) -> None:
    """No frame and no ticks, and as much room as ``width`` by ``height`` images take."""
    axes.set(xlim=(0, width), ylim=(-height, 0), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


@styled
def mode_collapse(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Samples of the first seed of every arm beside the real ones, and below them what all seeds cover."""
    shapes = list(dict.fromkeys(points["item"]))
    shown = arms(points, "x")
    trained = [arm for arm in shown if arm != "real"]
    foot = f"samples of the first of {n_seeds(points)} · numbers: mean over seeds (95 % bootstrap interval)"
    figure = new(2.05 * len(shapes) + 0.7, "What a generator leaves out, and what helps", foot, digest)
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
    """In two lines where it has two words."""
    return name.replace(" ", "\n", 1)


def _covered(numbers: pd.DataFrame, arm: str, item: str) -> str:
    of = numbers[numbers["arm"] == arm].set_index("quantity")
    modes, quality = of.loc[f"modes of the {item} covered"], of.loc[f"high-quality share, {item}"]
    interval = f" ({modes['low']:.1f} to {modes['high']:.1f})" if np.isfinite(modes["low"]) else ""
    return f"{modes['mean']:.1f} modes\n{interval.strip()}\nquality {short(quality['mean'])}"


@styled
def progressive_growing(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """The Frechet distance by steps and by time, and the last samples."""
    figure = new(4.3, "", f"{n_seeds(points)}, trained together · time: of all seeds, on one machine", digest)
    tints = {"growing": BLUE, "full size": ORANGE}
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 1))
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
    key(figure, "Networks that grow, and the same at full size from the start", handles, 2)
    return figure


@styled
def digit_map(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Digits where t-SNE puts their codes, and where their first two principal components do."""
    foot = f"the first of {n_seeds(points)} · share: digits whose 10 nearest on the page vote for their class"
    figure = new(4.2, "Digits on a page, placed without their labels", foot, digest)
    labels = curve(points, "class")[-1].to_numpy().astype(int)
    titles = {"t-SNE": "t-SNE of an autoencoder's codes", "components": "two principal components"}
    for axes, (arm, title) in zip(figure.subplots(1, 2), titles.items()):
        x, y = (curve(points, quantity, arm).iloc[:, 0].to_numpy() for quantity in ("first", "second"))
        for k in np.unique(labels):
            own, tint = labels == k, DIGIT_COLOURS[k % len(DIGIT_COLOURS)]
            axes.plot(x[own], y[own], ".", ms=4, mec="none", color=tint, alpha=0.65, rasterized=True)
            middle = np.median(x[own]), np.median(y[own])
            box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": tint, "lw": 1, "alpha": 0.9}
            axes.text(*middle, str(k), ha="center", va="center", fontsize=9, bbox=box)
        share = points[(points["quantity"] == "kept") & (points["arm"] == arm)]["value"].mean()
        axes.set(title=f"{title}: {short(share)}", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


@styled
def adversarial_examples(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Accuracy over the size of the change, and a few digits with what the classifier takes them for."""
    figure = new(
        3.9, "", f"{n_seeds(points)}, a classifier each · right: the first; green: taken for what it is", digest
    )
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.45))
    axes = left.subplots()
    sets = (("accuracy", "random signs", GREY), ("accuracy", "fgsm", ORANGE), ("reached", "", BLUE))
    for quantity, item, tint in sets:
        lines(axes, curve(points, quantity, "", item), tint)
    axes.set(xlabel="size of the change a pixel (0 to 1)", ylabel="share of test images", ylim=(-0.02, 1.02))
    grid, rows = right.subplots(), names(points)
    taken = points[points["quantity"] == "taken for"].set_index("item")["value"].astype(int)
    for i, name in enumerate(rows):
        own = images(points, name)
        strip(grid, own, -1.35 * i, name)
        for j in range(len(own)):
            k = taken[f"{name}|{j}"]
            same = k == taken[f"{rows[0]}|{j}"]
            grid.text(
                j + 0.5, -1.35 * i - 1.15, str(k), ha="center", va="center", fontsize=9, color=GREEN if same else ORANGE
            )
    blank(grid, len(own), 1.35 * len(rows))
    handles = [
        Line2D([], [], color=GREY, lw=2, label="right after random signs"),
        Line2D([], [], color=ORANGE, lw=2, label="right after FGSM"),
        Line2D([], [], color=BLUE, lw=2, label="taken for the target"),
    ]
    key(figure, "Changes that a classifier minds and a reader does not", handles, 3)
    return figure


@styled
def latent_arithmetic(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Paths of codes above paths of pixels, and how far from real images they lead."""
    figure = new(4.2, "", f"{n_seeds(points)} · images: the first", digest)
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    grid, paths = left.subplots(), sorted({int(name.split()[1]) for name in names(points)})
    for i, path in enumerate(paths):
        for j, arm in enumerate(("codes", "pixels")):
            own = images(points, f"{arm} {path}")
            strip(grid, own, -2.3 * i - j, arm)
    blank(grid, len(own), 2.3 * len(paths))
    axes = right.subplots()
    tints = {"codes": BLUE, "pixels": ORANGE}
    for arm, tint in tints.items():
        lines(axes, curve(points, "distance", arm), tint)
    axes.set(xlabel="share of the path", ylabel="distance to the nearest real image", ylim=(0, None))
    of = numbers.set_index("quantity")["mean"]
    summed = f"thin + (bold - thin) goes\n{of['share of the way from thin to bold']:.0%} of the way to bold,\n"
    summed += f"{of['share that keeps its class']:.0%} keep their class"
    axes.text(0.5, 0.04, summed, transform=axes.transAxes, fontsize=9, color=INK, ha="center")
    handles = [Line2D([], [], color=tint, lw=2, label=f"a line of {arm}") for arm, tint in tints.items()]
    key(figure, "From one digit to another, and from thin to bold", handles, 2)
    return figure


@styled
def infogan_codes(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """A row of samples for each category, of InfoGAN and of a plain GAN, and sweeps of the continuous codes."""
    foot = f"the best of {n_seeds(points)} · a row: one category; a column: one noise"
    figure = new(6.2, "Does a code come to mean something?", foot, digest)
    for axes, arm in zip(figure.subplots(1, 2), arms(points, "named")):
        rows = names(points, arm)
        for i, name in enumerate(rows):
            gap = 0.5 if name.startswith("code") else 0.0
            strip(axes, images(points, name, arm), -i - gap, name.removeprefix("category ") if not gap else name)
        share = points[(points["quantity"] == "named") & (points["arm"] == arm)]["value"]
        axes.set_title(f"{arm}: named {short(share.max())}, mean {short(share.mean())}")
        blank(axes, 8, len(rows) + 0.5)
    return figure
