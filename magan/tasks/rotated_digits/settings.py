"""Settings of rotated digits."""

from typing import ClassVar

from pydantic import Field, NonNegativeInt, PositiveInt

from magan.config.tasks import TaskSettings


class Digits(TaskSettings):
    """Images of a few classes and the same classes turned; only ``n_pairs`` images a class are in both domains."""

    reads: ClassVar[tuple[str, ...]] = ("images",)
    offered: ClassVar[frozenset[str]] = frozenset({"images", "labels", "shared features"})

    images: str
    classes: tuple[str, ...] = Field(min_length=2)
    degrees: float = 120.0  # counter-clockwise
    n_pairs: NonNegativeInt = 20  # a class: images present in both domains, from which known pairs are drawn
    n_train: PositiveInt | None = None  # a class and domain; default: all
    n_test: PositiveInt = 100  # a class

    def offers(self) -> frozenset[str]:
        """Pairs too, where some are known."""
        return self.offered | ({"pairs"} if self.n_pairs else set())


SETTINGS = Digits
