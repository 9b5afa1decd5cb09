"""Named methods: settings of an arm that a study or `Aligner.from_preset` asks for by name.

A preset is an arm as it would be written in YAML. `resolve` merges what a study changes over it. This file imports no
torch, so that a study can be read without it.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from magan.errors import InputError, among

CONNECTED = ("magan", "cyclegan", "discogan", "travelgan")  # models whose networks may be fully connected
UNSIZED = ("autoencoder", "vae", "aae")  # models whose widths are a list for each network, their option `hidden`


@dataclass(frozen=True)
class Preset:
    """Named arm. ``version`` grows by 1 whenever the arm changes; ``summary`` is one line for a table."""

    version: int
    summary: str
    arm: Mapping[str, Any]


PRESETS = {
    "batch_correction": Preset(
        1,
        "the recommended network for batches: a monotone map of each marker, balanced populations, residual generators",
        {
            "model": "magan",
            "correspondence": "correlation",
            "scale": "monotone",
            "balance": True,
            "size": "small",
            "options": {"residual": True, "gradient_weight": 10.0, "correspondence_weight": 30.0},
            "training": {"steps": 1000, "batch_size": 100},
        },
    ),
    "panel_imputation": Preset(
        2,
        "the recommended method for markers that a panel lacks: a network and regressors, with calibrated intervals",
        {
            "model": "magan",
            "correspondence": {"name": "shared_markers", "rebuild": 5.0},
            "predict": "expected",
            "calibrate": 0.1,
            "stack": True,
            "scale": "auto",
            "size": "medium",
            "training": {"steps": 2000, "learning_rate": 3.0e-3, "decay": 1.0},
        },
    ),
    "image_landmarks": Preset(
        1,
        "the recommended method for small images with a few known pairs, which also serve as landmarks",
        {
            "model": "magan",
            "correspondence": {"name": "pairs", "landmarks": 1.0},
            "size": "medium",
            "options": {"correspondence_weight": 5.0},
            "training": {"steps": 2500, "batch_size": 100, "decay": 0.5, "average": 0.995},
        },
    ),
    "image_translation": Preset(
        1,
        "image_landmarks for pictures of 32 pixels and more: residual networks that start as the identity",
        {
            "model": "magan",
            "correspondence": {"name": "pairs", "landmarks": 1.0},
            "options": {
                "architecture": "resnet",
                "residual": True,
                "gradient_weight": 1.0,
                "correspondence_weight": 5.0,
            },
        },
    ),
    "known_pairs": Preset(
        1,
        "MAGAN with known pairs alone, the semi-supervised correspondence at weight 5",
        {"model": "magan", "correspondence": "pairs", "options": {"correspondence_weight": 5.0}},
    ),
    "magan_2018": Preset(
        1,
        "MAGAN as published, by the authors' code: shared markers summed, the authors' networks and optimiser",
        {
            "model": "magan",
            "correspondence": {"name": "shared_markers", "summed": True},
            "size": "paper",
            "training": {"batch_size": 100, "learning_rate": 1.0e-3, "betas": [0.5, 0.99]},
        },
    ),
    "magan_2018_paper": Preset(
        1,
        "MAGAN as published, by the paper's text: its discriminators also count reconstructions as real",
        {
            "model": "magan",
            "correspondence": {"name": "shared_markers", "summed": True},
            "size": "paper",
            "options": {"reconstructions_are_real": True},
            "training": {"batch_size": 100, "learning_rate": 1.0e-3, "betas": [0.5, 0.99]},
        },
    ),
    "cyclegan_images": Preset(
        1,
        "CycleGAN with the paper's residual networks and its pool of 50 past images",
        {"model": "cyclegan", "options": {"architecture": "resnet", "n_pool": 50}},
    ),
    "travelgan_images": Preset(
        1,
        "TraVeLGAN with the paper's U-Nets and a siamese space of 100 dimensions, where the paper's has 1,000",
        {"model": "travelgan", "options": {"architecture": "unet", "n_latent": 100}},
    ),
}

# Widths of fully connected networks, and of a siamese network where a model has it. "paper" are the MAGAN authors'.
WIDTHS = {
    "small": {"generator_hidden": [64, 64], "discriminator_hidden": [64, 64], "siamese_hidden": [64], "n_latent": 32},
    "medium": {"discriminator_hidden": [200, 100, 50]},
    "paper": {"generator_hidden": [200, 100, 50], "discriminator_hidden": [800, 400, 200, 100, 50]},
}
SIAMESE = ("siamese_hidden", "n_latent")  # widths that travelgan alone has
MAPS = {"small": 8, "medium": 16, "paper": 64}  # of the first convolution: the width of all other models


def resolve(arm: Any) -> Any:
    """Return an arm with the settings of its preset and its size filled in.

    A string names a preset or, if there is no such preset, a model. Mappings are merged key by key, and None removes a
    key of the preset. ``preset`` and ``size`` stay in the arm as a record. A value of any other type is returned
    unchanged.

    Raises
    ------
    InputError
        The preset or the size is unknown, a preset is given as a model, or the model has no sizes.
    """
    if isinstance(arm, str):
        arm = {"preset": arm} if arm in PRESETS else {"model": arm}
    if not isinstance(arm, Mapping):
        return arm
    if isinstance(arm.get("model"), str) and arm["model"] in PRESETS:
        raise InputError(f"model '{arm['model']}' is a preset; write preset: {arm['model']}")
    if arm.get("preset") is not None:
        arm = _merged(_plain(_preset(arm["preset"]).arm), _plain(arm))
    size, options = arm.get("size"), arm.get("options")
    if size is not None and isinstance(options or {}, Mapping):
        arm = {**arm, "options": {**_widths(size, arm.get("model"), options or {}), **(options or {})}}
    return arm


def correspondence(value: Any) -> Any:
    """Return a correspondence in the form ``{"name": ..., "options": ...}``; YAML may give the name or flat options."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "options" not in value:
        name = {"name": value["name"]} if "name" in value else {}
        return {**name, "options": {k: v for k, v in value.items() if k != "name"}}
    return value


def _preset(name: Any) -> Preset:
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"preset '{name}' is unknown{among(str(name), PRESETS)}")
    return PRESETS[name]


def _plain(arm: Mapping[str, Any]) -> dict[str, Any]:
    """Copy an arm and write its correspondence as a mapping with options, so that `_merged` can merge it."""
    arm = deepcopy(dict(arm))
    if arm.get("correspondence") is not None:
        arm["correspondence"] = correspondence(arm["correspondence"])
    return arm


def _merged(preset: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes into a preset; a correspondence of a different name replaces the preset's with all its options."""
    renamed = "name" in changes and changes["name"] != preset.get("name")
    merged = {} if renamed else dict(preset)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _widths(size: Any, model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a model that set the widths of a size."""
    if not isinstance(size, str) or size not in MAPS:
        raise InputError(f"size '{size}' is unknown{among(str(size), MAPS)}")
    if model in UNSIZED:
        raise InputError(f"size '{size}' is not for the model '{model}'; give its widths as options.hidden")
    if model not in CONNECTED or options.get("architecture", "mlp") != "mlp":
        return {"width": MAPS[size]}
    return {k: deepcopy(v) for k, v in WIDTHS[size].items() if model == "travelgan" or k not in SIAMESE}
