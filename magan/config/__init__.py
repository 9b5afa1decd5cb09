"""What a study is, checked before anything runs.

YAML becomes frozen pydantic models that forbid unknown keys. The task names
and the names under them are the ``task`` and ``dataset`` columns of every
table, and the folders of every result.
"""

from magan.config.arms import Arm, Correspondence, Strict, Training
from magan.config.sources import OwnData, OwnFile, OwnImages, SheetRow, sheet_row
from magan.config.study import OF_IMAGES, TASKS, Study, arm_of, load, parse
from magan.config.tasks import (
    BatchAlignment,
    Digits,
    Generation,
    HeldOut,
    Lecture,
    Matching,
    Panels,
    Task,
    Translation,
    audit_name,
    data_of,
)

__all__ = [
    "OF_IMAGES",
    "TASKS",
    "Arm",
    "BatchAlignment",
    "Correspondence",
    "Digits",
    "Generation",
    "HeldOut",
    "Lecture",
    "Matching",
    "OwnData",
    "OwnFile",
    "OwnImages",
    "Panels",
    "SheetRow",
    "Strict",
    "Study",
    "Task",
    "Training",
    "Translation",
    "arm_of",
    "audit_name",
    "data_of",
    "load",
    "parse",
    "sheet_row",
]
