"""Experiments for lectures on GANs, a file each: points (raw values), numbers (means), and the claims about them.

An experiment is ``name(seeds, **settings) -> DataFrame`` or ``name(seeds, images, **settings) -> DataFrame``, with the
columns ``result_table.POINTS``. Its `check_claims` turns points into numbers with the columns ``result_table.NUMBERS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Lecture:
    """An experiment, in the module of its name, imported when it is run.

    ``of_images`` says whether the experiment needs a data set of images.
    """

    name: str
    of_images: bool = False

    @property
    def source(self) -> str:
        """Where the experiment lies: "module:function"."""
        return f"magan.lectures.{self.name}:{self.name}"

    @property
    def run(self) -> "Callable[..., pd.DataFrame]":
        """The function that runs the experiment."""
        return getattr(import_module(f"magan.lectures.{self.name}"), self.name)

    @property
    def check_claims(self) -> "Callable[[pd.DataFrame], pd.DataFrame]":
        """The function that turns points into numbers and checks the claims about them."""
        return import_module(f"magan.lectures.{self.name}").check_claims


EXPERIMENTS = (
    Lecture("optimal_discriminator"),
    Lecture("vanishing_gradient", of_images=True),
    Lecture("js_against_wasserstein"),
    Lecture("mode_collapse"),
    Lecture("f_divergences"),
    Lecture("infogan_codes", of_images=True),
    Lecture("progressive_growing", of_images=True),
    Lecture("digit_map", of_images=True),
    Lecture("adversarial_examples", of_images=True),
    Lecture("latent_arithmetic", of_images=True),
)
LECTURES = {lecture.name: lecture for lecture in EXPERIMENTS}
