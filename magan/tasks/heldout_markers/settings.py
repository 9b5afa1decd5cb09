"""Settings of held-out markers."""

from typing import Literal

from pydantic import Field, PositiveInt

from magan.config.tasks import TaskSettings


class HeldOut(TaskSettings):
    """Two panels on disjoint cells; each shared marker in turn is hidden from panel 1.

    The panels are the cells that match ``panel_1`` and ``panel_2`` (obs column
    -> selected values) or, where neither is given, random halves of a sample.
    Of two panels whose ``shared`` markers are not named, those that are related
    to the rest in one panel alone are not used (``unrelated``).
    """

    cells: str
    where: dict[str, str | tuple[str, ...]] = {}  # obs column -> selected values
    panel_1: dict[str, str | tuple[str, ...]] = {}
    panel_2: dict[str, str | tuple[str, ...]] = {}
    shared: tuple[str, ...] | None = None  # default: what both panels measure
    only_1: tuple[str, ...] | None = None  # default: what panel 1 alone measures
    only_2: tuple[str, ...] | None = None
    hold_out: tuple[str, ...] | None = None  # default: every shared marker
    n_cells: PositiveInt | None = None  # default: all
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    unrelated: Literal["leave out", "use"] = "leave out"  # shared markers whose staining failed in one of two panels


SETTINGS = HeldOut
