"""The user's files that a data set is made of. What reads them is imported when there are any."""

from collections.abc import Mapping
from typing import Any

from magan.config import OwnData, OwnImages


def user_files(settings: Mapping[str, Any]) -> OwnData | OwnImages:
    """Parse as OwnImages if ``path`` is present, else as OwnData."""
    return (OwnImages if "path" in settings else OwnData).model_validate(settings)


def sources(settings: Mapping[str, Any] | None) -> list[str]:
    """The user's files that exist; when a file changes, the data set is made again."""
    if settings is None:
        return []
    files = user_files(settings)
    if isinstance(files, OwnImages):
        from magan.images.load import source_files as of_images

        return of_images(files)
    from magan.cytometry.load import source_files as of_cells

    return of_cells(files)
