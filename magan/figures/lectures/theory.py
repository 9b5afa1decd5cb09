"""Figures of experiments on known distributions: theory and trained networks."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from magan.figures.style import GREY, GROUP_COLOURS, INK, PALE, counted, key, new, short, styled

BLUE, ORANGE, GREEN = GROUP_COLOURS[:3]
DASHED = (0, (4, 2))


def curve(points: pd.DataFrame, quantity: str, arm: str = "", item: str | None = None) -> pd.DataFrame:
    """Return values by x (rows) and seed (columns; a single column if not random)."""
    rows = points[(points["quantity"] == quantity) & (points["arm"] == arm)]
    rows = rows if item is None else rows[rows["item"] == item]
    wide = rows.assign(seed=rows["seed"].fillna(-1).astype(int))
    return wide.pivot_table(index="x", columns="seed", values="value", dropna=False)


def arms(points: pd.DataFrame, quantity: str) -> list[str]:
    """Return the arms that have a quantity, in order."""
    return list(dict.fromkeys(points.loc[points["quantity"] == quantity, "arm"]))


def n_seeds(points: pd.DataFrame) -> str:
    """Return the number of seeds as text for a figure's foot."""
    return counted(points["seed"].nunique(), "seed")


def lines(axes: Axes, wide: pd.DataFrame, tint: str, style="-", mean: bool = True) -> None:
    """Draw a thin line for each seed, and their mean in bold."""
    axes.plot(wide.index, wide.to_numpy(), color=tint, lw=0.6, alpha=0.5)
    if mean:
        axes.plot(wide.index, wide.mean(axis=1), color=tint, lw=1.8, ls=style)


@styled
def optimal_discriminator(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw both densities, and below them the discriminator of each seed and the optimal discriminator."""
    pairs = arms(points, "real")
    foot = f"{n_seeds(points)} · V(D) = E log D(x) + E log(1 - D(G(z))) by quadrature"
    figure = new(4.6, "", foot, digest)
    grid = figure.subplots(2, len(pairs), sharex=True, sharey="row", height_ratios=(1, 1.5))
    for column, pair in zip(grid.T, pairs):
        densities, scores = column
        for quantity, tint in (("real", BLUE), ("generated", ORANGE)):
            density = curve(points, quantity, pair)[-1]
            densities.fill_between(density.index, density, color=tint, alpha=0.35, lw=0)
            densities.plot(density.index, density, color=tint, lw=1.2)
        densities.set(title=pair, yticks=[], ylim=(0, None))
        lines(scores, curve(points, "discriminator", pair), GREEN, mean=False)
        best = curve(points, "best", pair)[-1]
        scores.plot(best.index, best, color=INK, lw=1.4, ls=DASHED)
        row = numbers[(numbers["arm"] == pair) & (numbers["quantity"] == "V(D)")].iloc[0]
        text = f"V(D) = {row['mean']:.4f}\n{row['claim']}"
        scores.text(0.98, 0.97, text, transform=scores.transAxes, ha="right", va="top", fontsize=9)
        scores.set(xlabel="x", ylim=(-0.03, 1.28), yticks=[0, 0.5, 1])
    grid[0, 0].set_ylabel("density")
    grid[1, 0].set_ylabel("D(x)")
    handles = [
        Patch(color=BLUE, alpha=0.5, label="real"),
        Patch(color=ORANGE, alpha=0.5, label="generated"),
        Line2D([], [], color=GREEN, label="trained discriminators"),
        Line2D([], [], color=INK, ls=DASHED, label="p real / (p real + p generated)"),
    ]
    key(figure, "A discriminator learns the share of real samples at every point", handles, 4)
    return figure


@styled
def vanishing_gradient(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw error, accuracy and the generator's gradient while a new discriminator trains against frozen generators."""
    epochs = arms(points, "gradient")
    tints = dict(zip(epochs, GROUP_COLOURS))
    figure = new(3.9, "", f"{n_seeds(points)} · thin: seeds; bold: their mean (geometric where logarithmic)", digest)
    error, accuracy, gradient = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    for arm, tint in tints.items():
        _logarithmic(error, curve(points, "error", arm), tint)
        lines(accuracy, curve(points, "accuracy", arm), tint)
        _logarithmic(gradient, curve(points, "gradient", arm, "non_saturating"), tint, DASHED)
        _logarithmic(gradient, curve(points, "gradient", arm, "minimax"), tint)
    error.set(title="discriminator's error", yscale="log")
    accuracy.set(title="accuracy", ylim=(0.45, 1.02))
    gradient.set(title="norm of the generator's gradient", yscale="log")
    for axes in (error, accuracy, gradient):
        axes.set_xlabel("discriminator steps")
        axes.locator_params(axis="x", nbins=4)
    handles = [Line2D([], [], color=tint, lw=2, label=f"generator of {arm}") for arm, tint in tints.items()]
    handles += [
        Line2D([], [], color=GREY, lw=2, label="minimax loss"),
        Line2D([], [], color=GREY, lw=2, ls=DASHED, label="non-saturating loss"),
    ]
    key(figure, "A discriminator without errors leaves the minimax generator no gradient", handles, 3)
    return figure


def _logarithmic(axes: Axes, wide: pd.DataFrame, tint: str, style: Any = "-") -> None:
    axes.plot(wide.index, wide.to_numpy(), color=tint, lw=0.5, alpha=0.4)
    axes.plot(wide.index, np.exp(np.log(wide.clip(lower=1e-30)).mean(axis=1)), color=tint, lw=1.8, ls=style)


@styled
def js_against_wasserstein(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw JS and W over the distance, exact and estimated by trained networks."""
    foot = f"{n_seeds(points)} at each distance · an estimate is a lower bound, up to the sampling error"
    figure = new(5.0, "", foot, digest)
    names = arms(points, "JS")
    grid = figure.subplots(len(names), 2, sharex=True, sharey="col")
    for row, arm in zip(grid, names):
        for axes, quantity, tint in zip(row, ("JS", "W"), (ORANGE, BLUE)):
            exact, estimates = curve(points, quantity, arm)[-1], curve(points, f"{quantity} estimated", arm)
            if arm.startswith("parallel") and quantity == "JS":  # it jumps at 0
                axes.plot([0, exact.index.max()], [np.log(2)] * 2, color=INK, lw=1.2, ls=DASHED)
                axes.plot(0, 0, "o", color=INK, ms=4)
                axes.plot(0, np.log(2), "o", color=INK, mfc="white", ms=4)
            else:
                axes.plot(exact.index, exact, color=INK, lw=1.2, ls=DASHED)
            for x, values in estimates.iterrows():
                axes.plot(np.full(len(values), x), values, ".", color=tint, ms=5, alpha=0.7)
            axes.set_title(f"{arm}: {'Jensen-Shannon' if quantity == 'JS' else 'Wasserstein'}")
        row[0].axhline(np.log(2), color=PALE, lw=0.8, zorder=0)
        row[0].set_yticks([0, 0.2, 0.4, 0.6, np.log(2)], ["0", "0.2", "0.4", "", "log 2"])
        slope = numbers[(numbers["arm"] == arm) & (numbers["quantity"] == "slope of estimated W")].iloc[0]
        row[1].text(0.03, 0.95, f"slope {short(slope['mean'])}", transform=row[1].transAxes, va="top", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("distance")
    handles = [
        Line2D([], [], color=INK, ls=DASHED, label="exact"),
        Line2D([], [], ls="", marker="o", ms=5, color=ORANGE, label="estimate by a trained discriminator"),
        Line2D([], [], ls="", marker="o", ms=5, color=BLUE, label="estimate by a trained critic"),
    ]
    key(figure, "Without overlap, JS divergence does not depend on the distance", handles, 3)
    return figure


@styled
def f_divergences(points: pd.DataFrame, numbers: pd.DataFrame, *, digest: str) -> Figure:
    """Draw the score of every fit by every divergence, and the fits."""
    trained = arms(points, "divergence")
    seeded = points[(points["quantity"] == "divergence") & points["seed"].notna()]
    scores = seeded.pivot_table(index="arm", columns="item", values="value", aggfunc="mean").loc[trained, trained]
    foot = f"means over {n_seeds(points)} · framed: least of its column · dotted: numerical minimum"
    figure = new(4.1, "One Gaussian fitted to a mixture, by six divergences", foot, digest)
    table, fits = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _table(table, scores)
    density = curve(points, "real", "real")[-1]
    fits.fill_between(density.index, density, color=PALE, lw=0)
    for name, tint in zip(trained, GROUP_COLOURS):
        for seed, style, width in ((False, (0, (1, 1.5)), 1.0), (True, "-", 1.5)):
            mean, sd = (_fitted(points, quantity, name, seed) for quantity in ("mean", "sd"))
            bell = np.exp(-(((density.index - mean) / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi))
            fits.plot(density.index, bell, color=tint, lw=width, ls=style, label=_word(name) if seed else None)
    fits.set(title="the mixture and the fits", yticks=[], ylim=(0, None), xlim=(-4.5, 6.5), xlabel="x")
    fits.legend(loc="upper right", handlelength=1.2)
    return figure


def _table(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw a table of values, coloured by their excess over the least value of the column."""
    excess = scores / scores.min() - 1
    axes.imshow(np.log1p(excess.clip(upper=1)), cmap="Blues_r", vmin=-0.05, vmax=1.1, aspect="auto")
    for i in range(len(scores)):
        for j, column in enumerate(scores.columns):
            value, least = scores.to_numpy()[i, j], scores[column].min()
            dark = excess.to_numpy()[i, j] < 0.25
            axes.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=8.5, color="white" if dark else INK)
            if value == least:
                axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fill=False, ec=ORANGE, lw=2))
    names = [_word(name) for name in scores.columns]
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(title="trained by (row), scored by (column)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _fitted(points: pd.DataFrame, quantity: str, arm: str, seeded: bool) -> float:
    rows = points[(points["quantity"] == quantity) & (points["arm"] == arm)]
    return rows.loc[rows["seed"].notna() == seeded, "value"].mean()


def _word(name: str) -> str:
    words = {"kl": "KL", "reverse_kl": "reverse KL", "js": "JS"}
    return words.get(name, name.capitalize())
