"""Techniques that change any recipe with a generator and a discriminator, by the names that configurations use.

Each is ``name(recipe, *, options) -> recipe``; default options are those of the papers. They are applied in the order
of this list, whatever order a study names them in. Techniques that must distinguish real from generated samples come
first, because later techniques change samples. The technique that looks ahead comes last.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magan.registry import Entry, Registry

if TYPE_CHECKING:
    from magan.recipe import Recipe

TECHNIQUES = Registry(
    label_smoothing=Entry("magan.techniques.label_noise:label_smoothing"),
    noisy_labels=Entry("magan.techniques.label_noise:noisy_labels"),
    experience_replay=Entry("magan.techniques.experience_replay:experience_replay"),
    feature_matching=Entry("magan.techniques.feature_statistics:feature_matching"),
    minibatch_discrimination=Entry("magan.techniques.feature_statistics:minibatch_discrimination"),
    dropout=Entry("magan.techniques.dropout:dropout"),
    spectral_normalisation=Entry("magan.techniques.spectral_normalisation:spectral_normalisation"),
    instance_noise=Entry("magan.techniques.instance_noise:instance_noise"),
    historical_averaging=Entry("magan.techniques.historical_averaging:historical_averaging"),
    unrolled=Entry("magan.techniques.unrolled:unrolled"),
)


def applied(recipe: "Recipe", chosen: Mapping[str, Mapping[str, Any]]) -> "Recipe":
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
    for name in TECHNIQUES:
        if name in chosen:
            recipe = TECHNIQUES[name](recipe, **chosen[name])
    return recipe
