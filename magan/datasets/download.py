"""Download files with known digests: a file is downloaded once and always verified before use."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pooch

from magan.errors import InputError

LARGEST = 16 * 2**30  # bytes of a download: far more than any data set's file, far less than fills a disk by accident


@dataclass(frozen=True)
class File:
    """A file: its name, its digest, and its address (None: only a mirror or a package has the file)."""

    path: str
    sha256: str
    url: str | None = None


def download(file: File, name: str, mirror: str | None, folder: Path) -> Path:
    """Return the path of the file in ``folder``; if missing, download it from ``<mirror>/<name>`` or its address.

    Raises
    ------
    InputError
        There is no address, it cannot be reached, it sends more than `LARGEST` bytes, the folder cannot be written,
        or the hash differs.
    """
    target = folder / file.path
    if target.is_file():
        verify(target, file, "delete it, and it is downloaded again")
        return target
    url = f"{mirror.rstrip('/')}/{name}/{file.path}" if mirror else file.url
    if url is None:
        raise InputError(
            f"data set {name}: {file.path} has no address to download from; "
            "set data.mirror to a folder or URL that holds "
            f"{name}/{file.path}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Write to the same folder, so that the last step is a rename and parallel jobs never read an incomplete file.
        descriptor, part = tempfile.mkstemp(prefix=f".{file.path}.", dir=folder)
        os.close(descriptor)
    except OSError as error:
        raise InputError(f"cache folder {folder} cannot be written ({error.strerror}); set another one") from error
    try:
        try:
            with open(part, "wb") as opened:
                pooch.HTTPDownloader(progressbar=True)(url, _Bounded(opened, url), None)
        except InputError:
            raise
        except (OSError, ValueError) as error:  # requests raises an OSError, or a ValueError for a malformed URL
            raise InputError(f"{url} cannot be downloaded ({error}); set data.mirror to a copy") from error
        verify(Path(part), file, f"{url} has changed, set data.mirror to a copy of the original", shown=url)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)
    return target


class _Bounded:
    """A file that takes at most `LARGEST` bytes."""

    def __init__(self, file: BinaryIO, url: str):
        self.file, self.url, self.n = file, url, 0

    def write(self, content: bytes) -> int:
        self.n += len(content)
        if self.n > LARGEST:
            raise InputError(f"{self.url} sends more than {LARGEST} bytes; set data.mirror to a copy of the original")
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def verify(path: Path, file: File, remedy: str, shown: str = "") -> None:
    """Raise an `InputError` with the remedy if the digest is wrong; ``shown`` replaces the path in the message."""
    found = pooch.file_hash(str(path))
    if found != file.sha256:
        raise InputError(f"{shown or path} has sha256 {found}, expected {file.sha256}; {remedy}")
