"""AnnData in, AnnData out: train any model on two domains, all seeds at once, and map cells."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from magan import keys
from magan.config import Training
from magan.correspondence import CORRESPONDENCES
from magan.data.domain import Domain, from_anndata, to_array
from magan.data.sampling import Table, batches
from magan.errors import InputError
from magan.models import MODELS
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Recipe
from magan.training.fit import broken, fit

SCALES = ("pooled", "each", "none")
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
        How markers are standardised: "pooled", "each" or "none"; see ``magan.config.Arm``.
    device
        "auto" takes a GPU if there is one.

    Attributes
    ----------
    status_ : dict
        Seed -> ("ok", "retried" or "failed", detail). A seed whose weights turn
        NaN is trained once more from a derived seed; the others never notice.
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
        device: str = "auto",
    ):
        self.model = model
        self.correspondence = correspondence
        self.correspondence_options = dict(correspondence_options or {})
        self.options = dict(options or {})
        self.training = training or Training()
        self.seeds = tuple(seeds)
        self.scale = scale
        self.device = device

    def fit(
        self,
        x1: AnnData | Sequence[AnnData],
        x2: AnnData | Sequence[AnnData],
        *,
        record: Record = lambda step, seeds, terms: None,
        every: int = 100,
    ) -> "Aligner":
        """Train every seed.

        Two lists of equal length are folds: pairs of domains of one shape,
        trained apart but in the same batched network. ``record`` gets the loss
        terms, means over folds, every ``every`` steps.

        Raises
        ------
        InputError
            An unknown model, correspondence or scale, domains without a shared
            marker where the correspondence needs one, folds of different
            shapes, a domain smaller than a minibatch, a constant marker.
        """
        pairs = list(zip(*(x if isinstance(x, Sequence) else [x] for x in (x1, x2)), strict=True))
        raw = [(from_anndata(a, "x1"), from_anndata(b, "x2")) for a, b in pairs]
        self._check(raw)
        self.shapes_ = {"x1": raw[0][0].shape, "x2": raw[0][1].shape}
        self.features_ = {"x1": [list(a.features) for a, _ in raw], "x2": [list(b.features) for _, b in raw]}
        self.scales_ = _scales(raw, self.scale)
        folds = [(self._scaled(a, "x1", f), self._scaled(b, "x2", f)) for f, (a, b) in enumerate(raw)]
        self.device_ = best_device(self.device)
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
        source = {"x2": "x1", "x1": "x2"}[to]
        domain = from_anndata(x, source)
        layers = {}
        for seed, values in zip(self.good_seeds_, self._values(domain, to, fold)):
            layers[f"seed_{seed}"] = values
        return self._anndata(x, layers, to, fold)

    def there_and_back(self, x: AnnData, fold: int = 0) -> AnnData:
        """Samples of domain 1 mapped to domain 2 and back; layers as in `map`."""
        domain = from_anndata(x, "x1")
        there = self._mapped(self._scaled(domain, "x1", fold).values, "generator_12", fold)
        back = self._mapped(there, "generator_21", fold)
        layers = {f"seed_{s}": v for s, v in zip(self.good_seeds_, self._unscaled(back, "x1", fold))}
        return self._anndata(x, layers, "x1", fold)

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return [s for s in self.seeds if self.status_[s][0] != "failed"]

    def save(self, path: str | Path) -> None:
        """Write the maps of all seeds and folds, without code, to a safetensors file."""
        tensors = {
            f"{role}.{name}": value.cpu().contiguous()
            for role, network in self.generators_.items()
            for name, value in network.state().items()
        }
        for domain, (mean, sd) in self.scales_.items():
            tensors |= {f"{domain}.mean": mean, f"{domain}.sd": sd}
        about = {
            "aligner": {
                "model": self.model,
                "correspondence": self.correspondence,
                "correspondence_options": self.correspondence_options,
                "options": self.options,
                "training": self.training.model_dump(),
                "seeds": self.seeds,
                "scale": self.scale,
            },
            "shapes": self.shapes_,
            "features": self.features_,
            "status": [[seed, *self.status_[seed]] for seed in self.seeds],
        }
        save_file(tensors, str(path), metadata={"magan": json.dumps(about, sort_keys=True)})

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Aligner":
        """The aligner that `save` wrote, ready to map."""
        with safe_open(str(path), "pt") as file:
            about = json.loads(file.metadata()["magan"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
        settings = about["aligner"]
        self = cls(**{**settings, "training": Training(**settings["training"])}, device=device)
        self.shapes_ = {name: tuple(shape) for name, shape in about["shapes"].items()}
        self.features_ = about["features"]
        self.status_ = {seed: (status, detail) for seed, status, detail in about["status"]}
        self.scales_ = {domain: (tensors[f"{domain}.mean"], tensors[f"{domain}.sd"]) for domain in ("x1", "x2")}
        self.device_ = best_device(device)
        self.generators_ = self._blank(len(self.features_["x1"]))
        for role, network in self.generators_.items():
            state = {name: tensors[f"{role}.{name}"] for name in network.state()}
            network.put(range(len(self.seeds) * len(self.features_["x1"])), state)
        return self

    def _check(self, folds: Sequence[tuple[Domain, Domain]]) -> None:
        for what, known in (("model", MODELS), ("correspondence", CORRESPONDENCES), ("scale", SCALES)):
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

    def _scaled(self, domain: Domain, name: str, fold: int) -> Domain:
        """A domain with the columns, and in the units, that the networks of a fold know."""
        values = domain.values
        if domain.features:
            wanted = self.features_[name][fold]
            missing = [m for m in wanted if m not in domain.features]
            if missing:
                raise InputError(f"marker '{missing[0]}' of the trained panel is missing; give the markers {wanted}")
            values = values[:, [domain.features.index(m) for m in wanted]]
            domain = Domain(domain.name, values, tuple(wanted), domain.labels, domain.pairs)
        mean, sd = self.scales_[name]
        return Domain(domain.name, (values - mean[fold]) / sd[fold], domain.features, domain.labels, domain.pairs)

    def _unscaled(self, values: Tensor, name: str, fold: int) -> list[np.ndarray]:
        mean, sd = self.scales_[name]
        return [to_array(v * sd[fold] + mean[fold], self.shapes_[name]) for v in values.cpu()]

    def _values(self, domain: Domain, to: str, fold: int) -> list[np.ndarray]:
        source, role = {"x2": ("x1", "generator_12"), "x1": ("x2", "generator_21")}[to]
        return self._unscaled(self._mapped(self._scaled(domain, source, fold).values, role, fold), to, fold)

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

    def _anndata(self, x: AnnData, layers: dict[str, np.ndarray], to: str, fold: int) -> AnnData:
        if layers:
            layers[keys.CONSENSUS] = np.mean(list(layers.values()), axis=0, dtype=np.float32)
        names = self.features_[to][fold] or [str(i) for i in range(int(np.prod(self.shapes_[to])))]
        values = layers.get(keys.CONSENSUS, np.full((x.n_obs, len(names)), np.nan, np.float32))
        mapped = AnnData(values, obs=x.obs.copy(), layers=layers)
        mapped.var_names = names
        return mapped


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


def _optimiser(training: Training, own: Adam) -> Adam:
    """The recipe's optimiser with what the study overrides."""
    return Adam(training.learning_rate or own.learning_rate, training.betas or own.betas, own.weight_decay)


def _scales(folds: Sequence[tuple[Domain, Domain]], how: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Domain -> (mean, sd), each ``(F, *shape)``: 0 and 1 for images and for "none"."""
    means: dict[str, list[Tensor]] = {"x1": [], "x2": []}
    sds: dict[str, list[Tensor]] = {"x1": [], "x2": []}
    for pair in folds:
        for name, own, other in zip(("x1", "x2"), pair, pair[::-1]):
            mean, sd = torch.zeros(own.shape), torch.ones(own.shape)
            if own.features and how != "none":
                for column, marker in enumerate(own.features):
                    cells = own.values[:, column]
                    if how == "pooled" and marker in other.features:
                        cells = torch.cat([pair[0].values[:, pair[0].features.index(marker)],
                                           pair[1].values[:, pair[1].features.index(marker)]])  # fmt: skip
                    if not cells.std() > 0:
                        raise InputError(f"marker '{marker}' is constant in the training cells; leave it out")
                    mean[column], sd[column] = cells.mean(), cells.std()
            means[name].append(mean)
            sds[name].append(sd)
    return {name: (torch.stack(means[name]), torch.stack(sds[name])) for name in means}


def _table(domains: Sequence[Domain], of_fold: Sequence[int], number: str, labels: Mapping[str, int]) -> Table:
    """All folds' samples one after another, and the rows of each replicate's own fold."""
    starts = np.cumsum([0, *(len(d) for d in domains)])
    entries = {f"x{number}": torch.cat([d.values for d in domains])}
    if labels:
        entries[f"label{number}"] = torch.tensor([labels.get(word, -1) for d in domains for word in d.labels])
    return Table(entries, tuple(torch.arange(int(starts[f]), int(starts[f + 1])) for f in of_fold))
