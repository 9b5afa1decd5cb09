"""The file of a trained aligner: settings and tensors, no code (safetensors)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magan.domains.scaling import Scaling, from_tensors
from magan.domains.scaling import tensors as scaling_tensors
from magan.maps import ByDomain, T
from magan.regressors.stack import Stack
from magan.training import checkpoint
from magan.training.ensemble import Ensemble
from magan.training.retry import Status
from magan.uncertainty.conformal import Calibration

DOMAINS = ("x1", "x2")
# What a file holds of a trained aligner besides its settings, its weights and how training ended
FITTED = ("shapes", "names", "features", "cofactors", "reference", "scalings", "calibrations", "stacks")


@dataclass(frozen=True)
class AlignerFile:
    """The content of the file."""

    settings: dict[str, Any]  # keyword arguments of `Aligner`, as JSON holds them
    shapes: dict[str, tuple[int, ...]]
    names: list[str]  # of the folds
    features: ByDomain[list[str]]
    cofactors: ByDomain[dict[str, Any]]
    reference: str
    status: Status
    scalings: ByDomain[Scaling]
    calibrations: ByDomain[Calibration | None]
    stacks: ByDomain[Stack | None]
    generators: Mapping[str, dict[str, Tensor]]  # role -> name -> weights (R, ...); all tensors after `load`


def save(path: str | Path, file: AlignerFile) -> None:
    """Write the content to ``path``."""
    tensors = dict(file.generators)
    for domain, units in file.scalings.items():
        tensors |= {f"{domain}.{fold}": scaling_tensors(scaling) for fold, scaling in enumerate(units)}
    for name, parts in (("calibration", file.calibrations), ("stack", file.stacks)):
        for domain, entries in parts.items():
            tensors |= {f"{name}.{domain}.{fold}": _tensors(part) for fold, part in enumerate(entries) if part}
    about = {
        "aligner": file.settings,
        "shapes": file.shapes,
        "features": file.features,
        "names": file.names,
        "cofactors": file.cofactors,
        "reference": file.reference,
        "status": [[seed, *file.status[seed]] for seed in file.settings["seeds"]],
    }
    checkpoint.save(path, about, tensors)


def load(path: str | Path) -> AlignerFile:
    """Read what `save` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged, or `save` did not write it.
    """
    about, tensors = checkpoint.load(path, kind="aligner")

    def by_domain(entry: Callable[[str], T]) -> ByDomain[T]:
        return {domain: [entry(f"{domain}.{fold}") for fold in range(len(about["names"]))] for domain in DOMAINS}

    return AlignerFile(
        settings=about["aligner"],
        shapes={name: tuple(shape) for name, shape in about["shapes"].items()},
        names=about["names"],
        features=about["features"],
        cofactors=about["cofactors"],
        reference=about["reference"],
        status={seed: (status, detail) for seed, status, detail in about["status"]},
        scalings=by_domain(lambda place: from_tensors(tensors[place])),
        calibrations=by_domain(lambda place: _arrays(Calibration, tensors.get(f"calibration.{place}"))),
        stacks=by_domain(lambda place: _arrays(Stack, tensors.get(f"stack.{place}"))),
        generators=tensors,
    )


def check_finite(path: str | Path, file: AlignerFile, ensemble: Ensemble) -> None:
    """Refuse a file in which the weights of a good seed, a scaling or a calibration are not finite.

    Raises
    ------
    InputError
        The first such tensor, by name.
    """
    folds = range(ensemble.n_folds)
    good = [row for fold in folds for row in ensemble.replicates(ensemble.good_seeds, fold)]
    checkpoint.finite(path, {role: network.select(good).state() for role, network in ensemble.networks.items()})
    checkpoint.finite(path, {group: part for group, part in file.generators.items() if group not in ensemble.networks})


def _tensors(part: Calibration | Stack) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in vars(part).items()}


def _arrays(kind: Callable[..., T], tensors: Mapping[str, Tensor] | None) -> T | None:
    return kind(**{name: x.numpy() for name, x in tensors.items()}) if tensors else None
