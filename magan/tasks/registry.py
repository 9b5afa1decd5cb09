"""Every task that a study can ask for: an entry for each, whose folder holds all that is particular to it.

A folder ``magan/tasks/<folder>`` holds ``settings.py`` (pydantic), ``check.py`` (what can be known before a run),
``folds.py`` (what training, mapping and scoring may each see), ``score.py``, ``figures.py`` and ``report.py``. A part
is imported when it is first asked for: reading a study loads no arithmetic.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal


class Part:
    """A name in a module of the task's folder, imported when it is asked for; ``default`` where there is none."""

    def __init__(self, module: str, name: str, default: Any = ...):
        self.module, self.name, self.default = module, name, default

    def __get__(self, task: "Task | None", of: type) -> Any:
        if task is None:
            return self
        module = f"magan.tasks.{task.folder}.{self.module}"
        if self.default is ...:
            return getattr(import_module(module), self.name)
        return getattr(import_module(module), self.name, self.default) if find_spec(module) else self.default


@dataclass(frozen=True)
class Task:
    """A question that a study can ask of its data sets, and the functions that answer it.

    Attributes
    ----------
    folder
        In ``magan/tasks``.
    data
        What its data sets hold.
    makes_samples
        Whether its models make samples (``magan.models.GENERATING``) rather than maps (``ALIGNING``).
    maps_back
        Whether the query is also mapped to the target domain and back.
    settings
        The section of a study, a class of `magan.config.tasks.TaskSettings`: an object for each data set.
    split
        ``(settings, cells, batch_size) -> magan.tasks.folds.Folds``.
    join
        ``(fold -> maps) -> AnnData``, the shape that ``score`` reads.
    score, floor
        ``(truth, mapped) -> table`` and ``(truth) -> table`` with the columns `magan.keys.METRICS`; the floor, or
        ceiling, is what a perfect map would score.
    controls
        ``(truth) -> table``: maps whose scores are known beforehand. None where there are none.
    inputs
        ``(truth) -> keyword arguments`` of figures that need more than the tables.
    figures
        Name -> `magan.figures.Drawing`, in the order of the page.
    shown
        ``(arms, baselines, summary) -> methods`` whose maps are drawn. None: those of the headline arm.
    question
        `magan.report.phrasing.Question`.
    sentences
        ``(summary, metrics, arm) -> sentence``, said after the answer.
    check
        ``(study, dataset, settings) -> None``: raises `InputError` for what can be known before a run.
    """

    folder: str
    data: Literal["cells", "images"]
    makes_samples: bool = False
    maps_back: bool = False

    settings = Part("settings", "SETTINGS")
    split = Part("folds", "split")
    join = Part("folds", "join")
    score = Part("score", "score")
    floor = Part("score", "floor")
    controls = Part("controls", "controls", None)
    inputs = Part("score", "figure_inputs", None)
    figures = Part("figures", "FIGURES")
    shown = Part("figures", "shown", None)
    question = Part("report", "QUESTION")
    sentences = Part("report", "SENTENCES", ())
    check = Part("check", "check")


# The section of a study, the ``task`` column of every table and the folder of the results -> the task.
TASKS: dict[str, Task] = {
    "heldout": Task("heldout_markers", "cells"),
    "batch": Task("batch_correction", "cells"),
    "digits": Task("rotated_digits", "images", maps_back=True),
    "translation": Task("image_translation", "images"),
    "generation": Task("image_generation", "images", makes_samples=True),
    "matching": Task("cell_matching", "cells"),
}

# Panels to be merged are audited by held-out markers; see `magan.tasks.panel_merging`.
MERGING = Task("panel_merging", "cells")
