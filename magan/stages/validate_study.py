"""The check of a whole study before the workflow does anything."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magan import config
from magan.baselines import BASELINES, FROM_PAIRS, OF_IMAGES
from magan.config.options import check_options
from magan.correspondence import CORRESPONDENCES
from magan.datasets import registry
from magan.errors import InputError, among
from magan.lectures import LECTURES
from magan.models import ALIGNING, GENERATING
from magan.presets import PRESETS
from magan.stages.prepare import reading, rows_of
from magan.techniques import TECHNIQUES

UNSHARED = ("pairs", "none")  # correspondences of sets without a common marker
OF_MARKERS = ("shared_markers", "correlation")  # correspondences that images cannot have
MAPPING_IMAGES = ("digits", "translation")  # tasks
OF_SAMPLES = ("model", "options", "techniques", "training", "preset", "size")  # parts of an arm that makes samples


def plan(values: Mapping[str, Any]) -> config.Study:
    """The checked study, every name in it known: what the workflow does before anything else.

    Raises
    ------
    InputError
        The first unknown key, model, option, technique, correspondence, baseline or data set, with the nearest known
        one; or what is wrong with a sample sheet or a panel table.
    """
    study = config.parse(values)
    for own in study.own_data.values():
        reading(own, rows_of(own))
    _panels(study)
    _matching(study)
    _images(study)
    _generation(study)
    _corrections(study)
    kinds = _kinds(study)
    _lectures(study, kinds)
    for task, dataset, settings in study.tasks():
        wanted = "images" if task in (*MAPPING_IMAGES, "generation") else "cells"
        place, models = f"{task}.{dataset}", GENERATING if task == "generation" else ALIGNING
        for name in config.data_of(settings):
            _one_of(name, kinds, f"{place}: data set")
            if kinds[name] != wanted:
                raise InputError(
                    f"{place}: data set '{name}' holds {kinds[name]}, and this task is of {wanted}; name another"
                )
        for name in settings.baselines:
            _one_of(name, BASELINES, f"{place}.baselines: baseline")
        for name, arm in settings.arms.items():
            here = f"{place}.arms.{name}"
            if name in settings.baselines:
                raise InputError(f"{here}: an arm may not be called like a baseline; rename it")
            if arm.model not in models:
                raise InputError(f"{here}: model '{arm.model}' is unknown{among(arm.model, [*models, *PRESETS])}")
            _options(arm.options, models[arm.model], f"{here}.options", hidden=("shapes", "correspondence"))
            for technique, options in arm.techniques.items():
                _one_of(technique, TECHNIQUES, f"{here}.techniques: technique")
                _options(options, TECHNIQUES[technique], f"{here}.techniques.{technique}", hidden=("recipe",))
            kept = arm.correspondence
            _one_of(kept.name, CORRESPONDENCES, f"{here}: correspondence")
            _options(kept.options, CORRESPONDENCES[kept.name], f"{here}.correspondence", ("x1", "x2", "seeds"))
    return study


def _corrections(study: config.Study) -> None:
    """Only files of the user's can be written again, and only by an arm."""
    for dataset, settings in study.batch.items():
        if settings.correct and settings.cells not in study.own_data:
            raise InputError(
                f"batch.{dataset}.correct: '{settings.cells}' is no data set of own_data, whose files could be written "
                "again; list the files there"
            )
        if settings.correct and not settings.arms:
            raise InputError(f"batch.{dataset}.correct: there is no arm; give one, the first corrects the files")


def _panels(study: config.Study) -> None:
    """Panels that can be merged, and audits whose names are their own."""
    datasets = list(study.heldout)
    for name, panels in study.panels.items():
        here = f"panels.{name}"
        if not panels.arms:
            raise InputError(f"{here}.arms: there is none; give at least one, the first merges the panels")
        arm_name, arm = next(iter(panels.arms.items()))
        if not arm.calibrate:
            raise InputError(
                f"{here}.arms.{arm_name}: calibrate is 0; set it, e.g. 0.2, for the first arm merges the panels and "
                "needs cells kept apart to tell what may be trusted"
            )
        datasets += panels.audits(name)
        if len(panels.audits(name)) < len(panels.panels) * (len(panels.panels) - 1):
            raise InputError(f"{here}.panels: {', '.join(panels.panels)} do not have names of their own; rename one")
    for dataset in datasets:
        if datasets.count(dataset) > 1:
            raise InputError(f"heldout.{dataset}: panels to be merged have an audit of this name; rename one")


def _matching(study: config.Study) -> None:
    """Nothing that asks for a common marker, which the sets do not have, or for populations, which are hidden."""
    for name, settings in study.matching.items():
        for arm_name, arm in settings.arms.items():
            if arm.correspondence.name not in UNSHARED:
                raise InputError(
                    f"matching.{name}.arms.{arm_name}: correspondence '{arm.correspondence.name}' needs what the two "
                    f"sets do not share; use {', '.join(UNSHARED)}"
                )
        for baseline in settings.baselines:
            if baseline in BASELINES and baseline not in FROM_PAIRS:
                raise InputError(
                    f"matching.{name}.baselines: '{baseline}' needs markers that both sets measure; "
                    f"use {', '.join(FROM_PAIRS)}"
                )


def _images(study: config.Study) -> None:
    """Nothing that asks for markers, and no pairs where none is told."""
    for task in MAPPING_IMAGES:
        for dataset, settings in getattr(study, task).items():
            told = settings.n_pairs or getattr(settings, "paired", False)
            for name, arm in settings.arms.items():
                here, kept = f"{task}.{dataset}.arms.{name}", arm.correspondence.name
                if kept in OF_MARKERS:
                    raise InputError(f"{here}: correspondence '{kept}' needs markers, and images have none; use pairs")
                if kept == "pairs" and not told:
                    raise InputError(f"{here}: correspondence 'pairs' has none; set {task}.{dataset}.n_pairs")
            for baseline in settings.baselines:
                if baseline in BASELINES and baseline not in OF_IMAGES:
                    raise InputError(
                        f"{task}.{dataset}.baselines: '{baseline}' needs markers, and images have none; "
                        f"use {', '.join(OF_IMAGES)}"
                    )
                if baseline in FROM_PAIRS and not told:
                    raise InputError(
                        f"{task}.{dataset}.baselines: '{baseline}' has no pairs; set {task}.{dataset}.n_pairs"
                    )


def _generation(study: config.Study) -> None:
    """Nothing that is for maps between two domains."""
    for dataset, settings in study.generation.items():
        if settings.baselines:
            raise InputError(
                f"generation.{dataset}.baselines: '{settings.baselines[0]}' maps and makes no samples; leave it out"
            )
        for name, arm in settings.arms.items():
            foreign = [part for part in arm.model_fields_set if part not in OF_SAMPLES]
            if foreign:
                raise InputError(f"generation.{dataset}.arms.{name}: '{foreign[0]}' is for maps; leave it out")


def _lectures(study: config.Study, kinds: Mapping[str, str]) -> None:
    """Experiments that there are, with images where they need them."""
    for name, settings in study.lectures.items():
        here = f"lectures.{name}"
        _one_of(name, LECTURES, "lectures: experiment")
        _options(settings.options, LECTURES[name].run, f"{here}.options", hidden=("seeds", "images"))
        if LECTURES[name].of_images and not settings.images:
            raise InputError(f"{here}: it needs a data set of images; name one under {here}.images")
        if settings.images and not LECTURES[name].of_images:
            raise InputError(f"{here}.images: '{settings.images}' has no use in this experiment; leave it out")
        if settings.images:
            _one_of(settings.images, kinds, f"{here}: data set")
            if kinds[settings.images] != "images":
                raise InputError(f"{here}: data set '{settings.images}' holds {kinds[settings.images]}; name images")


def _kinds(study: config.Study) -> dict[str, str]:
    """Whether each data set that can be named holds cells or images."""
    both = [name for name in study.own_data if name in study.own_images]
    if both:
        raise InputError(f"own_images.{both[0]}: own_data has a data set of this name; rename one")
    named = {name: dataset.kind for name, dataset in registry.DATASETS.items()}
    return named | dict.fromkeys(study.own_data, "cells") | dict.fromkeys(study.own_images, "images")


def _one_of(name: str, known: Mapping[str, Any], what: str) -> None:
    if name not in known:
        raise InputError(f"{what} '{name}' is unknown{among(name, known)}")


def _options(given: Mapping[str, Any], builder: Callable, place: str, hidden: Sequence[str]) -> None:
    check_options(given, builder, place, hidden)
