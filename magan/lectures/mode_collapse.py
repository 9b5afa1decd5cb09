"""Mode collapse: how much of a distribution a generator omits, and what helps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.models import GENERATING
from magan.option_types import Count, Width
from magan.recipe import Adam, Recipe, Sampler
from magan.techniques import applied
from magan.training.fit import Optimisation, fit

N_REAL = 20_000
N_JUDGED = 2500  # scored samples per seed
N_SHOWN = 500  # samples of the first seed in the table
GOOD = 3.0  # standard deviations within which a sample is of high quality
LEAST = 0.1  # a mode is covered if it has this share of its expected number of samples, all of high quality
N_MODES, RADIUS, SD = 8, 2.0, 0.02  # of the ring
TURNS, INNER, N_PIECES, SPIRAL_SD = 1.5, 0.2, 20, 0.05
RATES = {"discriminator": 1e-3, "generator": 3e-3}
BETAS = (0.65, 0.99)


class Arm(NamedTuple):
    """A model of ``GENERATING``, its options and techniques."""

    model: str
    options: Mapping[str, Any]
    techniques: Mapping[str, Mapping[str, Any]]


ARMS = {
    "GAN": Arm("gan", {}, {}),
    "unrolled": Arm("gan", {}, {"unrolled": {"n_steps": 3, "rate": 0.02}}),
    "WGAN-GP": Arm("wgan_gp", {"penalty_weight": 0.1}, {}),
    "minibatch discrimination": Arm("gan", {}, {"minibatch_discrimination": {"n_kernels": 8, "n_dimensions": 3}}),
    "experience replay": Arm("gan", {}, {"experience_replay": {"size": 5000}}),
}
VANILLA, COMPLETE = "GAN", "WGAN-GP"


class Shape(NamedTuple):
    """A distribution in the plane that consists of pieces."""

    draw: Callable[[int, torch.Generator], Tensor]  # (n, 2)
    anchors: np.ndarray  # (A, 2), points of the distribution
    piece: np.ndarray  # (A,), number of each anchor's piece
    sd: float


def mode_collapse(
    seeds: Sequence[int],
    *,
    steps: Count = 2500,
    batch_size: Count = 64,
    width: Width = 8,
    n_noise: Count = 2,
    shapes: Sequence[str] = ("ring", "spiral"),
    arms: Sequence[str] = tuple(ARMS),
) -> pd.DataFrame:
    """Train a GAN and four remedies on 8 Gaussians in a ring (radius 2, sd .02) and on a spiral of 20 pieces.

    All arms have the same networks (two hidden layers of 8 ``width``), the same number of generator updates, and the
    same learning rates and momentum. The generator's rate is three times the discriminator's; momentum is .65, where a
    GAN collapses (without momentum it covers almost all of the ring). WGAN-GP updates the discriminator five times per
    generator update.

    Quantities of each seed and arm, with the shape as item: "modes", the number of covered modes (a mode is covered if
    a tenth of its expected samples lies within 3 sd of it), and "quality", the share of samples within 3 sd of any
    mode. "x" and "y" are samples of the first seed or, in the arm "real", of the distribution.
    """
    parts = []
    for item in shapes:
        shape = SHAPES[item]
        real = shape.draw(N_REAL, torch.Generator().manual_seed(0))
        parts += _places(real[:N_SHOWN], "real", item)
        for name in arms:
            samples = _trained(ARMS[name], real, seeds, steps, batch_size, width, n_noise)
            modes, quality = coverage(samples.numpy(), shape)
            parts.append(result_table.points("modes", modes, seeds=seeds, arm=name, item=item))
            parts.append(result_table.points("quality", quality, seeds=seeds, arm=name, item=item))
            parts += _places(samples[0, :N_SHOWN], name, item, seeds[:1])
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claims: each remedy covers more modes than the GAN (by its interval), WGAN-GP all of the ring."""
    rows = []
    for item in dict.fromkeys(points["item"]):
        base = result_table.by_seed(points, "modes", VANILLA, item)
        for arm in [arm for arm in ARMS if arm in set(points["arm"])]:
            modes = result_table.by_seed(points, "modes", arm, item)
            full = N_MODES if (item, arm) == ("ring", COMPLETE) else None
            claim, holds = (f"{full}", modes.mean() == full) if full else ("", None)
            rows.append(result_table.number(f"modes of the {item} covered", modes, claim, holds, arm))
            if arm != VANILLA:
                more = result_table.number(
                    f"modes of the {item} more than the GAN", modes - base, "more than 0", arm=arm
                )
                rows.append({**more, "holds": "yes" if more["low"] > 0 else "no"})
            quality = result_table.by_seed(points, "quality", arm, item)
            rows.append(result_table.number(f"high-quality share, {item}", quality, arm=arm))
    return result_table.numbers(rows)


def coverage(samples: np.ndarray, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of covered pieces and the share of high-quality samples, ``(S,)`` each, ``(S, n, 2)`` given."""
    n_pieces = int(shape.piece.max()) + 1
    modes, quality = [], []
    for of_seed in samples:
        squared_distances = ((of_seed[:, None] - shape.anchors) ** 2).sum(2)
        good = squared_distances.min(1) <= (GOOD * shape.sd) ** 2
        counts = np.bincount(shape.piece[squared_distances.argmin(1)][good], minlength=n_pieces)
        modes.append((counts >= LEAST * len(of_seed) / n_pieces).sum())
        quality.append(good.mean())
    return np.array(modes), np.array(quality)


def ring_centres() -> np.ndarray:
    """Return the eight centres of the ring."""
    angles = np.linspace(0, 2 * np.pi, N_MODES, endpoint=False)
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], 1)


def spiral(share: np.ndarray) -> np.ndarray:
    """Return points ``(n, 2)`` at a share of the angle of a spiral of 1.5 turns; the radius grows from 0.4 to 2."""
    angle = 2 * np.pi * TURNS * share
    return RADIUS * (INNER + (1 - INNER) * share[:, None]) * np.stack([np.cos(angle), np.sin(angle)], 1)


def spiral_share(along: np.ndarray) -> np.ndarray:
    """Convert a share of the spiral's length to a share of its angle, for samples that are equally dense along it."""
    fine = np.linspace(0, 1, 5001)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(spiral(fine), axis=0), axis=1))])
    return np.interp(along, length / length[-1], fine)


def _ring() -> Shape:
    centres = ring_centres()

    def draw(n: int, generator: torch.Generator) -> Tensor:
        which = torch.randint(N_MODES, (n,), generator=generator)
        return torch.tensor(centres, dtype=torch.float32)[which] + SD * torch.randn(n, 2, generator=generator)

    return Shape(draw, centres, np.arange(N_MODES), SD)


def _spiral() -> Shape:
    along = (np.arange(20 * N_PIECES) + 0.5) / (20 * N_PIECES)

    def draw(n: int, generator: torch.Generator) -> Tensor:
        places = spiral(spiral_share(torch.rand(n, generator=generator).double().numpy()))
        return torch.tensor(places, dtype=torch.float32) + SPIRAL_SD * torch.randn(n, 2, generator=generator)

    return Shape(draw, spiral(spiral_share(along)), np.floor(along * N_PIECES).astype(int), SPIRAL_SD)


SHAPES = {"ring": _ring(), "spiral": _spiral()}


def _trained(
    arm: Arm, real: Tensor, seeds: Sequence[int], steps: int, batch_size: int, width: int, n_noise: int
) -> Tensor:
    """Train an arm and return samples ``(S, n, 2)``."""
    recipe = GENERATING[arm.model]({"x": (2,)}, architecture="mlp", width=width, n_noise=n_noise, **arm.options)
    recipe = _rated(applied(recipe, arm.techniques))
    table = Table({"x": real}, (torch.arange(len(real)),) * len(seeds))
    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
    networks = fit(recipe, draws, seeds=seeds, steps=steps, optimisation=Optimisation(decay=0.5))
    fresh = next(batches([table], recipe.noise, batch_size=N_JUDGED, seeds=[seed + 10**6 for seed in seeds]))
    with torch.no_grad():
        return cast(Sampler, recipe.sample)(networks, fresh)


def _rated(recipe: Recipe) -> Recipe:
    phases = [replace(phase, optimiser=Adam(RATES[phase.name], BETAS)) for phase in recipe.phases]
    return replace(recipe, phases=tuple(phases))


def _places(x: Tensor, arm: str, item: str, seeds: Sequence[int] | None = None) -> list[pd.DataFrame]:
    order = np.arange(len(x))
    return [
        result_table.points(name, x[:, i], seeds=seeds, x=order, arm=arm, item=item)
        for i, name in enumerate(("x", "y"))
    ]
