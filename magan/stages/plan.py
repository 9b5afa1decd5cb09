"""The check of a whole study before the workflow does anything."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magan import config
from magan.baselines import BASELINES
from magan.correspondence import CORRESPONDENCES
from magan.data import registry
from magan.errors import InputError, among
from magan.models import MODELS


def plan(values: Mapping[str, Any]) -> config.Study:
    """The checked study, every name in it known: what the workflow does before anything else.

    Raises
    ------
    InputError
        The first unknown key, model, option, correspondence, baseline or data set, with the nearest known one.
    """
    study = config.parse(values)
    for task, dataset, settings in study.tasks():
        place = f"{task}.{dataset}"
        _one_of(config.data_of(settings), {**registry.DATASETS, **study.own_data}, f"{place}: data set")
        for name in settings.baselines:
            _one_of(name, BASELINES, f"{place}.baselines: baseline")
        for name, arm in settings.arms.items():
            here = f"{place}.arms.{name}"
            if name in settings.baselines:
                raise InputError(f"{here}: an arm may not be called like a baseline; rename it")
            _one_of(arm.model, MODELS, f"{here}: model")
            _options(arm.options, MODELS[arm.model], f"{here}.options", hidden=("shapes", "correspondence"))
            kept = arm.correspondence
            _one_of(kept.name, CORRESPONDENCES, f"{here}: correspondence")
            _options(kept.options, CORRESPONDENCES[kept.name], f"{here}.correspondence", ("x1", "x2", "seeds"))
    return study


def _one_of(name: str, known: Mapping[str, Any], what: str) -> None:
    if name not in known:
        raise InputError(f"{what} '{name}' is unknown{among(name, known)}")


def _options(given: Mapping[str, Any], builder: Callable, place: str, hidden: Sequence[str]) -> None:
    known = [name for name in inspect.signature(builder).parameters if name not in hidden]
    for name in given:
        if name not in known:
            raise InputError(f"{place}: unknown option '{name}'{among(name, known)}")
