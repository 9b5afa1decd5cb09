"""Experiments for lectures on GANs, a file each: points (raw values), numbers (means), and the claims about them.

An experiment is ``name(seeds, **settings) -> DataFrame`` or ``name(seeds, images, **settings) -> DataFrame``, with the
columns ``result_table.POINTS``. Its `check_claims` turns points into numbers with the columns ``result_table.NUMBERS``.
"""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from magan.lectures import (
    adversarial_examples,
    digit_map,
    f_divergences,
    infogan_codes,
    js_against_wasserstein,
    latent_arithmetic,
    mode_collapse,
    optimal_discriminator,
    progressive_growing,
    vanishing_gradient,
)


class Lecture(NamedTuple):
    """An experiment: the function that runs it, and the function that checks its claims."""

    run: Callable[..., pd.DataFrame]
    check_claims: Callable[[pd.DataFrame], pd.DataFrame]
    of_images: bool = False  # whether the experiment needs a data set of images


LECTURES = {
    "optimal_discriminator": Lecture(optimal_discriminator.optimal_discriminator, optimal_discriminator.check_claims),
    "vanishing_gradient": Lecture(
        vanishing_gradient.vanishing_gradient, vanishing_gradient.check_claims, of_images=True
    ),
    "js_against_wasserstein": Lecture(
        js_against_wasserstein.js_against_wasserstein, js_against_wasserstein.check_claims
    ),
    "mode_collapse": Lecture(mode_collapse.mode_collapse, mode_collapse.check_claims),
    "f_divergences": Lecture(f_divergences.f_divergences, f_divergences.check_claims),
    "infogan_codes": Lecture(infogan_codes.infogan_codes, infogan_codes.check_claims, of_images=True),
    "progressive_growing": Lecture(
        progressive_growing.progressive_growing, progressive_growing.check_claims, of_images=True
    ),
    "digit_map": Lecture(digit_map.digit_map, digit_map.check_claims, of_images=True),
    "adversarial_examples": Lecture(adversarial_examples.adversarial_examples, adversarial_examples.check_claims, True),
    "latent_arithmetic": Lecture(latent_arithmetic.latent_arithmetic, latent_arithmetic.check_claims, of_images=True),
}
