"""The whole study, and the sentence about the first thing that is wrong with it.

A study is a YAML file. It becomes frozen pydantic models that refuse unknown keys. Its sections are the tasks of
`magan.tasks.registry.TASKS`; names of tasks and data sets are columns of every table and folders of every result.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from magan.config.arms import Arm, Seeds, Strict, Training
from magan.config.lectures import Lecture
from magan.config.names import Device, Name, StoreAddress
from magan.config.sources import Data, OwnData, OwnImages
from magan.config.tasks import TaskSettings
from magan.config.validation import sentence
from magan.config.yaml_file import read_yaml
from magan.errors import InputError
from magan.tasks.registry import MERGING, TASKS


class Tracking(Strict):
    """The MLflow store."""

    uri: StoreAddress = "sqlite:///results/mlflow.db"


class StudySettings(Strict):
    """Everything that a run of the workflow depends on, but for its tasks."""

    name: Name
    title: str
    summary: str = ""
    seeds: Seeds = (0, 1, 2)
    training: Training = Training()
    device: Device = "auto"  # auto, cpu, cuda or cuda:1
    data: Data = Data()
    tracking: Tracking = Tracking()
    own_data: dict[Name, OwnData] = {}
    own_images: dict[Name, OwnImages] = {}
    lectures: dict[Name, Lecture] = {}

    def tasks(self) -> Iterator[tuple[str, str, TaskSettings]]:
        """(task, dataset, settings) of everything that the study asks."""
        for task in TASKS:
            for dataset, settings in self.section(task).items():
                yield task, dataset, settings

    def find(self, task: str, dataset: str) -> TaskSettings:
        """The settings of a task on a data set."""
        return self.section(task)[dataset]

    def section(self, task: str) -> dict[str, Any]:
        """The data sets of a task; panels to be merged add the tasks that audit them."""
        asked = dict(getattr(self, task))
        for name, panels in getattr(self, PANELS).items():
            asked |= panels.audits(name) if task == panels.audited_by else {}
        return asked

    def panels_to_merge(self) -> dict[str, Any]:
        """Name -> settings of the panels to be merged."""
        return getattr(self, PANELS)

    def own(self, data: str) -> OwnData | OwnImages | None:
        """How the user's files or images are to be read; None for a named data set.

        Panels are merged cell by cell, so all cells of their data set are held.
        """
        found = self.own_data.get(data)
        if (
            found
            and found.cells_per_file == "auto"
            and data in [each.cells for each in self.panels_to_merge().values()]
        ):
            return found.model_copy(update={"cells_per_file": "all"})
        return found or self.own_images.get(data)

    def seeds_of(self, settings: TaskSettings | Lecture) -> tuple[int, ...]:
        """The seeds of a task or lecture."""
        return settings.seeds or self.seeds

    def training_of(self, settings: TaskSettings, arm: Arm) -> Training:
        """The arm's training where the arm says, else the task's, else the study's, setting by setting."""
        merged: dict[str, Any] = {}
        for part in (self.training, settings.training, arm.training):
            merged |= part.model_dump(exclude_unset=True) if part else {}
        return Training(**merged)


PANELS = "panels"  # the section of panels to be merged
SECTIONS = {task: entry.settings for task, entry in TASKS.items()} | {PANELS: MERGING.settings}

FIELDS: dict[str, Any] = {key: (dict[Name, of], {}) for key, of in SECTIONS.items()}


class Study(create_model("StudyTasks", __base__=StudySettings, **FIELDS)):
    """Everything that a run of the workflow depends on: `StudySettings`, and a section for each task."""


def load(path: str | Path) -> Study:
    """The study in a YAML file; see `parse`."""
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such study; see config/ for examples")
    return parse(read_yaml(path) or {})


def parse(values: Mapping[str, Any]) -> Study:
    """A checked study.

    Raises
    ------
    InputError
        The first thing wrong: full key path, value and remedy in a sentence.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"a study is keys with values, not {values!r}; see config/ for examples")
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise InputError(sentence(error, values, Study)) from None


def all_cells(corrected: Path) -> Path:
    """What rule `correct` wrote of all cells: an .h5ad file, or a folder of them where they are too many for one."""
    folder = corrected / "integrated"
    return folder if folder.is_dir() else folder.with_suffix(".h5ad")
