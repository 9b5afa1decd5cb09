"""Trained weights and what they belong to, in one file without code (safetensors)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from magan.errors import InputError

Tensors = Mapping[str, Mapping[str, Tensor]]  # group (a network, a scaling) -> name -> tensor


def save(path: str | Path, about: Mapping[str, Any], tensors: Tensors) -> None:
    """Write groups of tensors, and ``about`` (anything JSON holds) as the file's metadata."""
    flat = {
        f"{group}/{name}": value.cpu().contiguous() for group, own in tensors.items() for name, value in own.items()
    }
    save_file(flat, str(path), metadata={"magan": json.dumps(about, sort_keys=True)})


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """What `save` wrote: ``(about, tensors)``.

    Raises
    ------
    InputError
        The file is missing, or `save` did not write it.
    """
    if not Path(path).is_file():
        raise InputError(f"model {path} does not exist; check the path")
    tensors: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(str(path), "pt") as file:
            about = json.loads((file.metadata() or {}).get("magan", "{}"))
            for key in file.keys():  # noqa: SIM118, not a mapping
                group, name = key.split("/", 1) if "/" in key else ("", key)
                tensors.setdefault(group, {})[name] = file.get_tensor(key)
    except SafetensorError as error:
        raise InputError(f"model {path} cannot be read ({error}); give a model.safetensors of a trained arm") from error
    if not about:
        raise InputError(f"model {path} was not written by this version of magan; train it again")
    return about, tensors
