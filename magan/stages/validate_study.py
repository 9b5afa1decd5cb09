"""The check of a whole study before the workflow does anything."""

from collections.abc import Mapping
from typing import Any

from magan.config.options import check_options
from magan.datasets.kinds import KINDS
from magan.errors import InputError
from magan.lectures import LECTURES
from magan.study import SECTIONS, Study, parse
from magan.tasks.check import check_name
from magan.tasks.registry import MERGING, TASKS


def validate_study(values: Mapping[str, Any]) -> Study:
    """The checked study, every name in it known: what the workflow does before anything else.

    Raises
    ------
    InputError
        The first unknown key, model, option, technique, correspondence, baseline or data set, with the nearest known
        name; what is wrong with a sample sheet or a panel table; or the study asks for nothing.
    """
    study = parse(values)
    if study.own_data:
        from magan.cytometry.load import reading, rows_of  # anndata takes a second to import

        for user_data in study.own_data.values():
            reading(user_data, rows_of(user_data))
    for dataset, settings in study.panels_to_merge().items():
        MERGING.check(study, dataset, settings)
    kinds = _kinds(study)
    _lectures(study, kinds)
    if not any((study.panels_to_merge(), study.lectures, *study.tasks())):
        raise InputError(f"the study asks for nothing; add a section: {', '.join(SECTIONS)} or lectures")
    for task, dataset, settings in study.tasks():
        for name in settings.data():
            _check_data(name, kinds, TASKS[task].data, f"{task}.{dataset}")
        TASKS[task].check(study, dataset, settings)
    return study


def _lectures(study: Study, kinds: Mapping[str, str]) -> None:
    """Experiments that are known, with images where they need them."""
    for name, settings in study.lectures.items():
        here = f"lectures.{name}"
        check_name(name, LECTURES, "lectures: experiment")
        check_options(settings.options, LECTURES[name].source, f"{here}.options", hidden=("seeds", "images"))
        if LECTURES[name].of_images and not settings.images:
            raise InputError(f"{here}: it needs a data set of images; name one under {here}.images")
        if settings.images and not LECTURES[name].of_images:
            raise InputError(f"{here}.images: '{settings.images}' has no use in this experiment; leave it out")
        if settings.images:
            _check_data(settings.images, kinds, "images", here)


def _kinds(study: Study) -> dict[str, str]:
    """Whether each data set that can be named holds cells or images."""
    twice = [name for name in study.own_data if name in study.own_images]
    if twice:
        raise InputError(f"own_images.{twice[0]}: own_data has a data set of this name; rename one")
    return KINDS | dict.fromkeys(study.own_data, "cells") | dict.fromkeys(study.own_images, "images")


def _check_data(name: str, kinds: Mapping[str, str], wanted: str, place: str) -> None:
    check_name(name, kinds, f"{place}: data set")
    if kinds[name] != wanted:
        raise InputError(f"{place}: data set '{name}' holds {kinds[name]}, and this task is of {wanted}; name another")
