"""Techniques that change any recipe with a generator and a discriminator, by the names that configurations use.

Each is ``name(recipe, *, options) -> recipe``; default options are those of the papers. They are applied in the order
of this list, whatever order a study names them in. Techniques that must distinguish real from generated samples come
first, because later techniques change samples. The technique that looks ahead comes last.
"""

from collections.abc import Mapping
from typing import Any

from magan.recipe import Recipe
from magan.techniques.dropout import dropout
from magan.techniques.experience_replay import experience_replay
from magan.techniques.feature_statistics import feature_matching, minibatch_discrimination
from magan.techniques.historical_averaging import historical_averaging
from magan.techniques.instance_noise import instance_noise
from magan.techniques.label_noise import label_smoothing, noisy_labels
from magan.techniques.spectral_normalisation import spectral_normalisation
from magan.techniques.unrolled import unrolled

TECHNIQUES = {
    "label_smoothing": label_smoothing,
    "noisy_labels": noisy_labels,
    "experience_replay": experience_replay,
    "feature_matching": feature_matching,
    "minibatch_discrimination": minibatch_discrimination,
    "dropout": dropout,
    "spectral_normalisation": spectral_normalisation,
    "instance_noise": instance_noise,
    "historical_averaging": historical_averaging,
    "unrolled": unrolled,
}


def applied(recipe: Recipe, chosen: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Apply every chosen technique, name -> options, to the recipe.
    Raises
    ------
    ValueError
        A name is unknown, or the recipe lacks what a technique changes.
    TypeError
        An option is unknown.
    """
    for name in chosen:
        if name not in TECHNIQUES:
            raise ValueError(f"technique '{name}' is unknown; there are {', '.join(TECHNIQUES)}")
    for name, technique in TECHNIQUES.items():
        if name in chosen:
            recipe = technique(recipe, **chosen[name])
    return recipe
