"""Vanishing gradient: the generator's gradient when the discriminator separates real from generated samples."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.lectures.images import chosen, pixels
from magan.losses.adversarial import ADVERSARIAL
from magan.models import GENERATING
from magan.networks.replicate import Replicated
from magan.option_types import Count, Rate, Width
from magan.recipe import Networks, Phase, Recipe, Terms
from magan.training.fit import Watch, fit

LOSSES = ("minimax", "non_saturating")
DECADES = {
    "minimax": 3.0,
    "non_saturating": 1.0,
}  # least fall of the minimax gradient, upper limit of the fall of the non-saturating gradient
MOMENTS = 50  # number of times that quantities are measured
N_JUDGED = 200  # real samples and generated samples per measurement


def vanishing_gradient(
    seeds: Sequence[int],
    images: AnnData,
    *,
    epochs: Sequence[Count] = (1, 10, 25),
    n_train: Count = 3000,
    steps: Count = 3000,
    batch_size: Count = 64,
    width: Width = 16,
    learning_rate: Rate = 1e-3,
) -> pd.DataFrame:
    """Run the experiment of Arjovsky & Bottou 2017, section 2.2.1: a new discriminator against a frozen generator.

    A DCGAN is trained for some epochs of ``n_train`` images. Its generator is then frozen, and a new discriminator is
    trained from scratch, for ``steps`` at ``learning_rate``, to distinguish the generator's samples from the images.

    Quantities, as curves over the discriminator's steps for an arm "<n> epochs" and each seed: "error" (the
    discriminator's loss ``-E log D(x) - E log(1 - D(G(z)))``), "accuracy", and "gradient", the norm of the gradient of
    a generator's loss (item) with respect to all weights of the generator.
    """
    x = pixels(chosen(images, n_train))
    recipe = GENERATING["dcgan"]({"x": tuple(x.shape[1:])}, width=width)
    with_rate = replace(recipe, optimiser=replace(recipe.optimiser, learning_rate=learning_rate))
    table, parts = Table({"x": x}, (torch.arange(len(x)),) * len(seeds)), []
    for n, generator in _generators(recipe, table, seeds, epochs, batch_size).items():
        arm = f"{n} {'epoch' if n == 1 else 'epochs'}"
        for step, measured in _against(with_rate, generator, table, seeds, steps, batch_size):
            parts += [
                result_table.points(quantity, values, seeds=seeds, x=[step], arm=arm, item=item)
                for (quantity, item), values in measured.items()
            ]
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: the minimax gradient falls by three decades or more, the non-saturating by less than one."""
    rows = []
    for loss, limit in DECADES.items():
        for arm in dict.fromkeys(points["arm"]):
            fall = fallen(result_table.values(points, "gradient", arm, loss))
            holds = fall.mean() >= limit if loss == "minimax" else fall.mean() < limit
            claim = f"{'at least' if loss == 'minimax' else 'less than'} {limit:g}"
            quantity = f"decades by which the {loss.replace('_', '-')} gradient falls"
            rows.append(result_table.number(quantity, fall, claim, holds, arm))
    for arm in dict.fromkeys(points["arm"]):
        accuracy = result_table.values(points, "accuracy", arm)
        last = accuracy[accuracy["x"] == accuracy["x"].max()].sort_values("seed")["value"].to_numpy()
        rows.append(result_table.number("accuracy in the end", last, "at least .99", last.mean() >= 0.99, arm))
    return result_table.numbers(rows)


def fallen(gradient: pd.DataFrame) -> np.ndarray:
    """Return the decades from a curve's highest point to the median of its last tenth, ``(S,)``."""
    wide = np.log10(gradient.pivot(index="seed", columns="x", values="value").to_numpy())
    return wide.max(axis=1) - np.median(wide[:, -max(wide.shape[1] // 10, 1) :], axis=1)


def _generators(
    recipe: Recipe, table: Table, seeds: Sequence[int], epochs: Sequence[int], batch_size: int
) -> dict[int, Replicated]:
    """Return the generators after each number of epochs, from a single training."""
    per_epoch = -(-len(table.entries["x"]) // batch_size)
    wanted = {n * per_epoch - 1: n for n in epochs}
    generators: dict[int, Replicated] = {}

    def look(step: int, networks: Networks) -> Terms:
        if step in wanted:
            generators[wanted[step]] = cast(Replicated, networks["generator"]).select(range(len(seeds)))
        return {}

    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
    fit(recipe, draws, seeds=seeds, steps=max(wanted) + 1, watch=Watch(look=look, every=1))
    return generators


def _against(
    recipe: Recipe, generator: Replicated, table: Table, seeds: Sequence[int], steps: int, batch_size: int
) -> list[tuple[int, dict[tuple[str, str], np.ndarray]]]:
    """Train a new discriminator against a frozen generator; return (step, quantities) at each measurement."""
    game = ADVERSARIAL["non_saturating"]

    def objective(networks, batch, carry):
        D = networks["discriminator"]
        with torch.no_grad():
            generated = generator(batch["z"])
        return {"adversarial": game.discriminator(D(batch["x"]), D(generated))}

    against_frozen = Recipe(
        networks={"discriminator": recipe.networks["discriminator"]},
        phases=(Phase("discriminator", trains=("discriminator",), objective=objective),),
        optimiser=recipe.optimiser,
        noise=recipe.noise,
    )
    evaluated = next(batches([table], recipe.noise, batch_size=N_JUDGED, seeds=[seed + 10**6 for seed in seeds]))
    curve: list[tuple[int, dict]] = []

    def look(step: int, networks: Networks) -> Terms:
        discriminator = cast(Replicated, networks["discriminator"])
        curve.append((step, _measured(discriminator, generator, evaluated["x"], evaluated["z"])))
        return {}

    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=[seed + 1 for seed in seeds])
    fit(against_frozen, draws, seeds=seeds, steps=steps, watch=Watch(look=look, every=max(1, steps // MOMENTS)))
    return curve


def _measured(D: Replicated, generator: Replicated, x: Tensor, z: Tensor) -> dict[tuple[str, str], np.ndarray]:
    """Return (quantity, item) -> value of each replicate, ``(R,)``."""
    weights = {name: w.detach().requires_grad_() for name, w in generator.weights().items()}
    fake = D(generator.at(weights)(z))
    with torch.no_grad():
        real = D(x)
        error = ADVERSARIAL["non_saturating"].discriminator(real, fake)
        right = ((real > 0).flatten(1).float().mean(1) + (fake <= 0).flatten(1).float().mean(1)) / 2
    measured = {("error", ""): error.numpy(), ("accuracy", ""): right.numpy()}
    for loss in LOSSES:
        slopes = torch.autograd.grad(ADVERSARIAL[loss].generator(fake).sum(), list(weights.values()), retain_graph=True)
        squares = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes])
        measured["gradient", loss] = squares.sum(0).sqrt().numpy()
    return measured
