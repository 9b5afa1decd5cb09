"""AnnData in, AnnData out: train any model that makes samples, all seeds at once, and make samples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.config import Arm, Training
from magan.domains.domain import Domain, decoded, from_anndata, to_array
from magan.domains.minibatches import Table, batches, noise_of
from magan.domains.scaling import from_tensors, scalings
from magan.domains.scaling import tensors as scaling_tensors
from magan.errors import InputError
from magan.estimator import Estimator
from magan.models import GENERATING
from magan.networks.replicate import Replicated, role_seed
from magan.networks.standing_statistics import standing
from magan.recipe import Batch, Networks, Recipe, Terms
from magan.techniques import applied
from magan.training import checkpoint
from magan.training.device import best_device
from magan.training.diagnostics import DIVERSITY, diversity, uninformed_losses
from magan.training.ensemble import Ensemble, Group, Inputs, Record, Schedule
from magan.training.fit import Look, Optimisation
from magan.training.resume import NoCheckpoint, Resume
from magan.training.retry import Status
from magan.training.weight_average import averaged, means

ROWS = 500  # samples made at a time, and samples whose statistics batch normalisation uses
LOOKED_AT = 64  # samples of fixed noise made at every record
Show = Callable[[int, Sequence[int], np.ndarray], None]  # step, seeds, samples (S, n, M)


def no_pictures(step: int, seeds: Sequence[int], samples: np.ndarray) -> None:
    """Show nothing."""


@dataclass(eq=False)
class Synthesizer(Estimator):
    """Learn to make samples like those of a training set, one model per seed.

    Parameters
    ----------
    model
        A key of ``magan.models.GENERATING``.
    options
        Keyword arguments of the model.
    techniques
        Changes to its recipe: keys of ``magan.techniques.TECHNIQUES`` and their options.
    training
        Steps, minibatch size and, where it differs from the paper's, the optimiser.
    seeds
        A model is trained for each seed; the models share nothing but the data.
    device
        "auto" takes a GPU if there is one.

    Attributes
    ----------
    ensemble_ : magan.training.ensemble.Ensemble
        The networks of every seed; of networks with a running mean, the mean.
    classes_ : list
        The classes in ``obs["cell_type"]`` of the training set, sorted; [] where any sample has no class.
    """

    model: str = "gan"
    _: KW_ONLY
    options: Mapping[str, Any] = field(default_factory=dict)
    techniques: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    seeds: Sequence[int] = (0,)
    device: str = "auto"

    def __post_init__(self):
        self.options = dict(self.options)
        self.techniques = {name: dict(options) for name, options in self.techniques.items()}
        self.seeds = tuple(self.seeds)

    @classmethod
    def of_arm(cls, arm: Arm, training: Training, seeds: Sequence[int], device: str = "auto") -> "Synthesizer":
        """The untrained synthesizer that an arm of a study describes."""
        settings = {"options": arm.options, "techniques": arm.techniques, "training": training}
        return cls(arm.model, seeds=seeds, device=device, **settings)

    def fit(
        self,
        x: AnnData,
        *,
        record: Record = lambda step, seeds, terms: None,
        show: Show = no_pictures,
        every: int = 100,
        resume: Callable[[str], Resume | NoCheckpoint] = lambda name: NoCheckpoint(),
    ) -> "Synthesizer":
        """Train every seed on images, or on a table of markers.

        Parameters
        ----------
        x
            The training set.
        record
            Gets the step, the seeds and the loss terms, with the diversity of samples of fixed noise
            (`magan.training.diagnostics.diversity`).
        show
            Gets the samples of fixed noise.
        every
            Steps between two records.
        resume
            Name of a group of seeds -> the file from which an interrupted training resumes.

        Raises
        ------
        InputError
            An unknown model, or fewer samples than a minibatch.
        """
        if self.model not in GENERATING:
            raise InputError(f"model '{self.model}' is unknown; there are {', '.join(GENERATING)}")
        domain = from_anndata(x, "x")
        if len(domain) < self.training.batch_size:
            raise InputError(
                f"there are {len(domain)} training samples, fewer than a minibatch of {self.training.batch_size}; "
                "lower training.batch_size"
            )
        labels = domain.labels or ("",)
        self.classes_ = [] if any(word.lower() in keys.UNLABELLED for word in labels) else sorted(set(labels))
        self.shapes_ = {"x": domain.shape} | ({"label": (len(self.classes_),)} if self.classes_ else {})
        self.features_ = list(domain.features)
        self.scaling_, _ = scalings("each", domain, domain)
        self.device_ = best_device(self.device)
        self._untrained()
        entries = self._entries(domain)
        optimisation = Optimisation(**self.training.of_fit())
        self.ensemble_.train(
            lambda group: self._inputs(entries, group, show),
            Schedule(self.training.steps, optimisation, self.training.at_once, every, record, resume),
        )
        return self

    @torch.no_grad()
    def sample(self, query: AnnData) -> AnnData:
        """Make a sample for each row of ``query``, by each seed that did not fail.

        A model sees the class of a row, or what its recipe makes of the row's image. Each seed has its own
        random generator. Batch normalisation uses standing statistics (`magan.networks.standing_statistics`),
        so a sample does not depend on the other rows.

        Returns
        -------
        AnnData
            The rows of ``query``; ``layers["seed_<s>"]``, pixels in [0, 1] or arcsinh units; ``X`` holds the
            samples of the first seed.

        Raises
        ------
        InputError
            The training set lacks the class of a row.
        """
        recipe, layers = self._recipe(), {}
        for seed in self.good_seeds_:
            made = torch.empty(query.n_obs, *self.shapes_["x"])
            for rows, networks, batch in self._parts(recipe, query, seed):
                made[rows] = _sampler(recipe)(networks, batch)[0].float().cpu()
            layers[f"{keys.SEED}_{seed}"] = to_array(self.scaling_.unscaled(made), self.shapes_["x"])
        names = self.features_ or [str(i) for i in range(int(np.prod(self.shapes_["x"])))]
        values = next(iter(layers.values()), np.full((query.n_obs, len(names)), np.nan, np.float32))
        samples = AnnData(values, obs=cast(pd.DataFrame, query.obs.copy()), layers=layers)
        samples.var_names = names
        return samples

    @torch.no_grad()
    def model_scores(self, query: AnnData) -> dict[str, np.ndarray]:
        """Scores that the model gives to the images in ``query``, such as their log probability; {} if it has none.

        Score -> mean over rows, a value for each seed that did not fail.
        """
        recipe, means_of_seeds = self._recipe(), {}
        if recipe.measure is None:
            return {}
        for seed in self.good_seeds_:
            sums: dict[str, float] = {}
            for _, networks, batch in self._parts(recipe, query, seed):
                for name, values in recipe.measure(networks, batch).items():
                    sums[name] = sums.get(name, 0.0) + values.double().sum().item()
            for name, total in sums.items():
                means_of_seeds.setdefault(name, []).append(total / query.n_obs)
        return {name: np.array(values) for name, values in means_of_seeds.items()}

    @torch.no_grad()
    def conditioned_on(self, query: AnnData) -> list[str]:
        """The entries of a row that its sample depends on: "label", or the image "x".

        Each entry is changed while the noise stays the same.
        """
        entries = self._entries(from_anndata(query[:LOOKED_AT], "query"))
        if not self.good_seeds_:
            return []
        recipe, seed = self._recipe(), self.good_seeds_[0]
        networks = self._alone(recipe, seed)
        batch = {name: decoded(x[None]).to(self.device_) for name, x in entries.items()}
        noise = self._noise(recipe, batch["x"].shape[1], [seed], "sample")
        batch |= {name: x.to(self.device_) for name, x in noise.items()}
        changes = {"x": -batch["x"]}
        if self.classes_:
            changes["label"] = (batch["label"] + 1) % len(self.classes_)
        sample = _sampler(recipe)
        before = sample(networks, batch)
        return [name for name, x in changes.items() if not torch.equal(sample(networks, {**batch, name: x}), before)]

    @property
    def networks_(self) -> dict[str, Replicated]:
        """Role -> the networks of all seeds."""
        return self.ensemble_.networks

    @property
    def status_(self) -> Status:
        """Seed -> ("ok", "retried" or "failed", detail), as in `magan.aligner.Aligner`."""
        return self.ensemble_.status

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return self.ensemble_.good_seeds

    @property
    def uninformed_loss_(self) -> dict[str, float]:
        """Loss term -> its value for a discriminator that knows nothing, where the model defines it."""
        return uninformed_losses(self._recipe())

    def save(self, path: str | Path) -> None:
        """Write the networks of all seeds, without code, to a safetensors file."""
        settings = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "device"}
        about = {
            "synthesizer": settings | {"training": self.training.model_dump()},
            "shapes": self.shapes_,
            "classes": self.classes_,
            "features": self.features_,
            "status": [[seed, *self.status_[seed]] for seed in self.seeds],
        }
        tensors = {f"network.{role}": network.state() for role, network in self.networks_.items()}
        checkpoint.save(path, about, {**tensors, "scaling": scaling_tensors(self.scaling_)})

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Synthesizer":
        """Read the synthesizer that `save` wrote, ready to make samples.

        Raises
        ------
        InputError
            The file is missing or damaged, or `save` did not write it.
        """
        about, tensors = checkpoint.load(path, kind="synthesizer")
        with checkpoint.described_by(path):
            settings = about["synthesizer"]
            synthesizer = cls(**{**settings, "training": Training(**settings["training"])}, device=device)
            synthesizer.shapes_ = {name: tuple(shape) for name, shape in about["shapes"].items()}
            synthesizer.classes_, synthesizer.features_ = about["classes"], about["features"]
            synthesizer.scaling_ = from_tensors(tensors["scaling"])
            synthesizer.device_ = best_device(device)
            synthesizer._untrained()
            weights = {role: tensors[f"network.{role}"] for role in synthesizer.networks_}
            status = {seed: (status, detail) for seed, status, detail in about["status"]}
            synthesizer.ensemble_.restore(weights, status)
        return synthesizer

    def _recipe(self) -> Recipe:
        recipe = applied(GENERATING[self.model](self.shapes_, **self.options), self.techniques)
        return averaged(recipe, self.training.average)

    def _parts(self, recipe: Recipe, query: AnnData, seed: int) -> Iterator[tuple[Tensor, Networks, Batch]]:
        """Some hundreds of rows at a time: the rows, a seed's networks, and the minibatch of the rows."""
        entries, n = self._entries(from_anndata(query, "query")), query.n_obs
        networks = self._alone(recipe, seed)
        noise = self._noise(recipe, n, [seed], "sample")
        for rows in torch.arange(n).split(ROWS):
            batch = {name: decoded(x[None, rows]).to(self.device_) for name, x in entries.items()}
            batch |= {name: x[:, rows].to(self.device_) for name, x in noise.items()}
            yield rows, networks, batch

    def _alone(self, recipe: Recipe, seed: int) -> Networks:
        """A seed's networks, which normalise by the statistics of a fixed minibatch.

        The minibatch holds fixed noise, equal numbers of each class, and blank images. No generator that sees an
        image normalises.
        """
        company = {"x": torch.zeros(1, ROWS, *self.shapes_["x"]), **self._noise(recipe, ROWS, [seed], "company")}
        if self.classes_:
            company["label"] = (torch.arange(ROWS) % len(self.classes_))[None]
        company = {name: x.to(self.device_) for name, x in company.items()}
        return standing(self.networks_, self.ensemble_.replicates([seed], 0)[0], _sampler(recipe), company)

    def _untrained(self) -> None:
        """Set untrained networks of every seed."""
        self.ensemble_ = Ensemble(means(self._recipe().networks), self.seeds, 1, self.device_)

    def _inputs(self, entries: Mapping[str, Tensor], group: Group, show: Show) -> Inputs:
        """The recipe and the minibatches of a group of seeds."""
        recipe = self._recipe()
        table = Table(entries, (torch.arange(len(entries["x"])),) * len(group.seeds))
        shape = {"batch_size": self.training.batch_size, "seeds": group.rng_seeds, "device": self.device_}
        return Inputs(recipe, batches([table], recipe.noise, **shape), self._look(recipe, entries, group, show))

    def _entries(self, domain: Domain) -> dict[str, Tensor]:
        """A domain as the entries of a minibatch, ``(n, ...)``: samples in the networks' units, class numbers."""
        entries = {"x": self.scaling_.scaled(domain.values) if domain.features else domain.values}
        if not self.classes_:
            return entries
        unknown = sorted(set(domain.labels or ("",)) - set(self.classes_))
        if unknown:
            raise InputError(f"class '{unknown[0]}' is not in the training set; there are {', '.join(self.classes_)}")
        return entries | {
            "label": torch.tensor([self.classes_.index(word) for word in cast(tuple[str, ...], domain.labels)])
        }

    def _noise(self, recipe: Recipe, n: int, seeds: Sequence[int], what: str) -> dict[str, Tensor]:
        """All noise of the recipe for ``n`` samples, ``(len(seeds), n, ...)``; each entry has its own generators."""
        return {
            name: noise_of(spec, n, [role_seed(seed, f"{what}.{name}") for seed in seeds])
            for name, spec in recipe.noise.items()
        }

    def _look(self, recipe: Recipe, entries: Mapping[str, Tensor], group: Group, show: Show) -> Look:
        """Show samples of fixed noise at a recorded step, and return the diversity of the samples."""
        n = min(LOOKED_AT, len(entries["x"]))
        rows = np.random.default_rng(0).permutation(len(entries["x"]))[:n]
        real = {name: decoded(x[rows]).to(self.device_) for name, x in entries.items()}
        noise = self._noise(recipe, n, group.rng_seeds, "look")
        batch: Batch = {name: x.expand(len(group.seeds), *x.shape) for name, x in real.items()}
        batch |= {name: x.to(self.device_) for name, x in noise.items()}
        sample = _sampler(recipe)

        @torch.no_grad()
        def look(step: int, networks: Networks) -> Terms:
            made = sample(networks, batch).float()
            images = [to_array(self.scaling_.unscaled(x.cpu()), self.shapes_["x"]) for x in made]
            show(step, group.seeds, np.stack(images))
            return {DIVERSITY: diversity(made, real["x"])}

        return look


def _sampler(recipe: Recipe) -> Callable[[Networks, Batch], Tensor]:
    """The recipe's way to make samples."""
    if recipe.sample is None:
        raise InputError("the model makes no samples; choose a model of magan.models.GENERATING")
    return recipe.sample
