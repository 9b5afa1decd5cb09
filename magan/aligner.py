"""AnnData in, AnnData out: train any model on two domains, all seeds at once, and map cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData

from magan import aligner_file
from magan.aligner_file import AlignerFile
from magan.config import Arm, Training, arm_of
from magan.correspondences import CORRESPONDENCES
from magan.cytometry.arcsinh import cofactors
from magan.domains.balance_populations import balanced_domains
from magan.domains.calibration_split import split_calibration
from magan.domains.domain import batch_of, from_anndata, lists_of_folds
from magan.domains.minibatches import batches, check_folds, of_folds, resident
from magan.domains.scaling import SCALINGS, scalings
from magan.errors import InputError
from magan.estimator import Estimator
from magan.maps import AUTO, ROLE, SOURCE, Maps, Pair, Show, chosen_scale, empty, no_pictures
from magan.models import ALIGNING
from magan.networks.replicate import Replicated
from magan.recipe import CorrespondenceLoss, Recipe
from magan.techniques import applied
from magan.training import checkpoint
from magan.training.device import best_device
from magan.training.diagnostics import uninformed_losses
from magan.training.ensemble import Ensemble, Group, Inputs, Record, Schedule
from magan.training.fit import Optimisation
from magan.training.resume import NoCheckpoint, Resume
from magan.training.retry import Status
from magan.training.weight_average import averaged
from magan.uncertainty import conformal

PREDICTIONS = ("sample", "expected")
KNOWN = {"model": ALIGNING, "correspondence": CORRESPONDENCES, "scale": (*SCALINGS, AUTO), "predict": PREDICTIONS}


@dataclass(eq=False)
class Aligner(Estimator):
    """Learn the maps between two domains, one pair of maps per seed.

    Parameters
    ----------
    model
        A key of ``magan.models.ALIGNING``.
    correspondence, correspondence_options
        A key of ``magan.correspondences.CORRESPONDENCES`` and its options.
    options
        Keyword arguments of the model.
    techniques
        Changes to its recipe: keys of ``magan.techniques.TECHNIQUES`` and their options.
    training
        Steps, minibatch size and, where it differs from the paper's, the optimiser.
    seeds
        A pair of maps is trained for each seed; the pairs share nothing but the data.
    scale
        How markers are standardised: a key of ``magan.domains.scaling.SCALINGS``, or "auto" (`maps.chosen_scale`).
    balance
        Train on cells drawn so that every population has the same share of both domains, see
        `magan.domains.balance_populations.balanced`.
    predict
        What `map` returns: "sample", or "expected", which hides the markers that the target domain lacks. After
        training with ``rebuild``, "sample" draws from the right distribution and "expected" is the conditional mean.
    calibrate
        Share of each domain's samples (at most 10,000 of them) that is held out from training to calibrate intervals.
        `map` then also returns a draw and an interval, see `magan.uncertainty.conformal`.
    stack
        Weigh "expected" with regressors, see `magan.regressors.stack`. Needs ``calibrate``; the file then holds cells.
    calibrated_to
        The domains whose maps are calibrated and stacked; each takes time.
    device
        "auto" takes a GPU if there is one.

    Attributes
    ----------
    ensemble_ : magan.training.ensemble.Ensemble
        The generators of every fold and seed.
    names_ : list
        Of the folds.
    features_, cofactors_ : dict
        "x1" and "x2" -> fold by fold, the markers, and marker -> cofactor or "none" ({} without ``uns["cytof"]``).
    reference_ : str
        The batch that domain 2 is, "" where it has no batch or several.
    """

    model: str = "magan"
    _: KW_ONLY
    correspondence: str = "shared_markers"
    correspondence_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    techniques: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    seeds: Sequence[int] = (0,)
    scale: str = "pooled"
    balance: bool = False
    predict: str = "sample"
    calibrate: float = 0.0
    stack: bool = False
    calibrated_to: Sequence[str] = ("x1", "x2")
    device: str = "auto"

    def __post_init__(self):
        self.correspondence_options, self.options = dict(self.correspondence_options), dict(self.options)
        self.techniques = {name: dict(options) for name, options in self.techniques.items()}
        self.seeds = tuple(self.seeds)

    @classmethod
    def of_arm(cls, arm: Arm, training: Training, seeds: Sequence[int], device: str = "auto") -> "Aligner":
        """The untrained aligner that an arm of a study describes."""
        names = ("options", "techniques", "scale", "balance", "predict", "calibrate", "stack")
        settings = {name: getattr(arm, name) for name in names}
        settings |= {"correspondence": arm.correspondence.name, "correspondence_options": arm.correspondence.options}
        return cls(arm.model, training=training, seeds=seeds, device=device, **settings)

    @classmethod
    def from_preset(cls, name: str, *, seeds: Sequence[int] = (0,), device: str = "auto", **changes: Any) -> "Aligner":
        """The untrained aligner of a preset, a key of ``magan.presets.PRESETS``.

        ``changes`` are keys of an arm, as in a study: ``size="medium"``, ``options={"width": 16}``.

        Raises
        ------
        InputError
            The preset is unknown, or a change is no key or no value of an arm.
        """
        arm = arm_of({"preset": name, **changes})
        return cls.of_arm(arm, arm.training or Training(), seeds, device)

    def fit(
        self,
        x1: AnnData | Sequence[AnnData],
        x2: AnnData | Sequence[AnnData],
        *,
        names: Sequence[str] = (),
        record: Record = lambda step, seeds, terms: None,
        show: Show = no_pictures,
        every: int = 100,
        resume: Callable[[str], Resume | NoCheckpoint] = lambda name: NoCheckpoint(),
    ) -> "Aligner":
        """Train every seed.

        Parameters
        ----------
        x1, x2
            The two domains, or two lists of equal length: folds of one shape, trained separately.
        names
            Of the folds (their batches, say), saved with the model; "0", "1", ... by default.
        record
            Gets the step, the seeds and the loss terms, means over folds. The terms of images include the diversity
            of their maps (`magan.training.diagnostics.diversity`).
        show
            Gets some images of the first fold's domain 1 and their maps.
        every
            Steps between two records.
        resume
            Name of a group of seeds -> the file from which an interrupted training resumes.

        Raises
        ------
        InputError
            An unknown model, correspondence or scale, domains without a shared marker where the correspondence needs
            one, folds of different shapes, a domain smaller than a minibatch, a constant marker.
        """
        first, second = lists_of_folds(x1, x2, names)
        pairs = [(from_anndata(a, "x1"), from_anndata(b, "x2")) for a, b in zip(first, second)]
        held_out: list[Pair] = []
        if self.calibrate:
            pairs, held_out = split_calibration(pairs, self.calibrate, conformal.LEAST)
        pairs = [balanced_domains(a, b) if self.balance else (a, b) for a, b in pairs]
        self._check()
        check_folds(pairs, self.training.batch_size)
        self.names_ = [str(name) for name in names or range(len(pairs))]
        self.cofactors_ = {"x1": [cofactors(a) for a in first], "x2": [cofactors(b) for b in second]}
        self.reference_ = batch_of(second)
        self.shapes_ = {"x1": pairs[0][0].shape, "x2": pairs[0][1].shape}
        self.features_ = {"x1": [list(a.features) for a, _ in pairs], "x2": [list(b.features) for _, b in pairs]}
        units = [scalings(chosen_scale(self.scale, a, b), a, b) for a, b in pairs]
        self.scalings_ = {"x1": [of_x1 for of_x1, _ in units], "x2": [of_x2 for _, of_x2 in units]}
        self.stacks_, self.calibrations_ = empty(len(pairs)), empty(len(pairs))
        self.device_ = best_device(self.device)
        folds = [
            (resident(a, of_x1, self.device_), resident(b, of_x2, self.device_))
            for (a, b), (of_x1, of_x2) in zip(pairs, units)
        ]
        self._untrained()
        self._check_directions()
        optimisation = Optimisation(**self.training.of_fit())
        self.ensemble_.train(
            lambda group: self._inputs(folds, group, show),
            Schedule(self.training.steps, optimisation, self.training.at_once, every, record, resume),
        )
        for f, (trained, excluded) in enumerate(zip(pairs, held_out) if self.good_seeds_ else ()):
            for to, pair, cells in (("x1", (trained[1], trained[0]), excluded[0]), ("x2", trained, excluded[1])):
                if to in self.calibrated_to:
                    self.maps_.calibrate(pair, cells, to, f, self.stack)
        return self

    def map(self, x: AnnData, to: str = "x2", fold: int = 0) -> AnnData:
        """Map samples of a domain to the domain ``to``.

        Returns
        -------
        AnnData
            The rows of ``x`` by the features of domain ``to``; ``layers["seed_<s>"]`` for every seed that did not
            fail, in arcsinh units (or pixels in [0, 1]), and their mean, ``layers["consensus"]``. A calibrated aligner
            adds ``layers["sampled"]``, a draw, ``layers["spread"]``, its standard deviation, and ``layers["low"]`` and
            ``layers["high"]``, which hold the value of a cell with probability 0.9.
        """
        domain = from_anndata(x, SOURCE[to])
        layers = self.map_values(self.maps_.columns(domain, SOURCE[to], fold).numpy(), to, fold)
        return self.maps_.annotated(x, layers, to, fold)

    def map_values(self, values: np.ndarray, to: str = "x2", fold: int = 0) -> dict[str, np.ndarray]:
        """The layers of `map`, of samples ``(n, *shape)`` whose columns are the features of the fold, in order.

        The map of a sample does not depend on other samples, so a caller may map a few samples at a time.
        """
        self._check_direction(to)
        if not self.good_seeds_:
            return {}
        return self.maps_.predicted(torch.from_numpy(values), to, fold, self.predict == "expected")

    def monotone(self, values: np.ndarray, to: str = "x2", fold: int = 0) -> np.ndarray:
        """Map markers by the scalings only, ``(n, M1) -> (n, M1)`` arcsinh units; nan where ``to`` lacks a marker."""
        return self.maps_.monotone(torch.from_numpy(values), to, fold)

    def cycle(self, x: AnnData, fold: int = 0) -> AnnData:
        """Map samples of domain 1 to domain 2 and back; layers as in `map`."""
        self._check_direction("x1")
        maps = self.maps_
        scaled = maps.scaled(maps.columns(from_anndata(x, "x1"), "x1", fold), "x2", fold)
        back = maps.sampled(maps.mapped(scaled, "x2", fold), "x1", fold)
        return maps.annotated(x, maps.layers(back), "x1", fold)

    @property
    def generators_(self) -> dict[str, Replicated]:
        """Role -> the generators of all folds and seeds."""
        return self.ensemble_.networks

    @property
    def status_(self) -> Status:
        """Seed -> ("ok", "retried" or "failed", detail). A seed whose weights turn NaN is trained again."""
        return self.ensemble_.status

    @property
    def good_seeds_(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return self.ensemble_.good_seeds

    @property
    def layers_(self) -> list[str]:
        """Layers of `map`: the consensus and every seed that did not fail; [] where all failed."""
        return self.maps_.layer_names

    @property
    def two_way_(self) -> bool:
        """Whether domain 2 is mapped to domain 1 too."""
        return ROLE["x1"] in self.generators_

    @property
    def uninformed_loss_(self) -> dict[str, float]:
        """Loss term -> its value for a discriminator that knows nothing, where the model defines it."""
        return uninformed_losses(self._recipe())

    def save(self, path: str | Path) -> None:
        """Write the maps of all seeds and folds, without code, to a safetensors file."""
        settings = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "device"}
        settings["training"] = self.training.model_dump()
        weights = {role: network.state() for role, network in self.generators_.items()}
        fitted = {name: getattr(self, f"{name}_") for name in aligner_file.FITTED}
        aligner_file.save(path, AlignerFile(settings=settings, status=self.status_, generators=weights, **fitted))

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> "Aligner":
        """Read the aligner that `save` wrote.

        Raises
        ------
        InputError
            The file is missing or damaged, `save` did not write it, or a weight is not finite.
        """
        with checkpoint.described_by(path):
            file = aligner_file.load(path)
            aligner = cls(**{**file.settings, "training": Training(**file.settings["training"])}, device=device)
            for name in aligner_file.FITTED:
                setattr(aligner, f"{name}_", getattr(file, name))
            aligner.device_ = best_device(device)
            aligner._untrained()
            aligner.ensemble_.restore(file.generators, file.status)
            aligner_file.check_finite(path, file, aligner.ensemble_)
        return aligner

    def _check(self) -> None:
        for setting, known in KNOWN.items():
            if (value := getattr(self, setting)) not in known:
                raise InputError(f"{setting} '{value}' is unknown; there are {', '.join(known)}")
        if self.stack and not self.calibrate:
            raise InputError("stack: true needs held-out cells for its weights; set calibrate: 0.1")

    def _check_directions(self) -> None:
        """Refuse a model that maps in a single direction where it cannot learn, or cannot be calibrated."""
        if self.two_way_:
            return
        if self.correspondence != "pairs":
            raise InputError(
                f"model '{self.model}' learns from known pairs alone, not from '{self.correspondence}'; "
                "set correspondence: pairs"
            )
        if self.calibrate:
            raise InputError(f"calibrate needs maps both ways and '{self.model}' has one; leave it out")

    def _check_direction(self, to: str) -> None:
        if ROLE[to] not in self.generators_:
            raise InputError(f"model '{self.model}' maps from {to} to {SOURCE[to]} alone; map to {SOURCE[to]}")

    def _recipe(self, loss: CorrespondenceLoss | None = None) -> Recipe:
        try:
            recipe = applied(ALIGNING[self.model](self.shapes_, correspondence=loss, **self.options), self.techniques)
            return averaged(recipe, self.training.average)
        except ValueError as error:
            raise InputError(f"model '{self.model}': {error}") from None

    def _untrained(self) -> None:
        """Set untrained generators of every fold and seed, for use and not for training."""
        builders = self._recipe().networks
        roles = {role: builders[role] for role in ROLE.values() if role in builders}
        self.ensemble_ = Ensemble(roles, self.seeds, len(self.names_), self.device_)
        for generator in self.ensemble_.networks.values():
            generator.eval()
        free = self.correspondence_options.get("without", ())
        fitted = self.shapes_, self.features_, self.scalings_, self.stacks_, self.calibrations_
        self.maps_ = Maps(self.ensemble_, *fitted, free)

    def _inputs(self, folds: Sequence[Pair], group: Group, show: Show) -> Inputs:
        """The recipe and the minibatches of a group of seeds."""
        x1, x2 = [folds[f][0] for f in group.folds], [folds[f][1] for f in group.folds]
        seeds = group.replicate_seeds
        terms = CORRESPONDENCES[self.correspondence](x1, x2, seeds, **self.correspondence_options)
        recipe = self._recipe(terms.loss)
        tables = [of_folds([pair[i] for pair in folds], group.folds, "12"[i], terms.labels) for i in (0, 1)]
        shape = {"batch_size": self.training.batch_size, "seeds": seeds, "device": self.device_}
        return Inputs(
            recipe, batches([*tables, *terms.tables], recipe.noise, **shape), self.maps_.look(folds, group.seeds, show)
        )
