"""Settings of a lecture's experiment."""

from typing import Any

from magan.config.arms import Seeds, Strict


class Lecture(Strict):
    """One experiment of ``magan.lectures.LECTURES``; ``seeds`` defaults to the study's."""

    seeds: Seeds | None = None
    images: str | None = None  # the data set, of an experiment that needs one
    options: dict[str, Any] = {}
