"""What a study is, checked before anything runs.

YAML becomes frozen pydantic models that forbid unknown keys. The task names
and the names under them are the ``task`` and ``dataset`` columns of every
table, and the folders of every result.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from magan.errors import InputError, nearest

TASKS = ("heldout", "batch", "digits", "translation", "generation", "matching")
OF_IMAGES = ("digits", "translation", "generation")  # tasks


class Strict(BaseModel):
    """Frozen, and a key it does not know is an error that names the full path."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _count_or_list(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return tuple(range(value))
    return value if isinstance(value, list | tuple) else ()


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError("give a positive count or a list of distinct numbers")
    return seeds


Word = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, bool | int) else value)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Seeds = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(_count_or_list), AfterValidator(_distinct)]


class Training(Strict):
    """How long and how fast.

    ``learning_rate`` and ``betas`` default to the model's own paper.
    ``at_once`` bounds memory: so many replicates share one batched network and
    the rest follow; it does not change any of them. Over the last ``decay``, a
    share of the steps (true is all of them, CycleGAN's is 0.5), the learning rate
    falls in a straight line to 0, which settles what is "expected".
    ``average`` is the share that a running mean of the weights keeps at each update; maps and
    samples are then made with the mean of every network but the discriminators.
    ``precision`` "mixed" computes the losses in bfloat16 where that is safe, for GPUs.
    """

    steps: PositiveInt = 3000
    batch_size: int = Field(default=100, ge=2)
    learning_rate: PositiveFloat | None = None
    betas: tuple[Beta, Beta] | None = None
    decay: float = Field(default=0.0, ge=0, le=1)
    at_once: PositiveInt = 100
    average: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["single", "mixed"] = "single"

    def of_fit(self) -> dict[str, Any]:
        """What `magan.training.fit.fit` is to be told of it."""
        return self.model_dump(include={"steps", "learning_rate", "betas", "decay", "precision"})


class Correspondence(Strict):
    """A key of ``magan.correspondence.CORRESPONDENCES`` and its options."""

    name: str
    options: dict[str, Any] = {}


def _name_or_mapping(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "options" not in value:
        name = {"name": value["name"]} if "name" in value else {}
        return {**name, "options": {k: v for k, v in value.items() if k != "name"}}
    return value


class Arm(Strict):
    """One model with one set of options, trained over every seed.

    ``scale`` standardises markers before training: over both domains
    ("pooled", which leaves a batch effect in place), over each on its own by
    mean and spread ("each"), by mean and one spread of all ("whole", for reduced
    features) or by ranks ("ranks"), by ranks that a shrunken
    monotone map joins ("monotone"), or not at all ("none"). ``balance`` draws
    the training cells so that each population is as common in either domain.
    ``predict`` "expected" hides the markers of the source panel's own from the
    trained map, and ``calibrate`` keeps a share of the cells apart from training
    to tell how far predictions may be off. ``neighbours`` gives similar training
    cells a share in what is expected, see ``magan.aligner.Aligner``.
    ``techniques`` change any recipe: names of ``magan.techniques.TECHNIQUES`` with their options.
    """

    model: str
    correspondence: Annotated[Correspondence, BeforeValidator(_name_or_mapping)] = Correspondence(name="none")
    options: dict[str, Any] = {}
    techniques: dict[str, dict[str, Any]] = {}
    scale: Literal["pooled", "each", "whole", "ranks", "monotone", "none"] = "pooled"
    balance: bool = False
    predict: Literal["sample", "expected"] = "sample"
    calibrate: float = Field(default=0.0, ge=0, lt=1)
    neighbours: bool = False
    training: Training | None = None


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


class OwnFile(Strict):
    """One file of the user's: .fcs, .csv, .tsv or .h5ad, with what is known of it."""

    path: str
    batch: str = "1"
    sample: str | None = None
    panel: str | None = Field(default=None, pattern=r"^[^/\\]+$")  # which staining, where the data set has several
    donor: str | None = None
    group: str | None = None
    is_control: bool | None = None
    cell_type: str | None = None  # a column of the file, or a file with one label per cell


class SheetRow(OwnFile):
    """One row of a sample sheet; columns of any other name describe the sample too."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: str = Field(description="file of cells, from the sheet's folder or from where the workflow runs")
    batch: str = Field(pattern=r"^[^/\\]+$")
    sample: str = Field(pattern=r"^[^/\\]+$", description="no other row's")


class OwnData(Strict):
    """A data set of the user's files, listed here or in a sample sheet.

    Files of a sheet that cannot be used are left out by name; a list of files is all or nothing. ``aliases`` (name in
    a file -> marker) may also be given for each panel, ``cofactor`` for each marker or each panel.
    """

    files: tuple[OwnFile, ...] = ()
    sheet: str | None = None
    panel: str | dict[str, str] | None = None  # table of channel, marker, kind; or one for each panel
    aliases: str | dict[str, str | dict[str, str]] = {}  # or a YAML file of them
    counts: tuple[str, ...] | bool = ()  # panels that are counts of RNA
    cofactor: PositiveFloat | dict[str, PositiveFloat | None] | None = 5.0  # null where they are transformed already
    gates: dict[str, str] = {}  # population -> "CD3+ CD19-"

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        if bool(self.files) == bool(self.sheet):
            raise ValueError("give one of files and sheet")
        return self


class OwnImages(Strict):
    """A data set of the user's images: a folder with all its sub-folders, an .npz file, or an idx file as MNIST's.

    With a ``size``, images become squares of that side: cut from the middle, or (crop "none") out of proportion.
    ``paired`` says that images at the same place of another such set, a folder's files without suffix or rows, show
    the same thing.
    """

    path: str
    array: str | None = None  # of an .npz with several: the images
    labels: str | None = None  # "folder": sub-folders are classes; an .npz's array; an idx file
    paired: bool = False
    size: PositiveInt | None = None  # default: as they are, all of one size
    crop: Literal["centre", "none"] = "centre"
    channels: Literal[1, 3] | None = None  # default: as they are, all alike


class Data(Strict):
    """Where named data sets come from: a mirror (folder or URL), else their own URL, kept in ``cache``."""

    mirror: str | None = None
    cache: str = "data"


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


def sheet_row(values: Mapping[str, str]) -> SheetRow:
    """A checked row of a sample sheet.

    Raises
    ------
    InputError
        The first column with a wrong value.
    """
    try:
        return SheetRow.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = first["loc"][0]
        remedy = "write true or false" if column == "is_control" else "leave slashes out"
        raise InputError(f"{column} is {first['input']!r}; {remedy}") from None


def _sentence(error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    *parents, key = _path(first["loc"], values)
    path = ".".join(parents)
    if first["type"] == "extra_forbidden":
        return f"{path + ': ' if path else ''}unknown key '{key}'{nearest(key, _keys_at(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{path + ': ' if path else ''}key '{key}' is missing; add it"
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


def _keys_at(location: tuple) -> list[str]:
    """Known keys of the model at a location of the study."""
    model: Any = Study
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


if __name__ == "__main__":  # python -m magan.config [sheet] > workflow/schemas/{study,samples}.schema.json
    print(json.dumps((SheetRow if sys.argv[1:] == ["sheet"] else Study).model_json_schema(), indent=2))
