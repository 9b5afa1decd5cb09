"""The user's files that a data set is made of. What reads them is imported when there are any."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magan.config import OwnData, OwnImages

WILDCARD = re.compile(r"\{\s*\w+\s*(,[^{}]*)?\}")  # in a path of a rule; it cannot be escaped


def user_files(settings: Mapping[str, Any]) -> OwnData | OwnImages:
    """Parse as OwnImages if ``path`` is present, else as OwnData."""
    return (OwnImages if "path" in settings else OwnData).model_validate(settings)


def sources(settings: Mapping[str, Any] | None) -> list[str]:
    """The user's files that exist, as inputs of a rule: when a file changes, the data set is made again."""
    return [path for path in _existing(settings) if not WILDCARD.search(path)]


def unnameable(settings: Mapping[str, Any] | None) -> list[tuple[str, int, int]]:
    """Path, bytes and time of the user's files that no rule can have as inputs: Snakemake takes `{1}` for a wildcard.

    As a parameter of the rule they have the effect of inputs: when one changes, the data set is made again.
    """
    paths = [path for path in _existing(settings) if WILDCARD.search(path)]
    found = [(path, Path(path).stat()) for path in paths]
    return [(path, about.st_size, about.st_mtime_ns) for path, about in found]


def _existing(settings: Mapping[str, Any] | None) -> list[str]:
    if settings is None:
        return []
    files = user_files(settings)
    if isinstance(files, OwnImages):
        from magan.images.load import source_files as of_images

        return of_images(files)
    from magan.cytometry.load import source_files as of_cells

    return of_cells(files)
