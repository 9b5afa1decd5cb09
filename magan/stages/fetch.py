"""A named data set's files, brought to where a user can see them."""

import shutil
from pathlib import Path

from magan.datasets import registry
from magan.stages.atomic_files import atomic_write


def fetch(name: str, mirror: str | None, cache: Path) -> list[Path]:
    """Download, or copy from a mirror or a package, into the folder of ``cache`` where it is looked for; hash checked.

    Raises
    ------
    InputError
        As `registry.fetch`; or the folder cannot be written.
    """
    places = []
    for file, path in registry.fetch(name, mirror=mirror, cache=cache).items():
        place = cache / (registry.DATASETS[name].of or name) / file
        if not place.exists() or not place.samefile(path):
            with atomic_write(place) as part:
                shutil.copyfile(path, part)
        places.append(place)
    return places
