"""AnnData in, AnnData out: train any model that makes samples, all seeds at once, and let it make some."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.config import Training
from magan.domains.domain import Domain, decoded, from_anndata, to_array
from magan.domains.minibatches import Table, batches, noise_of
from magan.domains.scaling import from_tensors, scalings
from magan.domains.scaling import tensors as scaling_tensors
from magan.errors import InputError
from magan.models import GENERATING
from magan.networks.replicate import Replicated, role_seed
from magan.networks.standing_statistics import standing
from magan.recipe import Batch, Networks, Recipe, Terms
from magan.techniques import applied
from magan.training import checkpoint
from magan.training.device import best_device
from magan.training.diagnostics import DIVERSITY, diversity
from magan.training.fit import fit, nonfinite_replicates
from magan.training.resume import NoCheckpoint, Resume
from magan.training.retry import every_seed
from magan.training.weight_average import averaged, means

ROWS = 500  # samples made at a time; as many tell the statistics that batch normalisation uses
LOOKED_AT = 64  # samples of fixed noise made at every record
Record = Callable[[int, Sequence[int], Mapping[str, Tensor]], None]  # step, seeds, name -> (len(seeds),)
Show = Callable[[int, Sequence[int], np.ndarray], None]  # step, seeds, samples (S, n, M)


class Synthesizer:
    """Learns to make samples like those of one set, one model per seed.

    Parameters
    ----------
    model
        A key of ``magan.models.GENERATING``.
    options
        Keyword arguments of the model.
    techniques
        Changes to its recipe: keys of ``magan.techniques.TECHNIQUES`` and their options.
    training
        Steps, minibatch size and, where it is not to be the paper's, the optimiser.
    seeds
        One model is trained for each; they share nothing but the data.
    device
        "auto" takes a GPU if there is one.

    Attributes
    ----------
    status_ : dict
        Seed -> ("ok", "retried" or "failed", detail), as of `magan.aligner.Aligner`.
    networks_ : dict
        Role -> every trained network, replicates in the order of ``seeds``; of averaged ones the mean.
    classes_ : list
        What ``obs["cell_type"]`` of the training set says, sorted; [] where any sample has no class.
    """

    def __init__(
        self,
        model: str = "gan",
        *,
        options: Mapping[str, Any] | None = None,
        techniques: Mapping[str, Mapping[str, Any]] | None = None,
        training: Training | None = None,
        seeds: Sequence[int] = (0,),
        device: str = "auto",
    ):
        self.model = model
        self.options = dict(options or {})
        self.techniques = {name: dict(own) for name, own in (techniques or {}).items()}
        self.training = training or Training()
        self.seeds = tuple(seeds)
        self.device = device

    def fit(
        self,
        x: AnnData,
        *,
        record: Record = lambda step, seeds, terms: None,
        show: Show = lambda step, seeds, samples: None,
        every: int = 100,
        resume: Callable[[str], Resume | NoCheckpoint] = lambda name: NoCheckpoint(),
    ) -> "Synthesizer":
        """Train every seed on images, or on a table of markers.

        Every ``every`` steps ``record`` gets the loss terms and how diverse samples of fixed noise are
        (`magan.training.diagnostics.diversity`), and ``show`` these samples. ``resume`` gives the file, by the
        name of a group of seeds, from which an interrupted training goes on.

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
        self.networks_ = self._blank()
        samples = self._entries(domain)

        def attempt(seeds: Sequence[int], rng_seeds: Sequence[int], time: str) -> list[int]:
            recipe = self._recipe()
            drawn = batches(
                [Table(samples, (torch.arange(len(domain)),) * len(seeds))],
                recipe.noise,
                batch_size=self.training.batch_size,
                seeds=rng_seeds,
                device=self.device_,
            )
            networks = fit(
                recipe,
                drawn,
                seeds=rng_seeds,
                **self.training.of_fit(),
                device=self.device_,
                record=lambda step, terms: record(step, seeds, {name: x.cpu() for name, x in terms.items()}),
                look=self._look(recipe, samples, seeds, rng_seeds, show),
                every=every,
                resume=resume(f"{time}_{seeds[0]}_{seeds[-1]}"),
            )
            for role, network in means(networks).items():
                self.networks_[role].put([self.seeds.index(seed) for seed in seeds], network.state())
            return [seed for seed, is_bad in zip(seeds, nonfinite_replicates(networks).tolist()) if is_bad]

        self.status_ = every_seed(attempt, self.seeds, self.training.at_once)
        return self

    @torch.no_grad()
    def sample(self, query: AnnData) -> AnnData:
        """One sample for each row of ``query``, by each seed that did not fail.

        A model sees what its application knows of a row: its class, or what its recipe makes of the row's image.
        A seed draws its noise from a generator of its own. Batch normalisation is by standing statistics
        (`magan.networks.standing_statistics`), so a sample does not depend on those asked for beside it.

        Returns
        -------
        AnnData
            The rows of ``query``; ``layers["seed_<s>"]``, pixels in [0, 1] or arcsinh units, ``X`` those of
            the first seed.

        Raises
        ------
        InputError
            A row has a class that the training set has not.
        """
        recipe, layers = self._recipe(), {}
        for seed in self.good_seeds_:
            made = torch.empty(query.n_obs, *self.shapes_["x"])
            for rows, networks, batch in self._parts(recipe, query, seed):
                made[rows] = recipe.sample(networks, batch)[0].float().cpu()
            layers[f"{keys.SEED}_{seed}"] = to_array(self.scaling_.unscaled(made), self.shapes_["x"])
        names = self.features_ or [str(i) for i in range(int(np.prod(self.shapes_["x"])))]
        values = next(iter(layers.values()), np.full((query.n_obs, len(names)), np.nan, np.float32))
        whole = AnnData(values, obs=query.obs.copy(), layers=layers)
        whole.var_names = names
        return whole

    @torch.no_grad()
    def model_scores(self, query: AnnData) -> dict[str, np.ndarray]:
        """What the model itself says of the images in ``query``, if it can: their log probability, for one.

        Score -> mean over rows, one value for each seed that did not fail.
        """
        recipe, sums = self._recipe(), {}
        for seed in self.good_seeds_ if recipe.measure else []:
            own: dict[str, float] = {}
            for _, networks, batch in self._parts(recipe, query, seed):
                for name, values in recipe.measure(networks, batch).items():
                    own[name] = own.get(name, 0.0) + values.double().sum().item()
            for name, total in own.items():
                sums.setdefault(name, []).append(total / query.n_obs)
        return {name: np.array(values) for name, values in sums.items()}

    @torch.no_grad()
    def conditioned_on(self, query: AnnData) -> list[str]:
        """Whether samples depend on the "label" or the image, "x", of their row: found by changing it, noise kept."""
        entries = self._entries(from_anndata(query[:LOOKED_AT], "query"))
        if not self.good_seeds_:
            return []
        recipe, seed = self._recipe(), self.good_seeds_[0]
        networks = self._alone(recipe, seed)
        batch = {name: decoded(x[None]).to(self.device_) for name, x in entries.items()}
        noise = self._noise(recipe, batch["x"].shape[1], [seed], "sample")
        batch |= {name: x.to(self.device_) for name, x in noise.items()}
        other = {"x": -batch["x"]}
        if self.classes_:
            other["label"] = (batch["label"] + 1) % len(self.classes_)
        made = recipe.sample(networks, batch)
        return [n for n, x in other.items() if not torch.equal(recipe.sample(networks, {**batch, n: x}), made)]

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return [s for s in self.seeds if self.status_[s][0] != "failed"]

    @property
    def uninformed_loss_(self) -> dict[str, float]:
        """What a discriminator that knows nothing pays, term by term, where the game says."""
        return {term: value for term, value in self._recipe().uninformed_loss.items() if value is not None}

    def save(self, path: str | Path) -> None:
        """Write the networks of all seeds, without code, to a safetensors file."""
        about = {
            "synthesizer": {
                "model": self.model,
                "options": self.options,
                "techniques": self.techniques,
                "training": self.training.model_dump(),
                "seeds": self.seeds,
            },
            "shapes": self.shapes_,
            "classes": self.classes_,
            "features": self.features_,
            "status": [[seed, *self.status_[seed]] for seed in self.seeds],
        }
        tensors = {f"network.{role}": network.state() for role, network in self.networks_.items()}
        checkpoint.save(path, about, {**tensors, "scaling": scaling_tensors(self.scaling_)})

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Synthesizer":
        """The synthesizer that `save` wrote, ready to make samples.

        Raises
        ------
        InputError
            The file is missing or damaged, or `save` did not write it.
        """
        about, tensors = checkpoint.load(path, kind="synthesizer")
        with checkpoint.described_by(path):
            settings = about["synthesizer"]
            self = cls(**{**settings, "training": Training(**settings["training"])}, device=device)
            self.shapes_ = {name: tuple(shape) for name, shape in about["shapes"].items()}
            self.classes_, self.features_ = about["classes"], about["features"]
            self.status_ = {seed: (status, detail) for seed, status, detail in about["status"]}
            self.scaling_ = from_tensors(tensors["scaling"])
            self.device_ = best_device(device)
            self.networks_ = self._blank()
            for role, network in self.networks_.items():
                network.put(range(len(self.seeds)), tensors[f"network.{role}"])
        return self

    def _recipe(self) -> Recipe:
        recipe = applied(GENERATING[self.model](self.shapes_, **self.options), self.techniques)
        return averaged(recipe, self.training.average)

    def _parts(self, recipe: Recipe, query: AnnData, seed: int) -> Iterator[tuple[Tensor, Networks, Batch]]:
        """Some hundreds of rows at a time: which, and a seed's networks and minibatch."""
        entries, n = self._entries(from_anndata(query, "query")), query.n_obs
        networks = self._alone(recipe, seed)
        noise = self._noise(recipe, n, [seed], "sample")
        for rows in torch.arange(n).split(ROWS):
            batch = {name: decoded(x[None, rows]).to(self.device_) for name, x in entries.items()}
            batch |= {name: x[:, rows].to(self.device_) for name, x in noise.items()}
            yield rows, networks, batch

    def _alone(self, recipe: Recipe, seed: int) -> Networks:
        """A seed's networks, normalising by the statistics of a fixed minibatch.

        That is of fixed noise, as many of each class, and blank images: no generator that sees one normalises.
        """
        company = {"x": torch.zeros(1, ROWS, *self.shapes_["x"]), **self._noise(recipe, ROWS, [seed], "company")}
        if self.classes_:
            company["label"] = (torch.arange(ROWS) % len(self.classes_))[None]
        company = {name: x.to(self.device_) for name, x in company.items()}
        return standing(self.networks_, self.seeds.index(seed), recipe.sample, company)

    def _blank(self) -> dict[str, Replicated]:
        """Untrained networks of every seed."""
        builders = means(self._recipe().networks)
        return {role: Replicated(build, [0] * len(self.seeds)).to(self.device_) for role, build in builders.items()}

    def _entries(self, domain: Domain) -> dict[str, Tensor]:
        """A domain as the entries of a minibatch, ``(n, ...)``: samples in the networks' units, class numbers."""
        entries = {"x": self.scaling_.scaled(domain.values) if domain.features else domain.values}
        if not self.classes_:
            return entries
        unknown = sorted(set(domain.labels or ("",)) - set(self.classes_))
        if unknown:
            raise InputError(f"class '{unknown[0]}' is not in the training set; there are {', '.join(self.classes_)}")
        return entries | {"label": torch.tensor([self.classes_.index(word) for word in domain.labels])}

    def _noise(self, recipe: Recipe, n: int, seeds: Sequence[int], what: str) -> dict[str, Tensor]:
        """All noise of the recipe for ``n`` samples, ``(len(seeds), n, ...)``; each entry has generators of its own."""
        return {
            name: noise_of(spec, n, [role_seed(seed, f"{what}.{name}") for seed in seeds])
            for name, spec in recipe.noise.items()
        }

    def _look(
        self, recipe: Recipe, samples: Mapping[str, Tensor], seeds: Sequence[int], rng_seeds: Sequence[int], show: Show
    ) -> Callable[[int, Networks], Terms]:
        """What to see of networks in training: samples of fixed noise, shown, and their diversity."""
        n = min(LOOKED_AT, len(samples["x"]))
        rows = np.random.default_rng(0).permutation(len(samples["x"]))[:n]
        some = {name: decoded(x[rows]).to(self.device_) for name, x in samples.items()}
        noise = self._noise(recipe, n, rng_seeds, "look")
        batch: Batch = {name: x.expand(len(seeds), *x.shape) for name, x in some.items()}
        batch |= {name: x.to(self.device_) for name, x in noise.items()}

        @torch.no_grad()
        def look(step: int, networks: Networks) -> Terms:
            made = recipe.sample(networks, batch).float()
            show(step, seeds, np.stack([to_array(self.scaling_.unscaled(x.cpu()), self.shapes_["x"]) for x in made]))
            return {DIVERSITY: diversity(made, some["x"])}

        return look
