"""The whole study, and what is said of the first thing wrong with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError

from magan.config.arms import Arm, Seeds, Strict, Training
from magan.config.sources import Data, OwnData, OwnImages
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
)
from magan.errors import InputError, nearest

TASKS = ("heldout", "batch", "digits", "translation", "generation", "matching")
OF_IMAGES = ("digits", "translation", "generation")  # tasks


class Tracking(Strict):
    """The MLflow store."""

    uri: str = "sqlite:///results/mlflow.db"


class Study(Strict):
    """Everything a run of the workflow depends on."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    title: str
    summary: str = ""
    seeds: Seeds = (0, 1, 2)
    training: Training = Training()
    device: str = "auto"  # auto, cpu, cuda or cuda:1
    data: Data = Data()
    tracking: Tracking = Tracking()
    own_data: dict[str, OwnData] = {}
    own_images: dict[str, OwnImages] = {}
    heldout: dict[str, HeldOut] = {}
    panels: dict[str, Panels] = {}
    batch: dict[str, BatchAlignment] = {}
    digits: dict[str, Digits] = {}
    translation: dict[str, Translation] = {}
    generation: dict[str, Generation] = {}
    matching: dict[str, Matching] = {}
    lectures: dict[str, Lecture] = {}

    def tasks(self) -> Iterator[tuple[str, str, Task]]:
        """(task, dataset, settings) of everything the study asks."""
        for task in TASKS:
            for dataset, settings in self._of(task).items():
                yield task, dataset, settings

    def find(self, task: str, dataset: str) -> Task:
        return self._of(task)[dataset]

    def _of(self, task: str) -> dict[str, Task]:
        """The data sets of a task; panels to be merged are held-out tasks too."""
        audits = [panels.audits(name) for name, panels in self.panels.items()] if task == "heldout" else []
        return {name: settings for part in (getattr(self, task), *audits) for name, settings in part.items()}

    def own(self, data: str) -> OwnData | OwnImages | None:
        """How the user's files or images are to be read; None for a named data set."""
        return self.own_data.get(data) or self.own_images.get(data)

    def seeds_of(self, settings: Task | Lecture) -> tuple[int, ...]:
        return settings.seeds or self.seeds

    def training_of(self, settings: Task, arm: Arm) -> Training:
        """The arm's training where it says, else the task's, else the study's, setting by setting."""
        merged: dict[str, Any] = {}
        for part in (self.training, settings.training, arm.training):
            merged |= part.model_dump(exclude_unset=True) if part else {}
        return Training(**merged)


def load(path: str | Path) -> Study:
    """The study in a YAML file; see `parse`."""
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such study; see config/ for examples")
    try:
        return parse(yaml.safe_load(Path(path).read_text()) or {})
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML, {' '.join(str(error).split())}; correct the file") from None


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
        raise InputError(_sentence(error, values)) from None


def arm_of(values: Any) -> Arm:
    """Return a checked arm; ``training`` may also be a `Training`.

    Raises
    ------
    InputError
        The first thing wrong: key, value and remedy in a sentence.
    """
    if isinstance(values, Mapping) and isinstance(values.get("training"), Training):
        values = {**values, "training": values["training"].model_dump(exclude_unset=True)}
    try:
        return Arm.model_validate(values)
    except ValidationError as error:
        raise InputError(_sentence(error, values, Arm)) from None


def _sentence(invalid: ValidationError, values: Any, root: type[BaseModel] = Study) -> str:
    first = invalid.errors(include_url=False)[0]
    error = first.get("ctx", {}).get("error")
    *parents, key = _path(first["loc"], values) or ["arm"]
    path = ".".join(parents)
    if first["type"] == "extra_forbidden":
        return f"{path + ': ' if path else ''}unknown key '{key}'{nearest(key, _keys_at(first['loc'][:-1], root))}"
    if first["type"] == "missing":
        return f"{path + ': ' if path else ''}key '{key}' is missing; add it"
    if isinstance(error, InputError):
        return f"{'.'.join([*parents, key])}: {error}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{'.'.join([*parents, key])}: {message[0].lower()}{message[1:]}, not {first['input']!r}"


def _path(location: tuple, values: Any) -> list[str]:
    """The keys of a location; pydantic adds the type it tried where a value may be of several."""
    path = []
    for part in location:
        if not isinstance(values, Mapping | list | tuple):
            break
        path.append(str(part))
        within = part in values if isinstance(values, Mapping) else isinstance(part, int) and part < len(values)
        values = values[part] if within else {}
    return path


def _keys_at(location: tuple, root: type[BaseModel] = Study) -> list[str]:
    """Known keys of the model at a location of the study."""
    model: Any = root
    is_name = False  # a data set, an arm or a place in a list, whatever it is called
    for part in location:
        if is_name:
            is_name = False
        elif isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model, is_name = _model_in(annotation), get_origin(annotation) in (dict, tuple)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside ``dict[str, M]``, ``tuple[M, ...]`` or ``M | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
