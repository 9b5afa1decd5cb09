"""Compare the content of a packed file with the known content: a file that is packed again has other bytes.

Each function returns what differs, "" if nothing does.
"""

import hashlib
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def arrays(path: Path, expected: str) -> str:
    """Compare the arrays of an .npz file: their names, types, shapes and values."""
    try:
        with np.load(path) as packed:
            parts = [(f"{name} {x.dtype.str} {x.shape}", x) for name, x in sorted(packed.items())]
    except (ValueError, OSError, EOFError) as error:
        return f"no readable arrays ({error})"
    return _compare(((name, np.ascontiguousarray(x).tobytes()) for name, x in parts), expected)


def members(path: Path, expected: str) -> str:
    """Compare the files of a tar: their names and bytes."""
    try:
        with tarfile.open(path) as tar:
            files = ((member.name, tar.extractfile(member)) for member in tar.getmembers() if member.isfile())
            parts = sorted((name, file.read()) for name, file in files if file is not None)
    except (tarfile.TarError, OSError, EOFError) as error:
        return f"no readable files ({error})"
    return _compare(parts, expected)


def _compare(parts: Iterable[tuple[str, bytes]], expected: str) -> str:
    digest = hashlib.sha256()
    for name, content in parts:
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    found = digest.hexdigest()
    return "" if found == expected else f"content with sha256 {found}, expected {expected}"
