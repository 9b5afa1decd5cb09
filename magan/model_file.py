"""Arrays and their description in a file without code (safetensors), read and written without torch."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from magan.errors import InputError

Arrays = Mapping[str, Mapping[str, np.ndarray]]  # group (a network, a scaling, a map) -> name -> array
# The file's metadata has one key: of several, safetensors writes the order at random, and bytes would differ.
METADATA, ABOUT, DIGEST = "magan", "about", "sha256"


def save(path: str | Path, about: Mapping[str, Any], arrays: Arrays) -> None:
    """Write groups of arrays, with ``about`` (anything JSON holds) and a checksum of both as the file's metadata.

    Raises
    ------
    OSError
        The disk is full, or refuses the bytes for another reason.
    """
    flat = {f"{group}/{name}": _contiguous(x) for group, part in arrays.items() for name, x in part.items()}
    whole = json.dumps({ABOUT: about, DIGEST: digest(about, flat)}, sort_keys=True)
    try:
        save_file(flat, str(path), metadata={METADATA: whole})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error})") from error


def load(path: str | Path, kind: str = "") -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Return what `save` wrote: ``(about, arrays)``.

    Parameters
    ----------
    path
        The file.
    kind
        A key that ``about`` must have: "aligner", "batch_mapper", "synthesizer" or "classifier". "" asks for none.

    Raises
    ------
    InputError
        The file is missing, `save` did not write it, a bit of it has changed, or it is of another kind.
    """
    if not Path(path).is_file():
        what = "is a folder, not a file" if Path(path).is_dir() else "does not exist"
        raise InputError(f"model {path} {what}; check the path")
    flat: dict[str, np.ndarray] = {}
    try:
        with safe_open(str(path), "np") as file:
            whole = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            about = whole.get(ABOUT, whole)  # a file without a checksum is first asked for its kind
            for key in file.keys():  # noqa: SIM118, not a mapping
                flat[key] = file.get_tensor(key)
    except (SafetensorError, ValueError, RecursionError, RuntimeError, AttributeError, TypeError) as error:
        raise InputError(
            f"model {path} cannot be read ({short(error)}); give a model.safetensors of a trained arm"
        ) from None
    except OSError as error:
        raise InputError(f"model {path} cannot be opened ({error.strerror or short(error)}); check the path") from None
    if not about or not isinstance(about, dict):
        raise InputError(f"model {path} was not written by magan; give a model.safetensors of a trained arm")
    if kind and kind not in about:
        raise InputError(f"model {path} is no {kind}{_instead(about)}; give a file of the right kind")
    if DIGEST not in whole:
        raise InputError(f"model {path} has no checksum, as this version writes; train it again")
    if digest(about, flat) != whole[DIGEST]:
        raise InputError(f"model {path} does not have its checksum, so it is damaged; copy it again or train it again")
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for key, array in flat.items():
        group, name = key.split("/", 1) if "/" in key else ("", key)
        arrays.setdefault(group, {})[name] = array
    return about, arrays


def digest(about: Mapping[str, Any], flat: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a description and of all arrays: names, types, shapes and bytes, in order of names."""
    read_back = json.loads(json.dumps(about))  # where keys are texts and tuples are lists, as `load` finds them
    found = hashlib.sha256(json.dumps(read_back, sort_keys=True).encode())
    for name in sorted(flat):
        array = flat[name]
        found.update(json.dumps([name, f"torch.{array.dtype}", list(array.shape)]).encode())  # as torch names types
        found.update(_contiguous(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def short(error: Exception) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _contiguous(array: np.ndarray) -> np.ndarray:
    # ascontiguousarray makes a number an array of length 1; the shape is part of the file.
    return np.ascontiguousarray(array).reshape(np.shape(array))


def _instead(about: Mapping[str, Any]) -> str:
    found = [kind for kind in ("aligner", "batch_mapper", "synthesizer", "classifier") if kind in about]
    return f" but {'an' if found[0] == 'aligner' else 'a'} {found[0].replace('_', ' ')}" if found else ""
