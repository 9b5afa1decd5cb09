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
from magan.config import Training, arm_of
from magan.correspondences import CORRESPONDENCES
from magan.cytometry.arcsinh import cofactors
from magan.domains.balance_populations import balanced
from magan.domains.calibration_split import split_calibration
from magan.domains.domain import Domain, decoded, from_anndata, to_array
from magan.domains.minibatches import batches, of_folds, placed
from magan.domains.scaling import SCALINGS, Scaling, from_tensors, scalings
from magan.domains.scaling import tensors as scaling_tensors
from magan.domains.shared_markers import Shared, shared
from magan.errors import InputError
from magan.models import ALIGNING
from magan.networks.replicate import Replicated
from magan.recipe import Networks, Recipe, Terms
from magan.techniques import applied
from magan.training import checkpoint
from magan.training.device import best_device
from magan.training.diagnostics import DIVERSITY, diversity
from magan.training.fit import fit, nonfinite_replicates
from magan.training.resume import NoCheckpoint, Resume
from magan.training.retry import every_seed
from magan.training.weight_average import averaged, means
from magan.uncertainty import conformal, local_regression

PREDICTIONS = ("sample", "expected")
SOURCE, ROLE = {"x2": "x1", "x1": "x2"}, {"x2": "generator_12", "x1": "generator_21"}  # of a map to a domain
ROWS = 4096  # samples mapped at a time; bounds memory, changes nothing
LOOKED_AT = 64  # images mapped at every record
Record = Callable[[int, Sequence[int], Mapping[str, Tensor]], None]  # step, seeds, name -> (len(seeds),)
Show = Callable[[int, Sequence[int], np.ndarray, np.ndarray], None]  # step, seeds, images (n, M), maps (S, n, M)


class Aligner:
    """Learns the maps between two domains, one pair of maps per seed.

    Parameters
    ----------
    model
        A key of ``magan.models.ALIGNING``.
    correspondence, correspondence_options
        A key of ``magan.correspondence.CORRESPONDENCES`` and its options.
    options
        Keyword arguments of the model.
    techniques
        Changes to its recipe: keys of ``magan.techniques.TECHNIQUES`` and their options.
    training
        Steps, minibatch size and, where it is not to be the paper's, the optimiser.
    seeds
        One pair of maps is trained for each; they share nothing but the data.
    scale
        How markers are standardised: a key of ``magan.domains.scaling.SCALINGS``.
    balance
        Train on cells drawn so that every population has the same share of both
        domains, see `magan.domains.balance_populations.balanced`.
    predict
        What `map` gives: "sample", or "expected", which hides the markers that
        the other domain lacks. After training with ``rebuild`` the first draws
        from the right distribution and the second is the conditional mean.
    calibrate
        Share of each domain's samples (at most 10,000 of them) that is kept
        apart from training, to tell how far a prediction may be off: `map` then
        also gives a draw and an interval, see `magan.uncertainty.conformal`.
    neighbours
        Let the most similar training cells of the other domain have a share in
        what is "expected", the share that suits the samples kept apart best, see
        `magan.uncertainty.local_regression`. Needs ``calibrate``; the model then holds cells.
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
        techniques: Mapping[str, Mapping[str, Any]] | None = None,
        training: Training | None = None,
        seeds: Sequence[int] = (0,),
        scale: str = "pooled",
        balance: bool = False,
        predict: str = "sample",
        calibrate: float = 0.0,
        neighbours: bool = False,
        device: str = "auto",
    ):
        self.model = model
        self.correspondence = correspondence
        self.correspondence_options = dict(correspondence_options or {})
        self.options = dict(options or {})
        self.techniques = {name: dict(own) for name, own in (techniques or {}).items()}
        self.training = training or Training()
        self.seeds = tuple(seeds)
        self.scale = scale
        self.balance = balance
        self.predict = predict
        self.calibrate = calibrate
        self.neighbours = neighbours
        self.device = device

    @classmethod
    def from_preset(cls, name: str, *, seeds: Sequence[int] = (0,), device: str = "auto", **changes: Any) -> "Aligner":
        """Return the untrained aligner of a preset, a key of ``magan.presets.PRESETS``.

        ``changes`` are keys of an arm, as in a study: ``size="medium"``, ``options={"width": 16}``.

        Raises
        ------
        InputError
            The preset is unknown, or a change is no key or no value of an arm.
        """
        arm = arm_of({"preset": name, **changes})
        settings = {field: getattr(arm, field) for field in ("scale", "balance", "predict", "calibrate", "neighbours")}
        return cls(
            arm.model,
            correspondence=arm.correspondence.name,
            correspondence_options=arm.correspondence.options,
            options=arm.options,
            techniques=arm.techniques,
            training=arm.training,
            seeds=seeds,
            device=device,
            **settings,
        )

    def fit(
        self,
        x1: AnnData | Sequence[AnnData],
        x2: AnnData | Sequence[AnnData],
        *,
        names: Sequence[str] = (),
        record: Record = lambda step, seeds, terms: None,
        show: Show = lambda step, seeds, images, maps: None,
        every: int = 100,
        resume: Callable[[str], Resume | NoCheckpoint] = lambda name: NoCheckpoint(),
    ) -> "Aligner":
        """Train every seed.

        Two lists of equal length are folds: pairs of domains of one shape,
        trained apart but in the same batched network. ``names`` of the folds
        (their batches, say) are saved with the model; without any they are
        "0", "1", ... ``record`` gets the loss terms, means over folds, every
        ``every`` steps; of images also how diverse their maps are
        (`magan.training.diagnostics.diversity`), while ``show`` gets some images of
        the first fold's domain 1 and their maps. ``resume`` gives the file, by
        the name of a group of seeds, from which an interrupted training goes on.

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
        raw, apart = split_calibration(raw, self.calibrate, conformal.LEAST) if self.calibrate else (raw, [])
        raw = [_balanced(a, b) if self.balance else (a, b) for a, b in raw]
        self._check(raw)
        self.shapes_ = {"x1": raw[0][0].shape, "x2": raw[0][1].shape}
        self.features_ = {"x1": [list(a.features) for a, _ in raw], "x2": [list(b.features) for _, b in raw]}
        self.names_ = [str(name) for name in names or range(len(raw))]
        self.cofactors_ = {"x1": [cofactors(a) for a in first], "x2": [cofactors(b) for b in second]}
        self.reference_ = _batch(second)
        units = [scalings(self.scale, a, b) for a, b in raw]
        self.scalings_ = {
            "x1": [one for one, _ in units],
            "x2": [two for _, two in units],
        }
        self.device_ = best_device(self.device)
        folds = [
            (self._resident(a, self.scalings_["x1"][f]), self._resident(b, self.scalings_["x2"][f]))
            for f, (a, b) in enumerate(raw)
        ]
        self.generators_ = self._blank(len(folds))
        self._check_ways()

        def attempt(seeds: Sequence[int], rng_seeds: Sequence[int], time: str) -> list[int]:
            kept = resume(f"{time}_{seeds[0]}_{seeds[-1]}")
            return self._attempt(folds, seeds, rng_seeds, record, show, every, kept)

        self.status_ = every_seed(attempt, self.seeds, max(1, self.training.at_once // len(folds)))
        self.neighbours_ = {"x1": [None] * len(raw), "x2": [None] * len(raw)}
        self.calibrations_ = {"x1": [None] * len(raw), "x2": [None] * len(raw)}
        if self.good_seeds_:
            for f, (trained, kept) in enumerate(zip(raw, apart)):
                for to, own, held in zip(("x1", "x2"), trained, kept):
                    self._calibrate(own, held, to, f)
        return self

    def map(self, x: AnnData, to: str = "x2", fold: int = 0) -> AnnData:
        """Samples of one domain as the other domain would have measured them.

        Returns
        -------
        AnnData
            The rows of ``x`` by the features of domain ``to``;
            ``layers["seed_<s>"]`` for every seed that did not fail, in arcsinh
            units (or pixels in [0, 1]), and their mean, ``layers["consensus"]``.
            Of a calibrated aligner also ``layers["sampled"]``, a draw,
            ``layers["spread"]``, its standard deviation, and ``layers["low"]`` and
            ``layers["high"]``, which hold the value of a cell with probability 0.9.
        """
        domain = from_anndata(x, SOURCE[to])
        return self._anndata(x, self.map_values(self._columns(domain, SOURCE[to], fold), to, fold), to, fold)

    def map_values(self, values: Tensor, to: str = "x2", fold: int = 0) -> dict[str, np.ndarray]:
        """The layers of `map`, of samples ``(n, *shape)`` whose columns are the features of the fold, in order.

        A sample's map does not depend on the others, so samples may come a few at a time.
        """
        self._ways_to(to)
        scaled = self.scalings_[SOURCE[to]][fold].scaled(values)
        if not self.good_seeds_:
            return {}
        # Samples kept apart are known by their shared markers alone, so they judge what is expected of these.
        expected = self._expected(scaled, to, fold) if self.predict == "expected" or self.calibrate else None
        if self.predict == "expected":
            layers = self._layers(expected)
        else:
            layers = self._layers(self._measured(self._mapped(scaled, ROLE[to], fold), to, fold))
        if self.calibrate:
            layers |= self._uncertainty(values.numpy(), expected, to, fold)
        return layers

    def monotone(self, values: Tensor, to: str = "x2", fold: int = 0) -> np.ndarray:
        """Each marker carried over by the two domains' scalings alone, without a network.

        Columns of ``values`` and of what is returned are the source's features,
        ``(n, M1) -> (n, M1)`` in arcsinh units; nan where the other domain lacks one.
        """
        own, other = self.features_[SOURCE[to]][fold], self.features_[to][fold]
        both = shared(own, other)
        units = torch.zeros(len(values), len(other))
        units[:, both.target] = self.scalings_[SOURCE[to]][fold].scaled(values)[:, both.source]
        carried = np.full(values.shape, np.nan, np.float32)
        carried[:, both.source] = self.scalings_[to][fold].unscaled(units).numpy()[:, both.target]
        return carried

    def cycle(self, x: AnnData, fold: int = 0) -> AnnData:
        """Samples of domain 1 mapped to domain 2 and back; layers as in `map`."""
        self._ways_to("x1")
        scaled = self.scalings_["x1"][fold].scaled(self._columns(from_anndata(x, "x1"), "x1", fold))
        back = self._mapped(self._mapped(scaled, ROLE["x2"], fold), ROLE["x1"], fold)
        return self._anndata(x, self._layers(self._measured(back, "x1", fold)), "x1", fold)

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return [s for s in self.seeds if self.status_[s][0] != "failed"]

    @property
    def layers_(self) -> list[str]:
        """Layers of `map`: the consensus and every seed that did not fail; [] where all failed."""
        return [keys.CONSENSUS, *(f"{keys.SEED}_{seed}" for seed in self.good_seeds_)] if self.good_seeds_ else []

    @property
    def two_way_(self) -> bool:
        """Whether domain 2 is mapped to domain 1 too."""
        return ROLE["x1"] in self.generators_

    @property
    def uninformed_loss_(self) -> dict[str, float]:
        """What a discriminator that knows nothing pays, term by term, where the game says."""
        return {term: value for term, value in self._recipe().uninformed_loss.items() if value is not None}

    def save(self, path: str | Path) -> None:
        """Write the maps of all seeds and folds, without code, to a safetensors file."""
        tensors = {role: network.state() for role, network in self.generators_.items()}
        for domain, units in self.scalings_.items():
            tensors |= {f"{domain}.{f}": scaling_tensors(one) for f, one in enumerate(units)}
        for domain, calibrations in self.calibrations_.items():
            both = {"calibration": calibrations, "neighbours": self.neighbours_[domain]}
            for name, some in both.items():
                tensors |= {f"{name}.{domain}.{f}": _tensors(one) for f, one in enumerate(some) if one}
        about = {
            "aligner": {
                "model": self.model,
                "correspondence": self.correspondence,
                "correspondence_options": self.correspondence_options,
                "options": self.options,
                "techniques": self.techniques,
                "training": self.training.model_dump(),
                "seeds": self.seeds,
                "scale": self.scale,
                "balance": self.balance,
                "predict": self.predict,
                "calibrate": self.calibrate,
                "neighbours": self.neighbours,
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
            The file is missing or damaged, `save` did not write it, or a weight is not finite.
        """
        about, tensors = checkpoint.load(path, kind="aligner")
        with checkpoint.described_by(path):
            return cls._of_file(path, about, tensors, device)

    @classmethod
    def _of_file(cls, path: str | Path, about: Mapping[str, Any], tensors: checkpoint.Tensors, device: str):
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
        self.calibrations_, self.neighbours_ = (
            {
                domain: [_arrays(kind, tensors.get(f"{name}.{domain}.{f}")) for f in range(n_folds)]
                for domain in ("x1", "x2")
            }
            for name, kind in (("calibration", conformal.Calibration), ("neighbours", local_regression.Neighbours))
        )
        self.device_ = best_device(device)
        self.generators_ = self._blank(n_folds)
        for role, network in self.generators_.items():
            network.put(range(n_folds * len(self.seeds)), tensors[role])
        good = [f * len(self.seeds) + self.seeds.index(s) for f in range(n_folds) for s in self.good_seeds_]
        checkpoint.finite(path, {role: network.select(good).state() for role, network in self.generators_.items()})
        checkpoint.finite(path, {group: own for group, own in tensors.items() if group not in self.generators_})
        return self

    def _check(self, folds: Sequence[tuple[Domain, Domain]]) -> None:
        for what, known in (
            ("model", ALIGNING),
            ("correspondence", CORRESPONDENCES),
            ("scale", SCALINGS),
            ("predict", PREDICTIONS),
        ):
            if getattr(self, what) not in known:
                raise InputError(f"{what} '{getattr(self, what)}' is unknown; there are {', '.join(known)}")
        if self.neighbours and not self.calibrate:
            raise InputError("neighbours: true needs cells that tell their share; set calibrate: 0.1")
        if len({(a.shape, b.shape) for a, b in folds}) > 1:
            raise InputError(f"folds have different shapes, {[(a.shape, b.shape) for a, b in folds]}; fit them apart")
        for domain in (d for pair in folds for d in pair):
            if len(domain) < self.training.batch_size:
                raise InputError(
                    f"domain '{domain.name}' has {len(domain)} samples, fewer than a minibatch of "
                    f"{self.training.batch_size}; lower training.batch_size"
                )

    def _recipe(self, loss: Any = None) -> Recipe:
        try:
            recipe = applied(ALIGNING[self.model](self.shapes_, correspondence=loss, **self.options), self.techniques)
            return averaged(recipe, self.training.average)
        except ValueError as error:
            raise InputError(f"model '{self.model}': {error}") from None

    def _check_ways(self) -> None:
        """A model that maps one way learns from pairs alone, and cannot tell how far off the other way would be."""
        if self.two_way_:
            return
        if self.correspondence != "pairs":
            raise InputError(
                f"model '{self.model}' learns from known pairs alone, not from '{self.correspondence}'; "
                "set correspondence: pairs"
            )
        if self.calibrate:
            raise InputError(f"calibrate needs maps both ways and '{self.model}' has one; leave it out")

    def _ways_to(self, to: str) -> None:
        if ROLE[to] not in self.generators_:
            raise InputError(f"model '{self.model}' maps from {to} to {SOURCE[to]} alone; map to {SOURCE[to]}")

    def _blank(self, n_folds: int) -> dict[str, Replicated]:
        """Untrained generators, fold by fold and within a fold seed by seed."""
        builders = self._recipe().networks
        return {
            role: Replicated(builders[role], [0] * (n_folds * len(self.seeds))).to(self.device_).eval()
            for role in ROLE.values()
            if role in builders
        }

    def _attempt(
        self,
        folds: Sequence[tuple[Domain, Domain]],
        seeds: Sequence[int],
        rng_seeds: Sequence[int],
        record: Record,
        show: Show,
        every: int,
        resume: Resume | NoCheckpoint,
    ) -> list[int]:
        """One batched training; stores the generators and returns the seeds that broke in any fold."""
        n_folds, n_seeds = len(folds), len(seeds)
        of_fold = [f for f in range(n_folds) for _ in seeds]
        replicate_seeds = list(rng_seeds) * n_folds
        x1, x2 = [folds[f][0] for f in of_fold], [folds[f][1] for f in of_fold]
        kept = CORRESPONDENCES[self.correspondence](x1, x2, replicate_seeds, **self.correspondence_options)
        recipe = self._recipe(kept.loss)
        networks = fit(
            recipe,
            batches(
                [
                    of_folds([a for a, _ in folds], of_fold, "1", kept.labels),
                    of_folds([b for _, b in folds], of_fold, "2", kept.labels),
                    *kept.tables,
                ],
                recipe.noise,
                batch_size=self.training.batch_size,
                seeds=replicate_seeds,
                device=self.device_,
            ),
            seeds=replicate_seeds,
            **self.training.of_fit(),
            device=self.device_,
            record=lambda step, terms: record(
                step, seeds, {name: value.reshape(n_folds, n_seeds).mean(0).cpu() for name, value in terms.items()}
            ),
            look=self._look(folds, seeds, show),
            every=every,
            resume=resume,
        )
        trained = means(networks)
        places = [f * len(self.seeds) + self.seeds.index(s) for f in range(n_folds) for s in seeds]
        for role, generator in self.generators_.items():
            generator.put(places, trained[role].state())
        bad = nonfinite_replicates(networks).reshape(n_folds, n_seeds).any(0).tolist()
        return [seed for seed, is_bad in zip(seeds, bad) if is_bad]

    def _look(
        self, folds: Sequence[tuple[Domain, Domain]], seeds: Sequence[int], show: Show
    ) -> Callable[[int, Networks], Terms]:
        """What to see of networks in training: maps of some training images, shown, and their diversity."""
        if len(self.shapes_["x1"]) == 1:
            return lambda step, networks: {}
        n = min(LOOKED_AT, *(len(domain) for pair in folds for domain in pair))
        some = {name: [self._some(pair[i], n) for pair in folds] for i, name in enumerate(("x1", "x2"))}

        @torch.no_grad()
        def look(step: int, networks: Networks) -> Terms:
            networks, terms = means(networks), {}
            for to in ("x2", "x1"):
                if ROLE[to] in networks:  # a model may map one way only
                    x = torch.stack([own for own in some[SOURCE[to]] for _ in seeds])
                    made = networks[ROLE[to]].eval()(x).float().split(len(seeds))
                    networks[ROLE[to]].train()
                    apart = [diversity(maps, real) for maps, real in zip(made, some[to])]
                    terms[f"{DIVERSITY}_{ROLE[to][-2:]}"] = torch.cat(apart)
                    if to == "x2":
                        images = self._measured(some["x1"][0][None].cpu(), "x1", 0)[0]
                        show(step, seeds, images, self._measured(made[0].cpu(), "x2", 0))
            return terms

        return look

    def _some(self, domain: Domain, n: int) -> Tensor:
        """Evenly spread samples, so that all classes are among them, ``(n, *shape)``."""
        return decoded(domain.values[torch.linspace(0, len(domain) - 1, n).long()]).to(self.device_)

    def _resident(self, domain: Domain, units: Scaling) -> Domain:
        """A training domain in the networks' units, images as they are, on the device that trains if it fits there."""
        values = units.trained(domain.values) if domain.features else domain.values
        return replace(domain, values=placed(values, self.device_))

    def _columns(self, domain: Domain, name: str, fold: int) -> Tensor:
        """Samples with the columns that the networks of a fold know, in their order."""
        values = decoded(domain.values)
        if domain.features:
            wanted = self.features_[name][fold]
            missing = [m for m in wanted if m not in domain.features]
            if missing:
                raise InputError(f"marker '{missing[0]}' of the trained panel is missing; give the markers {wanted}")
            values = values[:, [domain.features.index(m) for m in wanted]]
        return values

    def _shared(self, to: str, fold: int) -> Shared:
        """The markers of both domains that tie them: all that a map knows in the end of a cell of its target."""
        free = self.correspondence_options.get("without", ())
        return shared(self.features_[SOURCE[to]][fold], self.features_[to][fold], free)

    def _expected(self, scaled: Tensor, to: str, fold: int) -> np.ndarray:
        """What every good seed, and the neighbours, predict from the markers of both domains, ``(S, n, M)``."""
        both, near = self._shared(to, fold), self.neighbours_[to][fold]
        maps = self._measured(self._mapped(both.hidden(scaled), ROLE[to], fold), to, fold)
        return maps if near is None else local_regression.blended(maps, near, scaled[:, both.source].numpy())

    def _calibrate(self, trained: Domain, apart: Domain, to: str, fold: int) -> None:
        """Find the neighbours' share, then set predictions of samples kept apart beside what they are."""
        both, units = self._shared(to, fold), self.scalings_[to][fold]
        if not both.source:
            raise InputError("calibrate needs markers that both domains measure; leave it out")
        scaled = both.as_source(units.scaled(apart.values))
        if self.neighbours:
            rows = np.random.default_rng(0).permutation(len(trained))[: local_regression.MOST]
            seen = units.scaled(trained.values[rows])[:, both.target].numpy()
            measured = trained.values[rows].numpy()
            local = local_regression.local_line(seen, measured, scaled[:, both.source].numpy())
            share = local_regression.share(self._expected(scaled, to, fold).mean(0), local, apart.values.numpy())
            self.neighbours_[to][fold] = local_regression.Neighbours(seen, measured, share.astype(np.float32))
        expected = self._expected(scaled, to, fold).mean(0, dtype=np.float32)
        self.calibrations_[to][fold] = conformal.Calibration(expected, apart.values.numpy())

    def _uncertainty(self, values: np.ndarray, expected: np.ndarray, to: str, fold: int) -> dict[str, np.ndarray]:
        """What the samples kept apart say of maps ``(S, n, M)`` from the shared markers alone."""
        calibration, mean = self.calibrations_[to][fold], expected.mean(0, dtype=np.float32)
        low, high = conformal.bounds(calibration, mean)
        return {
            keys.SAMPLED: conformal.draws(calibration, mean, values),
            keys.SPREAD: np.sqrt(conformal.spread(calibration, mean) ** 2 + expected.var(axis=0)),
            keys.LOW: low,
            keys.HIGH: high,
        }

    @torch.no_grad()
    def _mapped(self, values: Tensor, role: str, fold: int) -> Tensor:
        """``(n, *shape)`` or ``(S, n, *shape)`` through the generators of the good seeds: ``(S, n, *target)``."""
        rows = [fold * len(self.seeds) + self.seeds.index(s) for s in self.good_seeds_]
        if not rows:
            return torch.empty(0)
        to = "x2" if role == "generator_12" else "x1"
        if values.dim() == len(self.shapes_[SOURCE[to]]) + 1:
            values = values.expand(len(rows), *values.shape)
        mapped = torch.empty(len(rows), values.shape[1], *self.shapes_[to])
        for s, row in enumerate(rows):  # one after another: a few samples of one seed fit into a processor's cache
            generator = self.generators_[role].select([row])
            for start in range(0, values.shape[1], ROWS):
                part = values[s : s + 1, start : start + ROWS]
                mapped[s, start : start + ROWS] = generator(part.to(self.device_))[0].cpu()
        return mapped

    def _measured(self, mapped: Tensor, to: str, fold: int) -> np.ndarray:
        """Maps in the networks' units, ``(S, n, *shape)``, as the domain's own measurements, ``(S, n, M)``."""
        units, shape = self.scalings_[to][fold], self.shapes_[to]
        return np.stack([to_array(units.unscaled(values), shape) for values in mapped]) if len(mapped) else np.empty(0)

    def _layers(self, maps: np.ndarray) -> dict[str, np.ndarray]:
        """Every good seed's map, ``(S, n, M)``, and their mean."""
        layers = {f"{keys.SEED}_{seed}": values for seed, values in zip(self.good_seeds_, maps)}
        if layers:
            layers[keys.CONSENSUS] = np.mean(list(layers.values()), axis=0, dtype=np.float32)
        return layers

    def _anndata(self, x: AnnData, layers: dict[str, np.ndarray], to: str, fold: int) -> AnnData:
        names = self.features_[to][fold] or [str(i) for i in range(int(np.prod(self.shapes_[to])))]
        values = layers.get(keys.CONSENSUS, np.full((x.n_obs, len(names)), np.nan, np.float32))
        whole = AnnData(values, obs=x.obs.copy(), layers=layers)
        whole.var_names = names
        return whole


def _tensors(one: conformal.Calibration | local_regression.Neighbours) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in vars(one).items()}


def _arrays(kind: type, tensors: Mapping[str, Tensor] | None) -> Any:
    return kind(**{name: x.numpy() for name, x in tensors.items()}) if tensors else None


def _balanced(x1: Domain, x2: Domain) -> tuple[Domain, Domain]:
    rows_1, rows_2 = balanced(x1, x2)
    return x1.take(rows_1), x2.take(rows_2)


def _batch(domains: Sequence[AnnData]) -> str:
    """The one batch that all cells are of, or ""."""
    batches = {name for x in domains if keys.BATCH in x.obs for name in x.obs[keys.BATCH].astype(str).unique()}
    return batches.pop() if len(batches) == 1 else ""
