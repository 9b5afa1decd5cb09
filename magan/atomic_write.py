"""Write a file in full or not at all, so that no reader ever takes half a file for a result."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from magan.errors import InputError

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None

PART = ".part"  # in the name of every temporary file
LONGEST_NAME = 80  # bytes of a file's name that its temporary name repeats; file systems allow 255 in all


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``path`` once the block has ended well.

    The temporary file lies in the folder of ``path``. Its name is random and it is opened exclusively, so that two
    processes never share it and a link that lies there is never followed. Its bytes are on the disk (fsync) before
    the rename. A link at ``path`` itself is replaced; its target stays as it is.

    Raises
    ------
    InputError
        The folder cannot be written to, or ``path`` is a folder.
    OSError
        The disk is full, or refuses the bytes for another reason.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _create(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{path.parent} cannot be written to ({error.strerror}); choose another folder") from None
    try:
        yield part
        _sync(part)
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"{path} is a folder; remove it, or choose another name for the file")
        os.replace(part, path)
        _sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """Make a folder and hold it: no second process that asks for it may write into it at the same time.

    The lock is on the folder itself, leaves no file, and ends with the process. A file system without locks gives
    none; `atomic_write` then still keeps every file whole.

    Raises
    ------
    InputError
        Another process holds the folder, or it cannot be made.
    """
    descriptor = None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if descriptor is not None:
            os.close(descriptor)
        raise InputError(f"another process writes into {folder}; wait for its end, or choose another folder") from None
    except OSError as error:
        if descriptor is None:
            raise InputError(f"{folder} cannot be written to ({error.strerror}); choose another folder") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _create(path: Path) -> Path:
    """Create an empty file of a random name beside ``path``, with its suffix, which some writers go by."""
    stem, suffix = (text.encode()[:LONGEST_NAME].decode(errors="ignore") for text in (path.name, path.suffix))
    part = path.with_name(f".{stem}.{secrets.token_hex(8)}{PART}{suffix}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(part, flags, 0o666))  # the umask takes its share, as of any file
    return part


def _sync(part: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{part} was replaced while it was written")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too; some network file systems do not allow that, and need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
