"""Settings of batches to be corrected."""

from typing import Literal

from pydantic import Field, PositiveInt

from magan.config.arms import Strict, Word
from magan.config.tasks import TaskSettings


class Wipe(Strict):
    """A dropout made by hand: the marker reads zero in half of the cells, which become a batch of their own."""

    marker: str
    populations: tuple[str, ...] = Field(min_length=1)


class Correct(Strict):
    """Every file of the data set written again, corrected by the first arm.

    A marker that the safety gate flags is corrected all the same ("none"), by
    the monotone map of that marker alone ("monotone"), or not at all ("input").
    """

    fallback: Literal["none", "monotone", "input"] = "none"


class BatchAlignment(TaskSettings):
    """Every batch is mapped onto the reference batch, a name or "median": the batch least far from the others.

    Trained on the cells that match ``train``, at most ``n_train`` of a batch, and scored on those that match
    ``test`` (obs column -> value; of the two one may be left out, and is all other cells), or on a random
    ``test_fraction``. With control samples, ``train: {is_control: true}`` learns from them what is done to all.
    """

    cells: str
    where: dict[str, str | tuple[str, ...]] = {}
    reference: str
    markers: tuple[str, ...] | None = None  # default: every marker to be corrected
    train: dict[str, Word] = {}
    n_train: PositiveInt = 20_000
    test: dict[str, Word] = {}
    test_fraction: float = Field(default=0.3, gt=0, lt=1)
    wipe: Wipe | None = None
    correct: Correct | None = None  # of the user's own files alone
