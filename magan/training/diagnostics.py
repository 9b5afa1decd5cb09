"""When a training went wrong: pure functions of what was recorded of it.

A sign of trouble is a curve that stays below a bound for `PATIENCE` records in a row; it fires at the step of the
last of these. Curves are ``(T,)``, one value a record.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from magan.recipe import Recipe

PATIENCE = 4  # records in a row; a training has some forty
WON = 0.1  # share of a blind discriminator's loss
COLLAPSED = 0.5  # share of the real samples' diversity
DIVERSITY = "health/diversity"  # the recorded term


class Sign(NamedTuple):
    """One thing that went wrong in one seed's training."""

    sign: str  # "discriminator wins" or "mode collapse"
    term: str  # the curve that tells
    step: int  # when it fired
    lasted: bool  # whether it still held in the end


def signs(curves: Mapping[str, Mapping[int, float]], uninformed_loss: Mapping[str, float]) -> list[Sign]:
    """What went wrong in one seed's training, in the order of ``curves``.

    Parameters
    ----------
    curves
        Term -> step -> its value there.
    blind
        Term -> what a discriminator that knows nothing pays, of the terms that fall to 0 where it wins.
    """
    bounds = {term: ("discriminator wins", WON * value) for term, value in uninformed_loss.items()}
    bounds |= {term: ("mode collapse", COLLAPSED) for term in curves if term.startswith(DIVERSITY)}
    found = []
    for term, curve in curves.items():
        if term in bounds:
            sign, bound = bounds[term]
            steps, values = list(curve), list(curve.values())
            fired = below(values, bound)
            found += [Sign(sign, term, steps[fired], values[-1] < bound)] if fired is not None else []
    return found


def uninformed_losses(recipe: Recipe) -> dict[str, float]:
    """Loss term -> its value for a discriminator that knows nothing, of the terms for which the recipe defines it."""
    return {term: value for term, value in recipe.uninformed_loss.items() if value is not None}


def below(curve: Sequence[float], bound: float, patience: int = PATIENCE) -> int | None:
    """Index of the first record that ends ``patience`` in a row below ``bound``; nan is not below."""
    run = 0
    for place, value in enumerate(np.asarray(curve, dtype=float)):
        run = run + 1 if value < bound else 0
        if run == patience:
            return place
    return None


def diversity(samples: Tensor, real: Tensor) -> Tensor:
    """How far apart samples are, as a share of how far apart real ones are: ``(R, n, ...), (n, ...) -> (R,)``.

    Both are mean Euclidean distances of pairs. Samples that are all alike give 0, samples like the real ones 1.
    """
    return _apart(samples.flatten(2)) / _apart(real.flatten(1).unsqueeze(0))


def _apart(x: Tensor) -> Tensor:
    n = x.shape[1]
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sum((1, 2)) / (n * (n - 1))
