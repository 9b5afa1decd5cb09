"""Check a batch correction before it runs."""

from magan.errors import InputError
from magan.study import StudySettings
from magan.tasks.batch_correction.settings import BatchAlignment
from magan.tasks.check import check_maps


def check(study: StudySettings, dataset: str, settings: BatchAlignment) -> None:
    """`InputError` for the first method that is unknown, and for files that cannot be corrected.

    Only the user's own files can be written again, and only by an arm.
    """
    check_maps(f"batch.{dataset}", settings)
    if settings.correct and settings.cells not in study.own_data:
        raise InputError(
            f"batch.{dataset}.correct: '{settings.cells}' is no data set of own_data, whose files could be written "
            "again; list the files there"
        )
    if settings.correct and not settings.deployed:
        raise InputError(f"batch.{dataset}.correct: there is no method to correct by; add method: auto")
