"""Settings of batches to be corrected."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from magan.baselines import BASELINES
from magan.config.arms import Arm, Strict, Word
from magan.config.names import ArmName
from magan.config.tasks import TaskSettings
from magan.errors import among
from magan.models import ALIGNING
from magan.presets import PRESETS

AUTO = "auto"
BESIDE = (AUTO, "identity", "zscore", "quantile", "combat")  # the methods of a study that names none


class Wipe(Strict):
    """A dropout made by hand: the marker reads zero in half of the cells, which become a batch of their own."""

    marker: str
    populations: tuple[str, ...] = Field(min_length=1)


class Correct(Strict):
    """Every file of the data set written again, corrected by the deployed method.

    A marker that the safety gate flags is corrected all the same ("none"), by
    the monotone map of that marker alone ("monotone"), or not at all ("input").
    With ``acquisition``, FCS files get one more channel, ``magan_acquisition``, which flags events that were acquired
    unevenly (1 flow, 2 shift, 4 drift, and their sums).
    """

    fallback: Literal["none", "monotone", "input"] = "none"
    acquisition: bool = False


class BatchAlignment(TaskSettings):
    """Every batch is mapped onto the reference batch, a name or "median": the batch least far from all others.

    ``method`` names the method that corrects: a baseline that can be saved, a preset or a model. It is the short form
    of ``deploy``; without either, and without arms, it is "auto", the choice among simple maps on these very cells.

    Trained on the cells that match ``train``, at most ``n_train`` of a batch, and scored on those that match
    ``test`` (obs column -> value; of the two one may be left out, and is all other cells), or on a random
    ``test_fraction``. With control samples, ``train: {is_control: true}`` learns from them what is done to all.
    ``biaxial`` names two markers by which the map of every arm is drawn, cell by cell, with the share of its seeds that
    preserve the populations.
    With ``neighbours`` a map is learned from so many batches before and after too, in the order of their names: for
    daily batches of few samples with a slow drift.
    """

    arms: dict[ArmName, Arm] = {}
    cells: str
    where: dict[str, str | tuple[str, ...]] = {}
    reference: str = "median"
    markers: tuple[str, ...] | None = None  # default: every marker to be corrected
    train: dict[str, Word] = {}
    n_train: PositiveInt = 20_000
    neighbours: NonNegativeInt = 0
    test: dict[str, Word] = {}
    test_fraction: float = Field(default=0.3, gt=0, lt=1)
    wipe: Wipe | None = None
    biaxial: tuple[str, str] | None = None
    correct: Correct | None = None  # of the user's files alone
    method: str | None = Field(default=None, exclude=True)  # the short form of deploy, written out before anything else

    @model_validator(mode="before")
    @classmethod
    def _with_its_method(cls, values: Any) -> Any:
        """Write ``method`` out as ``deploy``, with the arm or baseline that it names."""
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        plain = not values.get("arms") and not values.get("baselines") and not values.get("deploy")
        method = values.get("method") or values.get("deploy") or (AUTO if plain else None)
        if not isinstance(method, str):
            return values
        if plain:
            values["baselines"] = list(BESIDE)
        arms: dict[str, Any] = dict(values.get("arms") or {})
        baselines: list[Any] = list(values.get("baselines") or ())
        if method not in (*arms, *baselines):
            if method in BASELINES:
                baselines.append(method)
            elif method in PRESETS or method in ALIGNING:
                arms[method] = method
            else:
                known = [*_saved(), *PRESETS, *ALIGNING]
                raise ValueError(f"method '{method}' is unknown{among(method, known)}")
        return {**values, "arms": arms, "baselines": baselines, "deploy": method}

    def deployable(self) -> tuple[str, ...]:
        """Arms, and baselines that can be saved."""
        return (*self.arms, *_saved())


def _saved() -> list[str]:
    """Baselines whose maps can be saved and can correct files."""
    return [name for name, entry in BASELINES.entries.items() if entry.deployable]


SETTINGS = BatchAlignment
