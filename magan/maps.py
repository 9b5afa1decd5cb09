"""The maps between two domains: samples in, samples of the target domain out, seed by seed and fold by fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.domains.domain import Domain, decoded, to_array
from magan.domains.scaling import Scaling
from magan.domains.shared_markers import Shared, shared
from magan.errors import InputError
from magan.recipe import Networks, Terms
from magan.regressors import Predict
from magan.regressors.hidden_markers import best_scale
from magan.regressors.stack import Stack, predictor
from magan.training.diagnostics import DIVERSITY, diversity
from magan.training.ensemble import Ensemble
from magan.training.fit import Look, no_look
from magan.training.weight_average import means
from magan.uncertainty import calibrated
from magan.uncertainty.conformal import Calibration

SOURCE, ROLE = {"x2": "x1", "x1": "x2"}, {"x2": "generator_12", "x1": "generator_21"}  # of a map to a domain
AUTO = "auto"
ROWS = 4096  # samples mapped at a time; bounds memory, changes no map
LOOKED_AT = 64  # images mapped at every record
T = TypeVar("T")
ByDomain = dict[str, list[T]]  # "x1" and "x2" -> an entry per fold
Pair = tuple[Domain, Domain]  # the two training domains of a fold
Show = Callable[[int, Sequence[int], np.ndarray, np.ndarray], None]  # step, seeds, images (n, M), maps (S, n, M)


def no_pictures(step: int, seeds: Sequence[int], images: np.ndarray, maps: np.ndarray) -> None:
    """Show nothing."""


def chosen_scale(scale: str, x1: Domain, x2: Domain) -> str:
    """The scale that is asked for; "auto" is "pooled" or "each", whichever suits the shared markers better."""
    if scale != AUTO:
        return scale
    both = shared(x1.features, x2.features)
    if not both.source:
        raise InputError("scale: auto needs markers that both domains measure; give a scale, e.g. each")
    return best_scale(x1.values[:, both.source].numpy(), x2.values[:, both.target].numpy())


def empty(n_folds: int) -> ByDomain[Any]:
    """No entry for any domain and fold."""
    return {domain: [None] * n_folds for domain in ("x1", "x2")}


@dataclass(frozen=True)
class Maps:
    """Generators with the units and the features of their domains.

    A domain is "x1" or "x2"; ``to`` is the domain that a map ends in. "Scaled" values are in the units of the
    networks, measured values in arcsinh units, or pixels in [0, 1]. S is the number of good seeds.
    """

    ensemble: Ensemble
    shapes: dict[str, tuple[int, ...]]  # of a sample
    features: ByDomain[list[str]]  # markers; [] for images
    scalings: ByDomain[Scaling]
    stacks: ByDomain[Stack | None]
    calibrations: ByDomain[Calibration | None]
    free: Sequence[str] = field(default=())  # shared markers that the correspondence does not tie
    regressors: dict[tuple[str, int], Predict] = field(default_factory=dict)  # of the stacks that were used already

    def columns(self, domain: Domain, name: str, fold: int) -> Tensor:
        """Samples of a domain with the columns that the networks of a fold know, in their order.

        Raises
        ------
        InputError
            A marker is missing.
        """
        values = decoded(domain.values)
        if domain.features:
            wanted = self.features[name][fold]
            missing = [m for m in wanted if m not in domain.features]
            if missing:
                raise InputError(f"marker '{missing[0]}' of the trained panel is missing; give the markers {wanted}")
            values = values[:, [domain.features.index(m) for m in wanted]]
        return values

    def scaled(self, values: Tensor, to: str, fold: int) -> Tensor:
        """Samples of the source domain in the units of the networks."""
        return self.scalings[SOURCE[to]][fold].scaled(values)

    @torch.no_grad()
    def mapped(self, scaled: Tensor, to: str, fold: int) -> Tensor:
        """Map ``(n, *shape)`` or ``(S, n, *shape)`` by the generators of the good seeds: ``(S, n, *target)``."""
        rows = self.ensemble.replicates(self.ensemble.good_seeds, fold)
        if not rows:
            return torch.empty(0)
        if scaled.dim() == len(self.shapes[SOURCE[to]]) + 1:
            scaled = scaled.expand(len(rows), *scaled.shape)
        mapped = torch.empty(len(rows), scaled.shape[1], *self.shapes[to])
        for s, row in enumerate(rows):  # seed by seed: a few samples of a seed fit into a processor's cache
            generator = self.ensemble.networks[ROLE[to]].select([row])
            for start in range(0, scaled.shape[1], ROWS):
                part = scaled[s : s + 1, start : start + ROWS]
                mapped[s, start : start + ROWS] = generator(part.to(self.ensemble.device))[0].cpu()
        return mapped

    def measured(self, mapped: Tensor, to: str, fold: int) -> np.ndarray:
        """Scaled samples of a domain, ``(S, n, *shape)``, as measured values, ``(S, n, M)``."""
        units, shape = self.scalings[to][fold], self.shapes[to]
        return np.stack([to_array(units.unscaled(values), shape) for values in mapped]) if len(mapped) else np.empty(0)

    def sampled(self, scaled: Tensor, to: str, fold: int) -> np.ndarray:
        """Map samples with all their features: measured values ``(S, n, M)``."""
        return self.measured(self.mapped(scaled, to, fold), to, fold)

    def expected(self, values: Tensor, scaled: Tensor, to: str, fold: int) -> np.ndarray:
        """Predict measured values ``(S, n, M)`` from the shared markers, stacked with regressors if there is a stack.

        ``values`` and ``scaled`` are the samples as measured and in the units of the networks.
        """
        both, stack = self.shared(to, fold), self.stacks[to][fold]
        maps = self.sampled(both.hidden(scaled), to, fold)
        if stack is not None:
            if (to, fold) not in self.regressors:
                self.regressors[to, fold] = predictor(stack)
            rest = self.regressors[to, fold](values[:, both.source].numpy())
            maps[:, :, stack.columns] = stack.network * maps[:, :, stack.columns] + rest.astype(np.float32)
        return maps

    def predicted(self, values: Tensor, to: str, fold: int, expected: bool) -> dict[str, np.ndarray]:
        """Layers of the maps of measured samples: their expected values, or samples; with intervals if calibrated."""
        scaled, calibration = self.scaled(values, to, fold), self.calibrations[to][fold]
        if calibration is None:
            return self.layers(self.expected(values, scaled, to, fold) if expected else self.sampled(scaled, to, fold))
        centre = self.expected(values, scaled, to, fold)  # held-out samples calibrate expected values
        layers = self.layers(centre if expected else self.sampled(scaled, to, fold))
        return layers | calibrated.uncertainty(calibration, centre, values.numpy())

    def shared(self, to: str, fold: int) -> Shared:
        """Columns of the markers that both domains measure, without those that the correspondence leaves free."""
        return shared(self.features[SOURCE[to]][fold], self.features[to][fold], self.free)

    def monotone(self, values: Tensor, to: str, fold: int) -> np.ndarray:
        """Map each marker by the scalings of the two domains, without a network: ``(n, M1) -> (n, M1)``."""
        target_features = self.features[to][fold]
        both = shared(self.features[SOURCE[to]][fold], target_features)
        units = torch.zeros(len(values), len(target_features))
        units[:, both.target] = self.scaled(values, to, fold)[:, both.source]
        mapped = np.full(values.shape, np.nan, np.float32)
        mapped[:, both.source] = self.scalings[to][fold].unscaled(units).numpy()[:, both.target]
        return mapped

    def calibrate(self, training: Pair, held_out: Domain, to: str, fold: int, stack: bool) -> None:
        """Fit the stack, if asked for, and the conformal calibration of the maps to a domain on held-out samples.

        ``training`` are the training samples of the source and of the target.

        Raises
        ------
        InputError
            The domains share no marker.
        """
        (source, target), both, units = training, self.shared(to, fold), self.scalings[to][fold]
        if not both.source:
            raise InputError("calibrate needs markers that both domains measure; leave it out")
        maps = self.sampled(both.as_source(units.scaled(held_out.values)), to, fold)
        if stack and len(both.target) < len(target.features):
            known, checked = target.values.numpy(), held_out.values.numpy()
            found = calibrated.stacked(source.values[:, both.source].numpy(), known, checked, maps, both.target)
            self.stacks[to][fold], self.calibrations[to][fold] = found
        else:
            self.calibrations[to][fold] = calibrated.calibration(maps, held_out.values.numpy())

    @property
    def layer_names(self) -> list[str]:
        """The consensus and every good seed; [] where all seeds failed."""
        seeds = [f"{keys.SEED}_{seed}" for seed in self.ensemble.good_seeds]
        return [keys.CONSENSUS, *seeds] if seeds else []

    def layers(self, maps: np.ndarray) -> dict[str, np.ndarray]:
        """The map of every good seed, ``(S, n, M)``, and their mean, as layers."""
        layers = {f"{keys.SEED}_{seed}": values for seed, values in zip(self.ensemble.good_seeds, maps)}
        if layers:
            layers[keys.CONSENSUS] = np.mean(list(layers.values()), axis=0, dtype=np.float32)
        return layers

    def annotated(self, x: AnnData, layers: dict[str, np.ndarray], to: str, fold: int) -> AnnData:
        """The rows of ``x`` by the features of domain ``to``; ``X`` is the mean map, nan where every seed failed."""
        names = self.features[to][fold] or [str(i) for i in range(int(np.prod(self.shapes[to])))]
        values = layers.get(keys.CONSENSUS, np.full((x.n_obs, len(names)), np.nan, np.float32))
        mapped = AnnData(values, obs=cast(pd.DataFrame, x.obs.copy()), layers=layers)
        mapped.var_names = names
        return mapped

    def look(self, folds: Sequence[Pair], seeds: Sequence[int], show: Show) -> Look:
        """Show maps of some training images at a recorded step, and return the diversity of the maps."""
        if len(self.shapes["x1"]) == 1:
            return no_look
        n = min(LOOKED_AT, *(len(domain) for pair in folds for domain in pair))
        real = {name: [self._spread(pair[i], n) for pair in folds] for i, name in enumerate(("x1", "x2"))}

        @torch.no_grad()
        def look(step: int, networks: Networks) -> Terms:
            generators, terms = means(networks), {}
            for to, role in ROLE.items():
                if role in generators:
                    x = torch.stack([images for images in real[SOURCE[to]] for _ in seeds])
                    maps = generators[role].eval()(x).float().split(len(seeds))
                    generators[role].train()
                    terms[f"{DIVERSITY}_{role[-2:]}"] = torch.cat([diversity(*both) for both in zip(maps, real[to])])
                    if to == "x2":
                        images = self.measured(real["x1"][0][None].cpu(), "x1", 0)[0]
                        show(step, seeds, images, self.measured(maps[0].cpu(), "x2", 0))
            return terms

        return look

    def _spread(self, domain: Domain, n: int) -> Tensor:
        """Evenly spread samples, so that all classes are among them, ``(n, *shape)``."""
        return decoded(domain.values[torch.linspace(0, len(domain) - 1, n).long()]).to(self.ensemble.device)
