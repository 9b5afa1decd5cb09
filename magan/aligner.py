"""AnnData in, AnnData out: train any model on two domains, all seeds at once, and map cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.config import Training
from magan.correspondence import CORRESPONDENCES
from magan.data.cytof import cofactors
from magan.data.domain import Domain, from_anndata, to_array
from magan.data.sampling import Table, batches
from magan.data.scaling import SCALINGS, Scaling, from_tensors, scaling
from magan.data.scaling import tensors as scaling_tensors
from magan.errors import InputError
from magan.models import MODELS
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Recipe
from magan.training import checkpoint
from magan.training.fit import broken, fit

PREDICTIONS = ("sample", "expected")
HIDDEN = 0.0  # in the networks' units the mean of a marker, or its median
ROWS = 8192  # samples mapped at a time; bounds memory, changes nothing
Record = Callable[[int, Sequence[int], Mapping[str, Tensor]], None]  # step, seeds, name -> (len(seeds),)


class Aligner:
    """Learns the maps between two domains, one pair of maps per seed.

    Parameters
    ----------
    model
        A key of ``magan.models.MODELS``.
    correspondence, correspondence_options
        A key of ``magan.correspondence.CORRESPONDENCES`` and its options.
    options
        Keyword arguments of the model.
    training
        Steps, minibatch size and, where it is not to be the paper's, the optimiser.
    seeds
        One pair of maps is trained for each; they share nothing but the data.
    scale
        How markers are standardised: a key of ``magan.data.scaling.SCALINGS``.
    predict
        What `map` gives: "sample", or "expected", which hides the markers that
        the other domain lacks. After training with ``rebuild`` the first draws
        from the right distribution and the second is the conditional mean.
    device
        "auto" takes a GPU if there is one.

    Attributes
    ----------
    status_ : dict
        Seed -> ("ok", "retried" or "failed", detail). A seed whose weights turn
        NaN is trained once more from a derived seed; the others never notice.
    names_ : list
        Of the folds.
    features_, cofactors_ : dict
        Of "x1" and "x2", fold by fold: the markers, and marker -> cofactor or
        "none" ({} where ``uns["cytof"]`` does not say).
    reference_ : str
        The batch that domain 2 is, "" where it is none or several.
    """

    def __init__(
        self,
        model: str = "magan",
        *,
        correspondence: str = "shared_markers",
        correspondence_options: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        training: Training | None = None,
        seeds: Sequence[int] = (0,),
        scale: str = "pooled",
        predict: str = "sample",
        device: str = "auto",
    ):
        self.model = model
        self.correspondence = correspondence
        self.correspondence_options = dict(correspondence_options or {})
        self.options = dict(options or {})
        self.training = training or Training()
        self.seeds = tuple(seeds)
        self.scale = scale
        self.predict = predict
        self.device = device

    def fit(
        self,
        x1: AnnData | Sequence[AnnData],
        x2: AnnData | Sequence[AnnData],
        *,
        names: Sequence[str] = (),
        record: Record = lambda step, seeds, terms: None,
        every: int = 100,
    ) -> "Aligner":
        """Train every seed.

        Two lists of equal length are folds: pairs of domains of one shape,
        trained apart but in the same batched network. ``names`` of the folds
        (their batches, say) are saved with the model; without any they are
        "0", "1", ... ``record`` gets the loss terms, means over folds, every
        ``every`` steps.

        Raises
        ------
        InputError
            An unknown model, correspondence or scale, domains without a shared
            marker where the correspondence needs one, folds of different
            shapes, a domain smaller than a minibatch, a constant marker.
        """
        first, second = (list(x) if isinstance(x, Sequence) else [x] for x in (x1, x2))
        if len(first) != len(second):
            raise InputError(
                f"{len(first)} domains and {len(second)} partners; give folds as two lists of equal length"
            )
        if names and len(names) != len(first):
            raise InputError(f"{len(names)} names for {len(first)} folds; give one to each")
        raw = [(from_anndata(a, "x1"), from_anndata(b, "x2")) for a, b in zip(first, second)]
        self._check(raw)
        self.shapes_ = {"x1": raw[0][0].shape, "x2": raw[0][1].shape}
        self.features_ = {"x1": [list(a.features) for a, _ in raw], "x2": [list(b.features) for _, b in raw]}
        self.names_ = [str(name) for name in names or range(len(raw))]
        self.cofactors_ = {"x1": [cofactors(a) for a in first], "x2": [cofactors(b) for b in second]}
        self.reference_ = _batch(second)
        self.scalings_ = {
            "x1": [scaling(self.scale, a, b) for a, b in raw],
            "x2": [scaling(self.scale, b, a) for a, b in raw],
        }
        self.device_ = best_device(self.device)
        folds = [
            (self._resident(a, self.scalings_["x1"][f]), self._resident(b, self.scalings_["x2"][f]))
            for f, (a, b) in enumerate(raw)
        ]
        self.status_ = {}
        self.generators_ = self._blank(len(folds))
        group = max(1, self.training.at_once // len(folds))
        for start in range(0, len(self.seeds), group):
            self._train(folds, self.seeds[start : start + group], record, every)
        return self

    def map(self, x: AnnData, to: str = "x2", fold: int = 0) -> AnnData:
        """Samples of one domain as the other domain would have measured them.

        Returns
        -------
        AnnData
            The rows of ``x`` by the features of domain ``to``;
            ``layers["seed_<s>"]`` for every seed that did not fail, in arcsinh
            units (or pixels in [0, 1]), and their mean, ``layers["consensus"]``.
        """
        source, role = {"x2": ("x1", "generator_12"), "x1": ("x2", "generator_21")}[to]
        values = self._scaled(from_anndata(x, source), source, fold)
        if self.predict == "expected":
            own, other = self.features_[source][fold], self.features_[to][fold]
            values[:, [i for i, marker in enumerate(own) if marker not in other]] = HIDDEN
        return self._anndata(x, self._mapped(values, role, fold), to, fold)

    def there_and_back(self, x: AnnData, fold: int = 0) -> AnnData:
        """Samples of domain 1 mapped to domain 2 and back; layers as in `map`."""
        there = self._mapped(self._scaled(from_anndata(x, "x1"), "x1", fold), "generator_12", fold)
        return self._anndata(x, self._mapped(there, "generator_21", fold), "x1", fold)

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return [s for s in self.seeds if self.status_[s][0] != "failed"]

    def save(self, path: str | Path) -> None:
        """Write the maps of all seeds and folds, without code, to a safetensors file."""
        tensors = {role: network.state() for role, network in self.generators_.items()}
        for domain, scalings in self.scalings_.items():
            tensors |= {f"{domain}.{f}": scaling_tensors(one) for f, one in enumerate(scalings)}
        about = {
            "aligner": {
                "model": self.model,
                "correspondence": self.correspondence,
                "correspondence_options": self.correspondence_options,
                "options": self.options,
                "training": self.training.model_dump(),
                "seeds": self.seeds,
                "scale": self.scale,
                "predict": self.predict,
            },
            "shapes": self.shapes_,
            "features": self.features_,
            "names": self.names_,
            "cofactors": self.cofactors_,
            "reference": self.reference_,
            "status": [[seed, *self.status_[seed]] for seed in self.seeds],
        }
        checkpoint.save(path, about, tensors)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Aligner":
        """The aligner that `save` wrote, ready to map.

        Raises
        ------
        InputError
            The file is missing, or `save` did not write it.
        """
        about, tensors = checkpoint.load(path)
        settings = about["aligner"]
        self = cls(**{**settings, "training": Training(**settings["training"])}, device=device)
        self.shapes_ = {name: tuple(shape) for name, shape in about["shapes"].items()}
        self.features_, self.cofactors_ = about["features"], about["cofactors"]
        self.names_, self.reference_ = about["names"], about["reference"]
        self.status_ = {seed: (status, detail) for seed, status, detail in about["status"]}
        n_folds = len(self.names_)
        self.scalings_ = {
            domain: [from_tensors(tensors[f"{domain}.{f}"]) for f in range(n_folds)] for domain in ("x1", "x2")
        }
        self.device_ = best_device(device)
        self.generators_ = self._blank(n_folds)
        for role, network in self.generators_.items():
            network.put(range(n_folds * len(self.seeds)), tensors[role])
        return self

    def _check(self, folds: Sequence[tuple[Domain, Domain]]) -> None:
        for what, known in (
            ("model", MODELS),
            ("correspondence", CORRESPONDENCES),
            ("scale", SCALINGS),
            ("predict", PREDICTIONS),
        ):
            if getattr(self, what) not in known:
                raise InputError(f"{what} '{getattr(self, what)}' is unknown; there are {', '.join(known)}")
        if len({(a.shape, b.shape) for a, b in folds}) > 1:
            raise InputError(f"folds have different shapes, {[(a.shape, b.shape) for a, b in folds]}; fit them apart")
        for domain in (d for pair in folds for d in pair):
            if len(domain) < self.training.batch_size:
                raise InputError(
                    f"domain '{domain.name}' has {len(domain)} samples, fewer than a minibatch of "
                    f"{self.training.batch_size}; lower training.batch_size"
                )

    def _recipe(self, loss: Any = None) -> Recipe:
        return MODELS[self.model](self.shapes_, correspondence=loss, **self.options)

    def _blank(self, n_folds: int) -> dict[str, Replicated]:
        """Untrained generators, fold by fold and within a fold seed by seed."""
        builders = self._recipe().networks
        return {
            role: Replicated(builders[role], [0] * (n_folds * len(self.seeds))).to(self.device_)
            for role in ("generator_12", "generator_21")
        }

    def _train(self, folds: Sequence[tuple[Domain, Domain]], seeds: Sequence[int], record: Record, every: int) -> None:
        """Train some of the seeds on all folds, retry once those that break, and keep their generators."""
        failed = self._attempt(folds, seeds, seeds, record, every)
        retries = [role_seed(seed, "retry") for seed in failed]
        failed_twice = self._attempt(folds, failed, retries, record, every) if failed else []
        for seed in seeds:
            if seed in failed_twice:
                self.status_[seed] = ("failed", "weights turned NaN, and again when retried with a derived seed")
            elif seed in failed:
                derived = retries[failed.index(seed)]
                self.status_[seed] = ("retried", f"weights turned NaN; trained again with seed {derived}")
            else:
                self.status_[seed] = ("ok", "")

    def _attempt(
        self,
        folds: Sequence[tuple[Domain, Domain]],
        seeds: Sequence[int],
        drawn_from: Sequence[int],
        record: Record,
        every: int,
    ) -> list[int]:
        """One batched training; stores the generators and returns the seeds that broke in any fold."""
        n_folds, n_seeds = len(folds), len(seeds)
        of_fold = [f for f in range(n_folds) for _ in seeds]
        replicate_seeds = list(drawn_from) * n_folds
        x1, x2 = [folds[f][0] for f in of_fold], [folds[f][1] for f in of_fold]
        kept = CORRESPONDENCES[self.correspondence](x1, x2, replicate_seeds, **self.correspondence_options)
        recipe = self._recipe(kept.loss)
        networks = fit(
            recipe,
            batches(
                [
                    _table([a for a, _ in folds], of_fold, "1", kept.labels),
                    _table([b for _, b in folds], of_fold, "2", kept.labels),
                    *kept.tables,
                ],
                recipe.noise,
                batch_size=self.training.batch_size,
                seeds=replicate_seeds,
                device=self.device_,
            ),
            seeds=replicate_seeds,
            steps=self.training.steps,
            optimiser=_optimiser(self.training, recipe.optimiser),
            device=self.device_,
            record=lambda step, terms: record(
                step, seeds, {name: value.reshape(n_folds, n_seeds).mean(0).cpu() for name, value in terms.items()}
            ),
            every=every,
        )
        places = [f * len(self.seeds) + self.seeds.index(s) for f in range(n_folds) for s in seeds]
        for role, generator in self.generators_.items():
            generator.put(places, networks[role].state())
        bad = broken(networks).reshape(n_folds, n_seeds).any(0).tolist()
        return [seed for seed, is_bad in zip(seeds, bad) if is_bad]

    def _resident(self, domain: Domain, units: Scaling) -> Domain:
        """A training domain in the networks' units, on the device that trains."""
        return replace(domain, values=units.trained(domain.values).to(self.device_))

    def _scaled(self, domain: Domain, name: str, fold: int) -> Tensor:
        """Samples with the columns, and in the units, that the networks of a fold know."""
        values = domain.values
        if domain.features:
            wanted = self.features_[name][fold]
            missing = [m for m in wanted if m not in domain.features]
            if missing:
                raise InputError(f"marker '{missing[0]}' of the trained panel is missing; give the markers {wanted}")
            values = values[:, [domain.features.index(m) for m in wanted]]
        return self.scalings_[name][fold].scaled(values)

    @torch.no_grad()
    def _mapped(self, values: Tensor, role: str, fold: int) -> Tensor:
        """``(n, *shape)`` or ``(S, n, *shape)`` through the generators of the good seeds: ``(S, n, *target)``."""
        rows = [fold * len(self.seeds) + self.seeds.index(s) for s in self.good_seeds_]
        if not rows:
            return torch.empty(0)
        generator = self.generators_[role].select(rows)
        if values.dim() == len(self.shapes_["x1" if role == "generator_12" else "x2"]) + 1:
            values = values.expand(len(rows), *values.shape)
        return torch.cat([generator(part.to(self.device_)).cpu() for part in values.split(ROWS, dim=1)], dim=1)

    def _anndata(self, x: AnnData, mapped: Tensor, to: str, fold: int) -> AnnData:
        """Maps in the networks' units, ``(S, n, *shape)``, as an AnnData in the domain's own."""
        layers = {
            f"seed_{seed}": to_array(self.scalings_[to][fold].unscaled(values), self.shapes_[to])
            for seed, values in zip(self.good_seeds_, mapped)
        }
        if layers:
            layers[keys.CONSENSUS] = np.mean(list(layers.values()), axis=0, dtype=np.float32)
        names = self.features_[to][fold] or [str(i) for i in range(int(np.prod(self.shapes_[to])))]
        values = layers.get(keys.CONSENSUS, np.full((x.n_obs, len(names)), np.nan, np.float32))
        whole = AnnData(values, obs=x.obs.copy(), layers=layers)
        whole.var_names = names
        return whole


def best_device(name: str) -> str:
    """The device to train on: "auto" is a CUDA device where there is one, else the CPU.

    Raises
    ------
    InputError
        A CUDA device is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device '{name}' is not available here; set device: auto")
    return name


def _batch(domains: Sequence[AnnData]) -> str:
    """The one batch that all cells are of, or ""."""
    batches = {name for x in domains if keys.BATCH in x.obs for name in x.obs[keys.BATCH].astype(str).unique()}
    return batches.pop() if len(batches) == 1 else ""


def _optimiser(training: Training, own: Adam) -> Adam:
    """The recipe's optimiser with what the study overrides."""
    return Adam(training.learning_rate or own.learning_rate, training.betas or own.betas, own.weight_decay)


def _table(domains: Sequence[Domain], of_fold: Sequence[int], number: str, labels: Mapping[str, int]) -> Table:
    """All folds' samples one after another, and the rows of each replicate's own fold."""
    starts = np.cumsum([0, *(len(d) for d in domains)])
    entries = {f"x{number}": torch.cat([d.values for d in domains])}
    if labels:
        numbers = [labels.get(word, -1) for d in domains for word in d.labels]
        entries[f"label{number}"] = torch.tensor(numbers)
    return Table(entries, tuple(torch.arange(int(starts[f]), int(starts[f + 1])) for f in of_fold))
