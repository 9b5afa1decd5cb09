"""Check a task before it runs: every name is known, and the data offer what the methods need."""

from magan.baselines import BASELINES
from magan.config.options import check_options
from magan.config.tasks import TaskSettings
from magan.correspondences import CORRESPONDENCES
from magan.errors import InputError, among
from magan.models import ALIGNING
from magan.presets import PRESETS
from magan.registry import Registry
from magan.techniques import TECHNIQUES


def check_maps(place: str, settings: TaskSettings) -> None:
    """Check every arm and baseline of a task that maps between two domains.

    Parameters
    ----------
    place
        "task.dataset", for messages.
    settings
        Settings of the task.

    Raises
    ------
    InputError
        The first unknown name or option, with the nearest known name; or a method that needs what the data lack.
    """
    for name in settings.baselines:
        check_name(name, BASELINES, f"{place}.baselines: baseline")
        _check_needs(f"{place}.baselines: '{name}'", name, BASELINES, settings)
    for name, arm in settings.arms.items():
        here = f"{place}.arms.{name}"
        if name in BASELINES:
            raise InputError(f"{here}: an arm may not be called like a baseline; rename it")
        check_model(here, name, settings, ALIGNING)
        wanted = arm.correspondence
        check_name(wanted.name, CORRESPONDENCES, f"{here}: correspondence")
        _check_needs(f"{here}: correspondence '{wanted.name}'", wanted.name, CORRESPONDENCES, settings)
        check_options(
            wanted.options, CORRESPONDENCES.source(wanted.name), f"{here}.correspondence", ("x1", "x2", "seeds")
        )


def check_model(here: str, name: str, settings: TaskSettings, models: Registry) -> None:
    """The model of an arm, its options and its techniques."""
    arm = settings.arms[name]
    if arm.model not in models:
        raise InputError(f"{here}: model '{arm.model}' is unknown{among(arm.model, [*models, *PRESETS])}")
    check_options(arm.options, models.source(arm.model), f"{here}.options", hidden=("shapes", "correspondence"))
    for technique, options in arm.techniques.items():
        check_name(technique, TECHNIQUES, f"{here}.techniques: technique")
        check_options(options, TECHNIQUES.source(technique), f"{here}.techniques.{technique}", hidden=("recipe",))


def check_name(name: str, known, what: str) -> None:
    """`InputError` for a name that is not known, with the nearest that is."""
    if name not in known:
        raise InputError(f"{what} '{name}' is unknown{among(name, known)}")


def _check_needs(what: str, name: str, methods: Registry, settings: TaskSettings) -> None:
    offers = settings.offers()
    lacking = methods.lacks(name, offers)
    if not lacking:
        return
    if lacking == ["pairs"] and "n_pairs" in type(settings).model_fields:
        raise InputError(f"{what} needs pairs, and none is known; set n_pairs")
    usable = [name for name in methods if not methods.lacks(name, offers)]
    raise InputError(f"{what} needs {' and '.join(lacking)}, which this task does not have; use {', '.join(usable)}")
