"""The types that a study is made of; the study itself is `magan.study.Study`."""

from magan.config.arms import Arm, Correspondence, Strict, Training
from magan.config.lectures import Lecture
from magan.config.sources import OwnData, OwnFile, OwnImages, SheetRow, sheet_row
from magan.config.tasks import TaskSettings
from magan.config.validation import arm_of

__all__ = [
    "Arm",
    "Correspondence",
    "Lecture",
    "OwnData",
    "OwnFile",
    "OwnImages",
    "SheetRow",
    "Strict",
    "TaskSettings",
    "Training",
    "arm_of",
    "sheet_row",
]
