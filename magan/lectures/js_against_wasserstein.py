"""Two distributions that move away from each other: JS divergence saturates, Wasserstein distance does not."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magan.domains.minibatches import batches
from magan.lectures import result_table
from magan.lectures.mixtures import GRID, jensen_shannon, mixtures
from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty, interpolate
from magan.networks.mlp import MLP
from magan.option_types import Count, Size, Widths
from magan.recipe import Adam, Batch, Noise, Phase, Recipe
from magan.training.fit import Optimisation, fit

LINES, MIXTURE = "parallel lines", "mixture"
ARMS = (LINES, MIXTURE)
COMPONENTS = ((-0.6, 0.3, 0.5), (0.6, 0.3, 0.5))  # mean, standard deviation, weight
PENALTY = 10.0
FAR = 0.5  # from this distance on the estimated JS of the lines must be log 2
N_EVALUATED = 4000  # samples that evaluate the trained networks
STEEP = 512  # samples among which the steepest slope is searched


def js_against_wasserstein(
    seeds: Sequence[int],
    *,
    distances: Sequence[Size] = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0),
    steps: Count = 1000,
    batch_size: Count = 128,
    hidden: Widths = (32, 32),
) -> pd.DataFrame:
    """Train a discriminator and a Wasserstein critic on a distribution and the same distribution moved by a distance.

    "parallel lines" are (0, u) and (distance, u) with u uniform on [0, 1), as in Arjovsky et al. 2017, example 1: their
    JS is log 2 at every distance but 0, and their W is the distance. "mixture" is two Gaussians on a line, moved: W is
    the distance, and JS goes to log 2 as the distance grows.

    Quantities, as curves over the distance: "JS" and "W" are exact; "JS estimated" and "W estimated" are those of
    each seed. JS is estimated from the discriminator's value, ``(V(D) + 2 log 2) / 2``, and W from the critic's gap
    divided by its steepest slope, which is a lower bound of W for any critic.
    """
    replicates = [(distance, seed) for distance in distances for seed in seeds]
    replicate_seeds = [seed for _, seed in replicates]
    moved = torch.tensor([distance for distance, _ in replicates])
    shape, x = (len(distances), len(seeds)), np.asarray(distances, dtype=float)
    parts = []
    for arm in ARMS:
        recipe = _recipe(arm, moved, hidden)
        draws = batches([], recipe.noise, batch_size=batch_size, seeds=replicate_seeds)
        networks = fit(recipe, draws, seeds=replicate_seeds, steps=steps, optimisation=Optimisation(decay=0.5))
        fresh = next(
            batches([], recipe.noise, batch_size=N_EVALUATED, seeds=[seed + 10**6 for seed in replicate_seeds])
        )
        js, w = _estimates(networks, *_pair(arm, moved, fresh), fresh["alpha"])
        parts.append(result_table.points("JS", _js(arm, x), x=x, arm=arm))
        parts.append(result_table.points("W", x, x=x, arm=arm))
        parts.append(result_table.points("JS estimated", js.reshape(shape).T, seeds=seeds, x=x, arm=arm))
        parts.append(result_table.points("W estimated", w.reshape(shape).T, seeds=seeds, x=x, arm=arm))
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: estimated W grows with slope 1 to within .05; estimated JS of the lines is log 2 within .01."""
    rows = []
    for arm in ARMS:
        wide = result_table.values(points, "W estimated", arm).pivot(index="seed", columns="x", values="value")
        slopes = np.polyfit(wide.columns, wide.to_numpy().T, 1)[0]
        rows.append(result_table.number("slope of estimated W", slopes, "1", abs(slopes.mean() - 1) < 0.05, arm))
    js = result_table.values(points, "JS estimated", LINES)
    far = js[js["x"] >= FAR].groupby("seed")["value"].mean().to_numpy()
    rows.append(
        result_table.number(
            f"estimated JS from distance {FAR} on",
            far,
            f"log 2 = {np.log(2):.4f}",
            abs(far.mean() - np.log(2)) < 0.01,
            LINES,
        )
    )
    js = result_table.values(points, "JS estimated", MIXTURE)
    last = js[js["x"] == js["x"].max()].sort_values("seed")["value"].to_numpy()
    claim = f"at most log 2 = {np.log(2):.4f}"
    rows.append(
        result_table.number("estimated JS at the largest distance", last, claim, last.mean() <= np.log(2), MIXTURE)
    )
    return result_table.numbers(rows)


def _pair(arm: str, moved: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return samples ``(R, B, M)`` of a distribution, and samples of the same distribution moved by ``moved (R,)``."""
    shift = moved[:, None, None]
    if arm == LINES:
        first, second = (torch.stack([torch.zeros_like(u), u], 2) for u in batch["uniform"].unbind(2))
        return first, second + torch.cat([shift, torch.zeros_like(shift)], 2)
    mixture = mixtures([COMPONENTS] * len(moved))
    first, second = (mixture.draw(batch["uniform"][..., i], batch["normal"][..., i]) for i in (0, 1))
    return first, second + shift


def _js(arm: str, distances: np.ndarray) -> np.ndarray:
    if arm == LINES:
        return np.where(distances == 0, 0.0, np.log(2))
    still = mixtures([COMPONENTS]).density(GRID)
    moved = mixtures([[(mean + d, sd, weight) for mean, sd, weight in COMPONENTS] for d in distances]).density(GRID)
    return jensen_shannon(still, moved)


def _recipe(arm: str, moved: Tensor, hidden: Sequence[int]) -> Recipe:
    logistic, wasserstein = ADVERSARIAL["non_saturating"], ADVERSARIAL["wasserstein"]

    def discriminator(networks, batch, carry):
        D = networks["discriminator"]
        first, second = _pair(arm, moved, batch)
        return {"adversarial": logistic.discriminator(D(first), D(second))}

    def critic(networks, batch, carry):
        f = networks["critic"]
        first, second = _pair(arm, moved, batch)
        between = interpolate(first, second, batch["alpha"])
        return {
            "adversarial": wasserstein.discriminator(f(first), f(second)),
            # Use the one-sided penalty: on a line the two-sided penalty holds a critic at slope -1 if it started there.
            "penalty": PENALTY * gradient_penalty(f, between, one_sided=True),
        }

    shape = (2,) if arm == LINES else (1,)
    build = partial(MLP, shape, (1,), tuple(hidden), torch.tanh)
    return Recipe(
        networks={"discriminator": build, "critic": build},
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminator),
            Phase("critic", trains=("critic",), objective=critic),
        ),
        optimiser=Adam(learning_rate=5e-3, betas=(0.5, 0.99)),
        noise={"uniform": Noise((2,), "uniform"), "normal": Noise((2,)), "alpha": Noise((), "uniform")},
    )


def _estimates(networks, first: Tensor, second: Tensor, alpha: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimates of JS and W by the trained networks, ``(R,)`` each."""
    with torch.no_grad():
        D, f = networks["discriminator"], networks["critic"]
        value = -ADVERSARIAL["non_saturating"].discriminator(D(first), D(second))
        gap = -ADVERSARIAL["wasserstein"].discriminator(f(first), f(second))
    x = interpolate(first, second, alpha)[:, :STEEP].requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x)
    steepest = slope.norm(dim=2).amax(1)
    return (value / 2 + np.log(2)).numpy(), (gap / steepest.clamp(min=1e-6)).numpy()
