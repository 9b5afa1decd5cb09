"""Fit a Gaussian to a mixture by each divergence, and score every fit by all divergences."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from magan.domains.minibatches import batches
from magan.lectures import result_table
from magan.lectures.mixtures import GRID, f_divergence, mixtures
from magan.losses.f_divergence import DIVERGENCES, game
from magan.networks.mlp import MLP
from magan.option_types import Count, Widths
from magan.recipe import Adam, Noise, Phase, Recipe
from magan.training.fit import Optimisation, fit

# "gan" is "js" minus log 4 and gives the same fit
TRAINED = ("kl", "reverse_kl", "js", "jeffrey", "pearson", "hellinger")
REAL = ((-1.0, 0.7, 0.6), (1.6, 1.3, 0.4))  # mean, standard deviation, weight
TOLERANCE = 0.02  # relative excess of a column's diagonal over its least value that still counts as least


class Gaussian(nn.Module):
    """Compute ``mean + exp(log_sd) z``: ``(B, 1) -> (B, 1)``."""

    broadcasts = True

    def __init__(self):
        super().__init__()
        self.mean, self.log_sd = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.mean.unsqueeze(-2) + self.log_sd.exp().unsqueeze(-2) * z


def f_divergences(
    seeds: Sequence[int], *, steps: Count = 2000, batch_size: Count = 256, hidden: Widths = (32, 32)
) -> pd.DataFrame:
    """Run the experiment of Nowozin et al. 2016, section 4.1, on another mixture.

    Quantities of each seed: "mean" and "sd" of the Gaussian trained by the arm's divergence, and "divergence" from the
    mixture, measured by the item's divergence, by quadrature. Rows without a seed hold the result of numerical
    minimisation of the divergence. "real" is the mixture's density over x.
    """
    replicates = [(name, seed) for name in TRAINED for seed in seeds]
    replicate_seeds = [seed for _, seed in replicates]
    recipe = _recipe([name for name, _ in replicates], hidden)
    draws = batches([], recipe.noise, batch_size=batch_size, seeds=replicate_seeds)
    weights = fit(recipe, draws, seeds=replicate_seeds, steps=steps, optimisation=Optimisation(decay=0.7))[
        "generator"
    ].weights()
    means, sds = (w.detach().double().numpy()[:, 0] for w in (weights["mean"], weights["log_sd"].exp()))
    x = np.linspace(-6, 7, 261)
    parts = [result_table.points("real", mixtures([REAL]).density(x), x=x, arm="real")]
    for i, name in enumerate(TRAINED):
        rows = slice(i * len(seeds), (i + 1) * len(seeds))
        parts.append(_fitted(name, means[rows], sds[rows], seeds))
        mean, sd = best(name)
        parts.append(_fitted(name, np.array([mean]), np.array([sd]), None))
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claim: in every column the diagonal, mean over seeds, is the least value up to a tolerance."""
    seeded = points[points["seed"].notna() & (points["quantity"] == "divergence")]
    wide = seeded.pivot_table(index="arm", columns="item", values="value", aggfunc="mean").loc[list(TRAINED)]
    rows = []
    for name in TRAINED:
        diagonal, off_diagonal = result_table.by_seed(points, "divergence", name, name), wide[name].drop(name)
        claim = f"least of its column; next best: {off_diagonal.min():.4f} ({off_diagonal.idxmin()})"
        holds = diagonal.mean() <= (1 + TOLERANCE) * wide[name].min()
        rows.append(result_table.number(f"{name} of the Gaussian trained by it", diagonal, claim, holds, name))
    n = sum(row["holds"] == "yes" for row in rows)
    first = result_table.number(
        "columns whose diagonal is the least", np.array([n]), str(len(TRAINED)), n == len(TRAINED)
    )
    return result_table.numbers([first, *rows])


def best(name: str) -> tuple[float, float]:
    """Return mean and standard deviation of the Gaussian with the least divergence from the mixture."""
    p = mixtures([REAL]).density(GRID)

    def distance(parameters: np.ndarray) -> float:
        q = mixtures([[(parameters[0], np.exp(parameters[1]), 1.0)]]).density(GRID)
        return f_divergence(DIVERGENCES[name].f, p, q).item()

    found = minimize(distance, [0.0, 0.5], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    return float(found.x[0]), float(np.exp(found.x[1]))


def _fitted(name: str, means: np.ndarray, sds: np.ndarray, seeds: Sequence[int] | None) -> pd.DataFrame:
    p = mixtures([REAL]).density(GRID)
    q = mixtures([[(mean, sd, 1.0)] for mean, sd in zip(means, sds)]).density(GRID)
    parts = [
        result_table.points("mean", means, seeds=seeds, arm=name),
        result_table.points("sd", sds, seeds=seeds, arm=name),
    ]
    for item in TRAINED:
        distance = f_divergence(DIVERGENCES[item].f, p, q)
        parts.append(result_table.points("divergence", distance, seeds=seeds, arm=name, item=item))
    return pd.concat(parts)


def _recipe(names: Sequence[str], hidden: Sequence[int]) -> Recipe:
    """Return a recipe whose replicate r plays the saturating game of ``names[r]``, i.e. descends its divergence."""
    real = mixtures([REAL] * len(names))
    games = {name: game(DIVERGENCES[name], saturating=True) for name in names}
    rows = {name: torch.tensor([r for r, divergence in enumerate(names) if divergence == name]) for name in games}

    def samples(networks, batch):
        x = real.draw(batch["uniform"], batch["normal"][..., 0])
        return x, networks["generator"](batch["normal"][..., 1:])

    def each(losses):
        """Return losses ``(R,)`` in the order of replicates, from the losses of each game."""
        whole = torch.cat([losses[name] for name in games])
        return whole[torch.cat(list(rows.values())).argsort()]

    def discriminator(networks, batch, carry):
        V = networks["discriminator"]
        x, generated = samples(networks, batch)
        r, f = V(x), V(generated.detach())
        return {"adversarial": each({name: games[name].discriminator(r[rows[name]], f[rows[name]]) for name in games})}

    def generator(networks, batch, carry):
        f = networks["discriminator"](samples(networks, batch)[1])
        return {"adversarial": each({name: games[name].generator(f[rows[name]]) for name in games})}

    return Recipe(
        networks={"generator": Gaussian, "discriminator": partial(MLP, (1,), (1,), tuple(hidden), torch.tanh)},
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminator, repeats=2),
            Phase("generator", trains=("generator",), objective=generator),
        ),
        optimiser=Adam(learning_rate=1e-2, betas=(0.5, 0.99)),
        noise={"uniform": Noise((), "uniform"), "normal": Noise((2,))},
    )
