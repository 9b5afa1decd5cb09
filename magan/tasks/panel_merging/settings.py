"""Settings of panels to be merged."""

import re
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from magan.config.arms import Strict
from magan.config.tasks import TaskSettings
from magan.tasks.heldout_markers.settings import HeldOut


class MergedFiles(Strict):
    """Every FCS file of the data set written again with a channel for each marker that its panel lacks.

    ``values`` are the expected values of a marker, which rank cells, or draws with the right distribution, for gates.
    Markers whose verdict is "not usable" are left out, but for ``unusable: true``.
    """

    values: Literal["expected", "sampled"] = "expected"
    unusable: bool = False


class Panels(TaskSettings):
    """Panels to be merged by the deployed arm: every marker of any of them on every cell.

    Each ordered pair of panels is audited first, as the held-out task
    ``<name>_<panel 1>_<panel 2>``: are markers of panel 2 right on cells of
    panel 1? ``hold_out``, ``n_cells`` and ``test_fraction`` are as there.
    """

    audited_by: ClassVar[str] = "heldout"  # the task that measures the quality of merged markers

    cells: str
    where: dict[str, str | tuple[str, ...]] = {}
    by: str = "panel"  # obs column with the panel of each cell
    panels: tuple[str, ...] = Field(min_length=2)  # values of that column; a tie between sources goes to the first
    baselines: tuple[str, ...] = ("ridge", "knn", "boosting")
    hold_out: tuple[str, ...] | None = None
    n_cells: PositiveInt | None = None
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    unrelated: Literal["leave out", "use"] = "leave out"  # shared markers whose staining failed in one of two panels
    write: MergedFiles = MergedFiles()  # of the user's files alone

    def audits(self, name: str) -> dict[str, HeldOut]:
        """The held-out task of every ordered pair of panels, by the data set's name."""
        same = self.model_dump(exclude={"by", "panels", "arms", "seeds", "training", "write"})
        same |= {"arms": self.arms, "seeds": self.seeds, "training": self.training}
        return {
            audit_name(name, first, second): HeldOut(**same, panel_1={self.by: first}, panel_2={self.by: second})
            for first in self.panels
            for second in self.panels
            if first != second
        }


def audit_name(name: str, first: str, second: str) -> str:
    """Name of the audit of panel ``second``'s markers on cells of panel ``first``, safe as the name of a folder."""
    return "_".join([name, *(re.sub(r"[^A-Za-z0-9]+", "-", panel) for panel in (first, second))])


SETTINGS = Panels
