"""Signs that a training went wrong: pure functions of its recorded curves.

A curve gives a sign when it stays below a bound for `PATIENCE` records in a row; the sign fires at the last of these
records. Curves are ``(T,)``, a value per record.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from magan.recipe import Recipe

PATIENCE = 4  # records in a row; a training has about forty
WON = 0.1  # share of the loss of a discriminator that knows nothing
COLLAPSED = 0.5  # share of the real samples' diversity
DIVERSITY = "health/diversity"  # the recorded term


class Sign(NamedTuple):
    """A sign that a seed's training went wrong."""

    sign: str  # "discriminator wins" or "mode collapse"
    term: str  # the curve that gives the sign
    step: int  # at which it fired
    lasted: bool  # whether the last record is still below the bound


def signs(curves: Mapping[str, Mapping[int, float]], uninformed_loss: Mapping[str, float]) -> list[Sign]:
    """Signs that a seed's training went wrong, in the order of ``curves``.

    Parameters
    ----------
    curves
        Term -> step -> value.
    uninformed_loss
        Term -> its value for a discriminator that knows nothing, of the terms that fall to 0 where it wins.
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
    """Mean Euclidean distance of pairs of samples over that of real samples: ``(R, n, ...), (n, ...) -> (R,)``.

    Equal samples give 0, samples like the real samples give 1.
    """
    return _mean_distance(samples.flatten(2)) / _mean_distance(real.flatten(1).unsqueeze(0))


def _mean_distance(x: Tensor) -> Tensor:
    n = x.shape[1]
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sum((1, 2)) / (n * (n - 1))
