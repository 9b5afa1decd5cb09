"""What a discriminator learns against a fixed generator: the share of real samples at every point."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch

from magan.domains.minibatches import batches
from magan.lectures import result_table
from magan.lectures.mixtures import GRID, Mixtures, integral, jensen_shannon, mixtures
from magan.losses.adversarial import ADVERSARIAL
from magan.networks.mlp import MLP
from magan.option_types import Count, Widths
from magan.recipe import Adam, Noise, Phase, Recipe
from magan.training.fit import Optimisation, fit

# name: real and generated density, as (mean, standard deviation, weight) of two components
PAIRS = {
    "two Gaussians": ([(-1, 1, 0.5), (-1, 1, 0.5)], [(1, 1, 0.5), (1, 1, 0.5)]),
    "mixture and Gaussian": ([(-1.5, 0.6, 0.6), (2, 0.8, 0.4)], [(0, 1.6, 0.5), (0, 1.6, 0.5)]),
}
SHOWN = np.linspace(-5, 5, 201)


def optimal_discriminator(
    seeds: Sequence[int], *, steps: Count = 2000, batch_size: Count = 512, hidden: Widths = (64, 64)
) -> pd.DataFrame:
    """Train a discriminator on samples of two known densities, and compare it with the optimal discriminator.

    For fixed p_r and p_g the value ``V(D) = E_r log D + E_g log(1 - D)`` is greatest for ``D* = p_r / (p_r + p_g)``,
    where ``V(D*) = -2 log 2 + 2 JSD(p_r, p_g)`` (Goodfellow et al. 2014, proposition 1 and theorem 1).

    Quantities of each pair: as curves over x, "real" and "generated" (densities), "best" (D*) and "discriminator" (of
    each seed); "best value" ``V(D*)``, and of each seed "value" ``V(D)`` and "error", the mean of ``|D - D*|`` over
    both densities. The last three are computed by quadrature.
    """
    replicates = [(pair, seed) for pair in PAIRS for seed in seeds]
    real, generated = (mixtures([PAIRS[pair][side] for pair, _ in replicates]) for side in (0, 1))
    recipe = _recipe(real, generated, hidden)
    replicate_seeds = [seed for _, seed in replicates]
    draws = batches([], recipe.noise, batch_size=batch_size, seeds=replicate_seeds)
    network = fit(recipe, draws, seeds=replicate_seeds, steps=steps, optimisation=Optimisation(decay=0.5))[
        "discriminator"
    ]
    with torch.no_grad():
        scores = network(torch.tensor(GRID, dtype=torch.float32).expand(len(replicate_seeds), -1)[..., None])[
            ..., 0
        ].double()
        D = scores.sigmoid().numpy()
        value = integral(
            real.density(GRID) * torch.nn.functional.logsigmoid(scores).numpy()
            + generated.density(GRID) * torch.nn.functional.logsigmoid(-scores).numpy()
        )
    p, q = real.density(GRID), generated.density(GRID)
    best = p / np.maximum(p + q, 1e-300)
    error = integral((p + q) / 2 * np.abs(D - best))
    parts = []
    for i, pair in enumerate(PAIRS):
        rows = slice(i * len(seeds), (i + 1) * len(seeds))
        at = {"arm": pair, "x": SHOWN}
        for name, curve in (("real", p), ("generated", q), ("best", best)):
            parts.append(result_table.points(name, np.interp(SHOWN, GRID, curve[rows][0]), **at))
        shown = [np.interp(SHOWN, GRID, scored) for scored in D[rows]]
        parts.append(result_table.points("discriminator", shown, seeds=seeds, **at))
        limit = -2 * np.log(2) + 2 * jensen_shannon(p[rows][:1], q[rows][:1])
        parts.append(result_table.points("best value", limit, arm=pair))
        parts.append(result_table.points("value", value[rows], seeds=seeds, arm=pair))
        parts.append(result_table.points("error", error[rows], seeds=seeds, arm=pair))
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: V(D) is within .01 of its limit, and D is within .02 of D* on average."""
    rows = []
    for pair in PAIRS:
        limit = result_table.values(points, "best value", pair)["value"].item()
        value, error = result_table.by_seed(points, "value", pair), result_table.by_seed(points, "error", pair)
        claim = f"-2 log 2 + 2 JSD = {limit:.4f}"
        rows.append(result_table.number("V(D)", value, claim, abs(value.mean() - limit) < 0.01, pair))
        rows.append(result_table.number("mean |D - D*|", error, "at most .02", error.mean() <= 0.02, pair))
    return result_table.numbers(rows)


def _recipe(real: Mixtures, generated: Mixtures, hidden: Sequence[int]) -> Recipe:
    game = ADVERSARIAL["non_saturating"]

    def objective(networks, batch, carry):
        D = networks["discriminator"]
        x = [m.draw(batch["uniform"][..., i], batch["normal"][..., i]) for i, m in enumerate((real, generated))]
        return {"adversarial": game.discriminator(D(x[0]), D(x[1]))}

    return Recipe(
        networks={"discriminator": partial(MLP, (1,), (1,), tuple(hidden), torch.tanh)},
        phases=(Phase("discriminator", trains=("discriminator",), objective=objective),),
        optimiser=Adam(learning_rate=3e-3, betas=(0.9, 0.99)),
        noise={"uniform": Noise((2,), "uniform"), "normal": Noise((2,))},
    )
