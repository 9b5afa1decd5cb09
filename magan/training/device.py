"""The device that networks are trained on."""

import torch

from magan.errors import InputError


def best_device(name: str) -> str:
    """The device to train on: "auto" is a CUDA device if the machine has one, else the CPU.

    Raises
    ------
    InputError
        ``name`` is a CUDA device and the machine has none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device '{name}' is not available here; set device: auto")
    return name
