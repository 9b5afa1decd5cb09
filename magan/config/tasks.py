"""What a study asks: one class a section of its file, one object a data set of that section."""

import re
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from magan.config.arms import Arm, Seeds, Strict, Training, Word


class Task(Strict):
    """What every task has: the methods to compare. ``seeds`` and ``training`` default to the study's."""

    arms: dict[str, Arm]
    baselines: tuple[str, ...] = ()
    seeds: Seeds | None = None
    training: Training | None = None
    split_seed: NonNegativeInt = 0  # of the one division into training and test cells


class HeldOut(Task):
    """Two panels on disjoint cells; each shared marker in turn is hidden from panel 1.

    The panels are the cells that match ``panel_1`` and ``panel_2`` (obs column
    -> kept values) or, where neither is given, random halves of one sample.
    """

    cells: str
    where: dict[str, str | tuple[str, ...]] = {}  # obs column -> kept values
    panel_1: dict[str, str | tuple[str, ...]] = {}
    panel_2: dict[str, str | tuple[str, ...]] = {}
    shared: tuple[str, ...] | None = None  # default: what both panels measure
    only_1: tuple[str, ...] | None = None  # default: what panel 1 alone measures
    only_2: tuple[str, ...] | None = None
    hold_out: tuple[str, ...] | None = None  # default: every shared marker
    n_cells: PositiveInt | None = None  # default: all
    test_fraction: float = Field(default=0.2, gt=0, lt=1)


class Panels(Task):
    """Panels to be merged by the first arm: every marker of any of them on every cell.

    Each ordered pair of panels is audited first, as the held-out task
    ``<name>_<panel 1>_<panel 2>``: are markers of panel 2 right on cells of
    panel 1? ``hold_out``, ``n_cells`` and ``test_fraction`` are as there.
    """

    cells: str
    where: dict[str, str | tuple[str, ...]] = {}
    by: str = "panel"  # obs column that tells the panels apart
    panels: tuple[str, ...] = Field(min_length=2)  # its values, in the order in which markers are sought
    baselines: tuple[str, ...] = ("ridge", "knn", "boosting")
    hold_out: tuple[str, ...] | None = None
    n_cells: PositiveInt | None = None
    test_fraction: float = Field(default=0.2, gt=0, lt=1)

    def audits(self, name: str) -> dict[str, HeldOut]:
        """The held-out task of every ordered pair of panels, by the data set's name."""
        same = self.model_dump(exclude={"by", "panels", "arms", "seeds", "training"})
        same |= {"arms": self.arms, "seeds": self.seeds, "training": self.training}
        return {
            audit_name(name, one, other): HeldOut(**same, panel_1={self.by: one}, panel_2={self.by: other})
            for one in self.panels
            for other in self.panels
            if one != other
        }


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


class BatchAlignment(Task):
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


class Digits(Task):
    """Images of a few classes and the same classes turned; no image is in both domains but for ``n_pairs`` a class."""

    images: str
    classes: tuple[str, ...] = Field(min_length=2)
    degrees: float = 120.0  # counter-clockwise
    n_pairs: NonNegativeInt = 20  # a class: images present in both domains, from which known pairs are drawn
    n_train: PositiveInt | None = None  # a class and domain; default: all
    n_test: PositiveInt = 100  # a class


class Generation(Task):
    """Samples like images, made from nothing or from what an application knows of each of ``n_test`` test images.

    Images with obs "split" are trained on and tested as it says, others as ``split_seed`` divides them.
    """

    images: str
    classes: tuple[Word, ...] = ()  # of obs "cell_type"; default: all images, with their classes if they have any
    n_train: PositiveInt | None = None  # default: all that are not test images
    n_test: PositiveInt = 1000


class Translation(Task):
    """Images of one set as the other would show them, trained without pairs but for ``n_pairs`` of them, or ``paired``.

    Images of the two sets with the same word in the obs column "pair" are the same thing. Of things that are known in
    both sets, ``n_test`` are in neither training domain, ``n_pairs`` (or all, where ``paired``) are in both, and every
    other one is in one of the two. Without any, ``n_test`` images of each set are kept from training.
    """

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
    def _told_once(self) -> Self:
        if self.paired and self.n_pairs:
            raise ValueError("paired: true makes a pair of every training image; leave n_pairs out")
        return self


class Matching(Task):
    """The same cells measured in two ways without a common marker; ``n_pairs`` of the pairs are told, the rest scored.

    Cells of the two sets with the same word in the obs column "pair" are a pair;
    cells without one are trained on and mapped, and not scored. With several
    draws other pairs are told in each, to methods trained on their own.
    """

    cells_1: str
    cells_2: str
    n_pairs: PositiveInt = 20
    n_draws: PositiveInt = 1


class Lecture(Strict):
    """One experiment of ``magan.lectures.LECTURES``; ``seeds`` defaults to the study's."""

    seeds: Seeds | None = None
    images: str | None = None  # the data set, of an experiment that needs one
    options: dict[str, Any] = {}


def audit_name(name: str, one: str, other: str) -> str:
    """Of the audit of ``other``'s markers on cells of the panel ``one``; it names folders, so of letters and digits."""
    return "_".join([name, *(re.sub(r"[^A-Za-z0-9]+", "-", panel) for panel in (one, other))])


def data_of(settings: Task) -> tuple[str, ...]:
    """Names of the data sets that a task reads."""
    if isinstance(settings, Matching):
        return settings.cells_1, settings.cells_2
    if isinstance(settings, Translation):
        return settings.images_1, settings.images_2
    return (settings.images if isinstance(settings, Digits | Generation) else settings.cells,)
