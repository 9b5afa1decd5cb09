"""Settings of images to be generated."""

from typing import ClassVar

from pydantic import PositiveInt

from magan.config.arms import Word
from magan.config.tasks import TaskSettings


class Generation(TaskSettings):
    """Samples like images, made from nothing or from what an application knows of each of ``n_test`` test images.

    Images with obs "split" are trained on and tested as it says, others as ``split_seed`` divides them.
    """

    reads: ClassVar[tuple[str, ...]] = ("images",)
    offered: ClassVar[frozenset[str]] = frozenset({"images", "labels"})

    images: str
    classes: tuple[Word, ...] = ()  # of obs "cell_type"; default: all images, with their classes if they have any
    n_train: PositiveInt | None = None  # default: all that are not test images
    n_test: PositiveInt = 1000


SETTINGS = Generation
