"""Trained weights and their description in a file without code (safetensors)."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from magan.errors import InputError

Tensors = Mapping[str, Mapping[str, Tensor]]  # group (a network, a scaling) -> name -> tensor
# The file's metadata has one key: of several, safetensors writes the order at random, and bytes would differ.
METADATA, ABOUT, DIGEST = "magan", "about", "sha256"


def save(path: str | Path, about: Mapping[str, Any], tensors: Tensors) -> None:
    """Write groups of tensors, with ``about`` (anything JSON holds) and a checksum of both as the file's metadata.

    Raises
    ------
    OSError
        The disk is full, or refuses the bytes for another reason.
    """
    flat = {
        f"{group}/{name}": value.cpu().contiguous() for group, part in tensors.items() for name, value in part.items()
    }
    whole = json.dumps({ABOUT: about, DIGEST: digest(about, flat)}, sort_keys=True)
    try:
        save_file(flat, str(path), metadata={METADATA: whole})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error})") from error


def load(path: str | Path, kind: str = "") -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Return what `save` wrote: ``(about, tensors)``.

    Parameters
    ----------
    path
        The file.
    kind
        A key that ``about`` must have: "aligner", "synthesizer" or "classifier". "" asks for none.

    Raises
    ------
    InputError
        The file is missing, `save` did not write it, a bit of it has changed, or it is of another kind.
    """
    if not Path(path).is_file():
        what = "is a folder, not a file" if Path(path).is_dir() else "does not exist"
        raise InputError(f"model {path} {what}; check the path")
    flat: dict[str, Tensor] = {}
    try:
        with safe_open(str(path), "pt") as file:
            whole = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            about = whole.get(ABOUT, whole)  # a file without a checksum is first asked for its kind
            for key in file.keys():  # noqa: SIM118, not a mapping
                flat[key] = file.get_tensor(key)
    except (SafetensorError, ValueError, RecursionError, RuntimeError, AttributeError, TypeError) as error:
        raise InputError(
            f"model {path} cannot be read ({_short(error)}); give a model.safetensors of a trained arm"
        ) from None
    except OSError as error:
        raise InputError(f"model {path} cannot be opened ({error.strerror or _short(error)}); check the path") from None
    if not about or not isinstance(about, dict):
        raise InputError(f"model {path} was not written by magan; give a model.safetensors of a trained arm")
    if kind and kind not in about:
        raise InputError(f"model {path} is no {kind}{_instead(about)}; give a file of the right kind")
    if DIGEST not in whole:
        raise InputError(f"model {path} has no checksum, as this version writes; train it again")
    if digest(about, flat) != whole[DIGEST]:
        raise InputError(f"model {path} does not have its checksum, so it is damaged; copy it again or train it again")
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        group, name = key.split("/", 1) if "/" in key else ("", key)
        tensors.setdefault(group, {})[name] = tensor
    return about, tensors


@contextlib.contextmanager
def described_by(path: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong while a model is built from its file into a sentence that names the file.

    Raises
    ------
    InputError
        A setting, a tensor or a shape is missing or does not fit the rest of the file.
    """
    try:
        yield
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        what = f"{type(error).__name__}: {_short(error)}"
        raise InputError(f"model {path} contradicts itself ({what}); train it again") from None


def finite(path: str | Path, tensors: Tensors) -> None:
    """Refuse tensors that are not finite: they would map to values that look like measurements and are none.

    Raises
    ------
    InputError
        The first such tensor, by name.
    """
    for group, part in tensors.items():
        for name, value in part.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise InputError(f"model {path} has weights that are not finite ({group}/{name}); train it again")


def digest(about: Mapping[str, Any], flat: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a description and of all tensors: names, types, shapes and bytes, in order of names."""
    read_back = json.loads(json.dumps(about))  # where keys are texts and tuples are lists, as `load` finds them
    found = hashlib.sha256(json.dumps(read_back, sort_keys=True).encode())
    for name in sorted(flat):
        tensor = flat[name]
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _instead(about: Mapping[str, Any]) -> str:
    found = [kind for kind in ("aligner", "synthesizer", "classifier") if kind in about]
    return f" but {'an' if found[0] == 'aligner' else 'a'} {found[0]}" if found else ""


def _short(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
