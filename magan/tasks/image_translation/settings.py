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

    Where pairs are few, all of them can be known: ``test_on: unpaired`` takes the test images from those without a
    partner. ``pairs_per_class`` known pairs of each class are drawn in place of ``n_pairs`` of all.
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
    pairs_per_class: NonNegativeInt = 0
    test_on: Literal["pairs", "unpaired"] = "pairs"
    paired: bool = False

    @model_validator(mode="after")
    def _paired_or_n_pairs(self) -> Self:
        asked = [name for name in ("n_pairs", "pairs_per_class", "paired") if getattr(self, name)]
        if self.paired and len(asked) > 1:
            raise ValueError(f"paired: true makes a pair of every training image; leave {asked[0]} out")
        if len(asked) > 1:
            raise ValueError("n_pairs and pairs_per_class both say how many pairs are known; leave one of them out")
        return self

    def offers(self) -> frozenset[str]:
        """Pairs too, where some are known."""
        return self.offered | ({"pairs"} if self.n_pairs or self.pairs_per_class or self.paired else set())


SETTINGS = Translation
