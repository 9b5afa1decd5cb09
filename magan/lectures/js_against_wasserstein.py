"""Two distributions that move apart: one distance stops telling how far, the other does not."""

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
from magan.training.fit import fit

LINES, MIXTURE = "parallel lines", "mixture"
ARMS = (LINES, MIXTURE)
COMPONENTS = ((-0.6, 0.3, 0.5), (0.6, 0.3, 0.5))  # mean, standard deviation, weight
PENALTY = 10.0
FAR = 0.5  # from here on the lines' JS must be told as log 2
JUDGED = 4000  # samples by which trained networks are judged
STEEP = 512  # of them between which the steepest slope is sought


def js_against_wasserstein(
    seeds: Sequence[int],
    *,
    distances: Sequence[Size] = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0),
    steps: Count = 1000,
    batch_size: Count = 128,
    hidden: Widths = (32, 32),
) -> pd.DataFrame:
    """A distribution and itself moved by a distance, told apart by a discriminator and by a Wasserstein critic.

    "parallel lines": (0, u) and (distance, u) with u uniform on [0, 1), of Arjovsky et al. 2017, example 1: their JS is
    log 2 at every distance but 0, and W is the distance. "mixture": two Gaussians on a line,
    moved; W is the distance again and JS goes to log 2 as they part.

    Quantities, curves over the distance: "JS" and "W" as they are, "JS told" and "W told" of each seed: from
    the discriminator's value, ``(V(D) + 2 log 2) / 2``, and from the critic's gap divided by its steepest slope, which
    is a lower bound of W whatever the critic.
    """
    replicates = [(distance, seed) for distance in distances for seed in seeds]
    own = [seed for _, seed in replicates]
    moved = torch.tensor([distance for distance, _ in replicates])
    shape, x = (len(distances), len(seeds)), np.asarray(distances, dtype=float)
    parts = []
    for arm in ARMS:
        recipe = _recipe(arm, moved, hidden)
        draws = batches([], recipe.noise, batch_size=batch_size, seeds=own)
        networks = fit(recipe, draws, seeds=own, steps=steps, decay=0.5)
        fresh = next(batches([], recipe.noise, batch_size=JUDGED, seeds=[seed + 10**6 for seed in own]))
        js, w = _judged(networks, *_pair(arm, moved, fresh), fresh["alpha"])
        parts.append(result_table.points("JS", _js(arm, x), x=x, arm=arm))
        parts.append(result_table.points("W", x, x=x, arm=arm))
        parts.append(result_table.points("JS told", js.reshape(shape).T, seeds=seeds, x=x, arm=arm))
        parts.append(result_table.points("W told", w.reshape(shape).T, seeds=seeds, x=x, arm=arm))
    return result_table.table(parts)


def judge(points: pd.DataFrame) -> pd.DataFrame:
    """W told must grow with slope 1 to within .05, and the JS told of the lines be log 2 to within .01."""
    rows = []
    for arm in ARMS:
        wide = result_table.values(points, "W told", arm).pivot(index="seed", columns="x", values="value")
        slopes = np.polyfit(wide.columns, wide.to_numpy().T, 1)[0]
        rows.append(result_table.number("slope of W told", slopes, "1", abs(slopes.mean() - 1) < 0.05, arm))
    js = result_table.values(points, "JS told", LINES)
    far = js[js["x"] >= FAR].groupby("seed")["value"].mean().to_numpy()
    rows.append(
        result_table.number(
            f"JS told from {FAR} on", far, f"log 2 = {np.log(2):.4f}", abs(far.mean() - np.log(2)) < 0.01, LINES
        )
    )
    js = result_table.values(points, "JS told", MIXTURE)
    last = js[js["x"] == js["x"].max()].sort_values("seed")["value"].to_numpy()
    claim = f"at most log 2 = {np.log(2):.4f}"
    rows.append(result_table.number("JS told when farthest", last, claim, last.mean() <= np.log(2), MIXTURE))
    return result_table.numbers(rows)


def _pair(arm: str, moved: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Samples ``(R, B, M)`` of a distribution, and others of the same moved by ``moved (R,)``."""
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
            # One-sided: on a line the other kind holds a critic at slope -1, if it began on that side.
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


def _judged(networks, first: Tensor, second: Tensor, alpha: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """JS and W as the trained networks tell them, ``(R,)`` each."""
    with torch.no_grad():
        D, f = networks["discriminator"], networks["critic"]
        value = -ADVERSARIAL["non_saturating"].discriminator(D(first), D(second))
        gap = -ADVERSARIAL["wasserstein"].discriminator(f(first), f(second))
    x = interpolate(first, second, alpha)[:, :STEEP].requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x)
    steepest = slope.norm(dim=2).amax(1)
    return (value / 2 + np.log(2)).numpy(), (gap / steepest.clamp(min=1e-6)).numpy()
