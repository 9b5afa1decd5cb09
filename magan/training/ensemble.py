"""Train one recipe for every seed in every fold, and hold the trained networks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from magan.networks.replicate import Replicated
from magan.recipe import Batch, Recipe
from magan.training.fit import Look, Optimisation, Watch, fit, no_look, nonfinite_replicates
from magan.training.resume import NoCheckpoint, Resume
from magan.training.retry import Status, every_seed
from magan.training.weight_average import means

Record = Callable[[int, Sequence[int], Mapping[str, Tensor]], None]  # step, seeds, term -> (len(seeds),)


@dataclass(frozen=True)
class Group:
    """Seeds that are trained together in every fold, as the replicates of one batched network.

    Replicate ``f * len(seeds) + s`` belongs to fold f and to the s-th seed.
    """

    seeds: tuple[int, ...]
    rng_seeds: tuple[int, ...]  # the seed that the random numbers of each come from
    n_folds: int
    attempt: str  # "first" or "again"

    @property
    def name(self) -> str:
        """The name of the group's file, from which an interrupted training resumes."""
        return f"{self.attempt}_{self.seeds[0]}_{self.seeds[-1]}"

    @property
    def folds(self) -> list[int]:
        """The fold of each replicate."""
        return [fold for fold in range(self.n_folds) for _ in self.seeds]

    @property
    def replicate_seeds(self) -> list[int]:
        """The seed of each replicate's random numbers."""
        return list(self.rng_seeds) * self.n_folds


@dataclass(frozen=True)
class Inputs:
    """The inputs of one group's training."""

    recipe: Recipe
    batches: Iterator[Batch]  # entries (R, B, ...)
    look: Look = no_look  # further terms of the networks at a recorded step


@dataclass(frozen=True)
class Schedule:
    """How long every group is trained, and who records it."""

    steps: int
    optimisation: Optimisation
    at_once: int = 100  # replicates in one batched network; bounds memory, changes no result
    every: int = 100  # steps between two records
    record: Record = lambda step, seeds, terms: None  # the mean of each term over the folds
    resume: Callable[[str], Resume | NoCheckpoint] = lambda name: NoCheckpoint()  # by the name of a group


class Ensemble:
    """Networks of every fold and seed, fold by fold and within a fold seed by seed.

    Parameters
    ----------
    builders
        Role -> function that makes one network. These roles are kept after training.
    seeds
        A network is trained for each seed in each fold.
    n_folds
        Number of folds; all have one shape.
    device
        Where the networks are trained.

    Attributes
    ----------
    networks
        Role -> the networks of all folds and seeds; a running mean of weights replaces the weights that it averages.
    status
        Seed -> ("ok", "retried" or "failed", detail).
    """

    def __init__(
        self, builders: Mapping[str, Callable[[], nn.Module]], seeds: Sequence[int], n_folds: int, device: str
    ):
        self.seeds, self.n_folds, self.device = tuple(seeds), n_folds, device
        n_replicates = n_folds * len(self.seeds)
        self.networks = {role: Replicated(build, [0] * n_replicates).to(device) for role, build in builders.items()}
        self.status: Status = {}

    @property
    def good_seeds(self) -> list[int]:
        """Seeds that did not fail, in order."""
        return [seed for seed in self.seeds if self.status[seed][0] != "failed"]

    def replicates(self, seeds: Sequence[int], fold: int) -> list[int]:
        """Positions of the networks of ``seeds`` in one fold."""
        return [fold * len(self.seeds) + self.seeds.index(seed) for seed in seeds]

    def train(self, inputs: Callable[[Group], Inputs], schedule: Schedule) -> None:
        """Train every seed, and once more each seed whose weights are not finite in some fold."""

        def attempt(seeds: Sequence[int], rng_seeds: Sequence[int], name: str) -> list[int]:
            return self._train(Group(tuple(seeds), tuple(rng_seeds), self.n_folds, name), inputs, schedule)

        self.status = every_seed(attempt, self.seeds, max(1, schedule.at_once // self.n_folds))

    def restore(self, weights: Mapping[str, dict[str, Tensor]], status: Status) -> None:
        """Take weights (role -> name -> values) and status from a file."""
        self.status = status
        for role, network in self.networks.items():
            network.put(range(self.n_folds * len(self.seeds)), weights[role])

    def _train(self, group: Group, inputs: Callable[[Group], Inputs], schedule: Schedule) -> list[int]:
        """Train one group, store its networks, and return the seeds whose weights are not finite in some fold."""
        shape = self.n_folds, len(group.seeds)
        given = inputs(group)

        def record(step: int, terms: Mapping[str, Tensor]) -> None:
            schedule.record(step, group.seeds, {name: x.reshape(shape).mean(0).cpu() for name, x in terms.items()})

        networks = fit(
            given.recipe,
            given.batches,
            seeds=group.replicate_seeds,
            steps=schedule.steps,
            optimisation=schedule.optimisation,
            device=self.device,
            watch=Watch(record, given.look, schedule.every),
            resume=schedule.resume(group.name),
        )
        trained = means(networks)
        rows = [row for fold in range(self.n_folds) for row in self.replicates(group.seeds, fold)]
        for role, network in self.networks.items():
            network.put(rows, trained[role].state())
        broken = nonfinite_replicates(networks).reshape(shape).any(0).tolist()
        return [seed for seed, is_broken in zip(group.seeds, broken) if is_broken]
