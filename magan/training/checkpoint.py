"""Trained weights and their description in a file of `magan.model_file`, as tensors."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magan import model_file
from magan.errors import InputError

Tensors = Mapping[str, Mapping[str, Tensor]]  # group (a network, a scaling) -> name -> tensor


def save(path: str | Path, about: Mapping[str, Any], tensors: Tensors) -> None:
    """Write groups of tensors with their description, see `magan.model_file.save`."""
    arrays = {
        group: {name: tensor.detach().cpu().numpy() for name, tensor in part.items()} for group, part in tensors.items()
    }
    model_file.save(path, about, arrays)


def load(path: str | Path, kind: str = "") -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Return what `save` wrote: ``(about, tensors)``, see `magan.model_file.load`."""
    about, arrays = model_file.load(path, kind)
    return about, {
        group: {name: torch.from_numpy(array) for name, array in part.items()} for group, part in arrays.items()
    }


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
        what = f"{type(error).__name__}: {model_file.short(error)}"
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
