"""A study in short: the functions of its rules on its own cells, with a few training steps in place of all.

What would stop the run stops the rehearsal with the same sentence, and what a step takes says how long all will take.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.baselines import BASELINES
from magan.config.arms import Arm
from magan.config.tasks import TaskSettings
from magan.errors import InputError
from magan.study import Study
from magan.tasks.batch_correction.control_design import sentences
from magan.tasks.batch_correction.neighbouring_batches import sentence
from magan.tasks.folds import Folds
from magan.tasks.registry import TASKS

AROUND = 9  # jobs of a task besides its methods: from reading to the report
STEPS, UNTIMED = 14, 3  # of training in a rehearsal, and those at its start that are not timed
FEW = 2000  # cells of a domain that baselines are tried on
COMPARED = 5000  # cells of a domain, above which the time of a baseline hardly grows
SLOW = ("cytovi",)  # baselines that are not tried: they train for minutes whatever the number of cells
FOLDERS = ("results", "logs")  # what the workflow writes, in addition to its temporary files


@dataclass(frozen=True)
class Rehearsal:
    """Sentences on what would stop the run; seconds, on a core of this kind, of all fits, and the jobs of the run.

    ``cautions`` say which batches are not mapped straight to the reference by a control, and which markers a control
    does not stain.
    """

    faults: tuple[str, ...]
    seconds: float
    jobs: int = 0
    cautions: tuple[str, ...] = ()


def rehearse(study: Study, cells: Mapping[str, AnnData]) -> dict[str, Rehearsal]:
    """Run, in short, every task of a study whose data sets are all given.

    Parameters
    ----------
    study
        A checked study.
    cells
        Data set -> its cells, complete as rule `read` gives them.

    Returns
    -------
    dict
        Data set -> what its tasks meet; a task of two data sets counts for the first.
    """
    found = {name: Rehearsal((), 0.0) for name in cells}
    for task, dataset, settings in study.tasks():
        names = settings.data()
        if TASKS[task].data != "cells" or not all(name in cells for name in names):
            continue
        before = found[names[0]]
        here = _task(study, task, settings, [cells[name].copy() for name in names])
        named = (f"{task}.{dataset}: {fault}" for fault in here.faults)
        jobs = before.jobs + AROUND + len(settings.arms) + len(settings.baselines)
        cautions = tuple(dict.fromkeys((*before.cautions, *here.cautions)))
        found[names[0]] = Rehearsal((*before.faults, *named), before.seconds + here.seconds, jobs, cautions)
    return found


def _task(study: Study, task: str, settings: TaskSettings, cells: list[AnnData]) -> Rehearsal:
    try:
        parts = TASKS[task].split(settings, cells, _batch_size(study, settings))
    except InputError as error:
        return Rehearsal((str(error),), 0.0)
    outcomes = list(_methods(study, settings, parts))
    faults = tuple(fault for fault, _ in outcomes if fault)
    cautions = sentences(parts.truth.uns[keys.DESIGN]) if keys.DESIGN in parts.truth.uns else ()
    if neighbours := getattr(settings, "neighbours", 0):
        cautions = [*cautions, sentence([*parts.train, parts.truth.uns[keys.REFERENCE]], neighbours)]
    return Rehearsal(faults, sum(seconds for _, seconds in outcomes), cautions=tuple(cautions))


def _batch_size(study: Study, settings: TaskSettings) -> int:
    return max((study.training_of(settings, arm).batch_size for arm in settings.arms.values()), default=2)


def _methods(study: Study, settings: TaskSettings, parts: Folds) -> Iterator[tuple[str, float]]:
    """What is wrong with each arm and baseline, "" for nothing, and the seconds that it would train."""
    for name, arm in settings.arms.items():
        try:
            yield "", _trained(study, settings, arm, parts)
        except InputError as error:
            yield f"arm {name}: {error}", 0.0
    for name in settings.baselines:
        if name not in SLOW:
            yield _tried(name, parts)


def _trained(study: Study, settings: TaskSettings, arm: Arm, parts: Folds) -> float:
    """Seconds that all steps and seeds of an arm would take: those of the usual step of a short fit, times all."""
    training = study.training_of(settings, arm)
    seeds = study.seeds_of(settings)
    at_once = seeds[: max(1, training.at_once // len(parts.train))]
    first, second = ([pair[i] for pair in parts.train.values()] for i in (0, 1))
    aligner = Aligner.of_arm(arm, training.model_copy(update={"steps": STEPS}), at_once, "cpu")
    ends: list[float] = []
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):
        aligner.fit(first, second, names=list(parts.train), every=1, record=lambda *_: ends.append(time.perf_counter()))
    around = max(time.perf_counter() - start - (ends[-1] - ends[0]), 0.0)  # scaling, networks, calibration
    step = float(np.median(np.diff(ends)[UNTIMED:]))  # the first steps also set up what later ones use
    return (step * training.steps + around) * len(seeds) / len(at_once)


def _tried(name: str, parts: Folds) -> tuple[str, float]:
    """The sentence by which a baseline refuses some cells of the first fold, or "", and the seconds for all folds."""
    fold, pair = next(iter((fold, domains[:2]) for fold, domains in parts.train.items()))
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(action="ignore"):
            BASELINES[name](*(_some(x) for x in (*pair, parts.query[fold])))
    except InputError as error:
        return str(error), 0.0
    except Exception:  # a baseline that breaks is in the tables as failed, and stops nothing
        return "", 0.0
    more = [max(min(x.n_obs, COMPARED) / FEW for x in pair) for pair in parts.train.values()]
    return "", (time.perf_counter() - start) * sum(max(1.0, factor) for factor in more)


def _some(x: AnnData) -> AnnData:
    if x.n_obs <= FEW:
        return x.copy()
    return x[np.unique(np.linspace(0, x.n_obs - 1, FEW).astype(int))].copy()


def unwritable(name: str) -> Iterator[str]:
    """A sentence for the first folder of a run, below the working directory, that cannot be written into."""
    for folder in FOLDERS:
        place = Path(folder) / name
        existing = next(part for part in (place, *place.parents) if part.exists())
        try:
            with tempfile.TemporaryDirectory(dir=existing, prefix=".magan-"):
                pass
        except OSError as error:
            yield (
                f"folder {place} cannot be written ({os.strerror(error.errno or 0)}); "
                "correct its permissions or run elsewhere"
            )
            return
