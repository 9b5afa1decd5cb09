"""Check image generation before it runs."""

from magan.errors import InputError
from magan.models import GENERATING
from magan.study import StudySettings
from magan.tasks.check import check_model
from magan.tasks.image_generation.settings import Generation

OF_SAMPLES = ("model", "options", "techniques", "training", "preset", "size")  # parts of an arm that makes samples


def check(study: StudySettings, dataset: str, settings: Generation) -> None:
    """`InputError` for the first model that is unknown, and for settings of maps between two domains."""
    if settings.baselines:
        raise InputError(
            f"generation.{dataset}.baselines: '{settings.baselines[0]}' maps and makes no samples; leave it out"
        )
    for name, arm in settings.arms.items():
        here = f"generation.{dataset}.arms.{name}"
        foreign = [part for part in arm.model_fields_set if part not in OF_SAMPLES]
        if foreign:
            raise InputError(f"{here}: '{foreign[0]}' is for maps; leave it out")
        check_model(here, name, settings, GENERATING)
