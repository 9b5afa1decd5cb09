"""Settings of images to be translated."""

from typing import ClassVar, Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from magan.config.arms import Word
from magan.config.tasks import TaskSettings


class Translation(TaskSettings):
    """Images of the first set as the second would show them, trained with ``n_pairs`` known pairs, or ``paired``.

    Images of the two sets with the same word in the obs column "pair" show the same object. Of the objects in both
    sets, ``n_test`` are in neither training domain, ``n_pairs`` (or all, where ``paired``) are in both, and each
    remaining object is in a single domain. Without such objects, ``n_test`` images of each set are held out.
    """

    reads: ClassVar[tuple[str, ...]] = ("images_1", "images_2")
    offered: ClassVar[frozenset[str]] = frozenset({"images", "labels", "shared features"})

    images_1: str
    images_2: str
    size: PositiveInt | None = None  # side of the images after averaging; default: as they are
    channels: Literal[1, 3] | None = None  # of both; default: as they are
    classes: tuple[Word, ...] = ()  # of obs "cell_type"; default: all images
    n_train: PositiveInt | None = None  # a domain; default: all
    n_test: PositiveInt = 100
    n_pairs: NonNegativeInt = 0
    paired: bool = False

    @model_validator(mode="after")
    def _paired_or_n_pairs(self) -> Self:
        if self.paired and self.n_pairs:
            raise ValueError("paired: true makes a pair of every training image; leave n_pairs out")
        return self

    def offers(self) -> frozenset[str]:
        """Pairs too, where some are known."""
        return self.offered | ({"pairs"} if self.n_pairs or self.paired else set())


SETTINGS = Translation
