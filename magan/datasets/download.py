"""Download files with known digests, or build them from originals: once, and always verified before use."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pooch
from filelock import FileLock
from tqdm import tqdm

from magan.errors import InputError

LARGEST = 16 * 2**30  # bytes of a download: far more than any data set's file, far less than fills a disk by accident


FEW = 4  # originals, at most, that each have a progress bar; more have a common bar


@dataclass(frozen=True)
class Build:
    """Say how a file is made: its originals, and the function that reads them (name -> path) and writes the file."""

    originals: tuple["File", ...]
    make: Callable[[Mapping[str, Path], Path], None]


@dataclass(frozen=True)
class File:
    """A file: its name, its digest, and where it comes from.

    ``sha256`` is None for an original whose digest is not known; the file that is made of it is verified instead.
    ``url`` is the address. A file without an address is made by ``build``, or is in a mirror or a package alone.
    ``compare`` says in which respect the content of a file with another digest differs from the content of the known
    file, "" if in none: a packed file that is made again has other bytes.
    """

    path: str
    sha256: str | None
    url: str | None = None
    build: Build | None = None
    compare: Callable[[Path], str] | None = None


def download(file: File, name: str, mirror: str | None, folder: Path, bar: bool = True) -> Path:
    """Return the path of the file in ``folder``; if missing, bring it from the mirror or its address, or build it.

    A mirror has the file at ``<mirror>/<name>``. ``bar`` shows the progress on a terminal.

    Raises
    ------
    InputError
        There is no address, it cannot be reached, it sends more than `LARGEST` bytes, the folder cannot be written,
        the content differs, or a file cannot be built from what its originals contain.
    """
    target = folder / file.path
    if target.is_file():
        verify(target, file, "delete it, and it is downloaded again")
        return target
    url = f"{mirror.rstrip('/')}/{name}/{file.path}" if mirror else file.url
    if url is not None:
        with _part(target) as part:
            _bring(url, part, bar)
            verify(part, file, f"{url} has changed, set data.mirror to a copy of the original", shown=url)
    elif file.build is not None:
        _build(file, file.build, name, target)
    else:
        raise InputError(
            f"data set {name}: {file.path} has no address to download from; "
            "set data.mirror to a folder or URL that holds "
            f"{name}/{file.path}"
        )
    return target


def _build(file: File, build: Build, name: str, target: Path) -> None:
    """Make the file from its originals, which are downloaded first and deleted in the end."""
    originals = target.parent / "originals"
    with _writable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.parent / f".{file.path}.lock")
        lock.acquire()  # a second job waits, and finds the file
    try:
        if target.is_file():
            verify(target, file, "delete it, and it is built again")
            return
        few = len(build.originals) <= FEW
        listed = tqdm(build.originals, desc=f"originals of {name}", disable=few)
        paths = {original.path: download(original, name, None, originals, bar=few) for original in listed}
        with _part(target) as part:
            build.make(paths, part)
            verify(part, file, "an original has changed; set data.mirror to a copy", shown=f"{file.path} as built")
        shutil.rmtree(originals)
    finally:
        lock.release()


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Yield the path of a part in the folder of the target, which becomes the target if no error is raised."""
    with _writable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Write to the same folder, so that the last step is a rename and parallel jobs never read an incomplete file.
        descriptor, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
        os.close(descriptor)
    try:
        yield Path(part)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cache folder {folder} cannot be written ({error.strerror}); set another one") from error


def _bring(url: str, part: Path, bar: bool) -> None:
    try:
        with open(part, "wb") as opened:
            pooch.HTTPDownloader(progressbar=bar)(url, _Bounded(opened, url), None)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # requests raises an OSError, or a ValueError for a malformed URL
        raise InputError(f"{url} cannot be downloaded ({error}); set data.mirror to a copy") from error


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
    """Raise an `InputError` with the remedy if the content is wrong; ``shown`` replaces the path in the message."""
    found = pooch.file_hash(str(path))
    if file.sha256 is None or found == file.sha256:
        return
    differs = f"sha256 {found}, expected {file.sha256}" if file.compare is None else file.compare(path)
    if differs:
        raise InputError(f"{shown or path} has {differs}; {remedy}")
