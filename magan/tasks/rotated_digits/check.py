"""Check the task before it runs."""

from magan.config.tasks import TaskSettings
from magan.study import StudySettings
from magan.tasks.check import check_maps


def check(study: StudySettings, dataset: str, settings: TaskSettings) -> None:
    """`InputError` for the first method that is unknown or does not fit the data."""
    check_maps(f"digits.{dataset}", settings)
