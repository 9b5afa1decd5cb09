"""The training loop of every model, every domain and any number of seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Batch, Carry, Networks, Optimiser, Phase, Recipe, Terms
from magan.training.resume import NoCheckpoint, Resumable, Resume
from magan.training.state import State
from magan.training.stepper import Stepper

Look = Callable[[int, Networks], Terms]  # step, networks -> further terms, each (R,)


def no_look(step: int, networks: Networks) -> Terms:
    """No further terms."""
    return {}


@dataclass(frozen=True)
class Optimisation:
    """What a study changes of a recipe's optimisation."""

    learning_rate: float | None = None  # None is the recipe's rate
    betas: tuple[float, float] | None = None  # None is the recipe's betas
    decay: float = 0.0  # share of the steps over which the rate falls linearly, to 0 after the last step
    precision: str = "single"  # or "mixed": losses in bfloat16 where that is safe; weights stay in float32


@dataclass(frozen=True)
class Watch:
    """Who observes a training, every ``every`` steps and after the last step."""

    record: Callable[[int, Terms], None] = lambda step, terms: None  # gets all loss terms, each (R,)
    look: Look = no_look
    every: int = 100


def fit(
    recipe: Recipe,
    batches: Iterator[Batch],
    *,
    seeds: Sequence[int],
    steps: int,
    optimisation: Optimisation = Optimisation(),
    device: str = "cpu",
    watch: Watch = Watch(),
    resume: Resume | NoCheckpoint = NoCheckpoint(),  # noqa: B008, it holds nothing
) -> dict[str, Replicated]:
    """Train one copy of a recipe per seed, all at once.

    Parameters
    ----------
    recipe
        The networks and the phases that train them.
    batches
        Minibatches with entries ``(R, B, ...)``; R is the number of seeds.
    seeds, steps
        A replicate is trained for each seed, for so many steps.
    optimisation
        Changes to the recipe's optimiser, its rate and its precision.
    device
        Where the networks are trained.
    watch
        Gets the loss terms, the numbers that the recipe carries, and the terms of ``watch.look``.
    resume
        The file of an interrupted training. The training continues from there, and records again what was recorded.

    Returns
    -------
    dict
        Role -> the trained networks of all seeds.
    """
    networks = {
        role: Replicated(build, [role_seed(seed, role) for seed in seeds]).to(device)
        for role, build in recipe.networks.items()
    }
    optimisers = {
        phase.name: optimiser_of(phase, networks, overridden(phase.optimiser or recipe.optimiser, optimisation))
        for phase in recipe.phases
    }
    state = State(networks, optimisers, {name: value.to(device) for name, value in recipe.carry.items()})
    position = cast(Resumable, batches)  # read by a `Resume` alone, whose minibatches are a `Batches`
    resume.begin(state, position, device)
    for step, terms in state.recorded:
        watch.record(step, terms)
    for step in range(state.step, steps):
        share = min(1.0, (1 - step / steps) / optimisation.decay) if optimisation.decay else 1
        for optimiser in optimisers.values():
            optimiser.rate = optimiser.settings.learning_rate * share
        terms = take_step(recipe, state, batches, step, device, optimisation.precision)
        if step % watch.every == 0 or step == steps - 1:
            state.recorded.append((step, terms | carried(state.carry, len(seeds)) | watch.look(step, networks)))
            watch.record(*state.recorded[-1])
            resume.keep(state, position)
    return networks


def take_step(
    recipe: Recipe, state: State, batches: Iterator[Batch], step: int, device: str, precision: str = "single"
) -> Terms:
    """Take every phase of one step; return the loss terms of its last repeat, each ``(R,)``."""
    networks, terms = state.networks, {}
    state.carry = {**state.carry, "step": torch.full((1,), float(step), device=device)}
    for phase in recipe.phases:
        if step % phase.every:
            continue
        for _ in range(phase.repeats(step) if callable(phase.repeats) else phase.repeats):
            batch = next(batches)
            terms |= update(phase, networks, state.optimisers[phase.name], batch, state.carry, precision)
            state.carry = phase.keep(networks, batch, state.carry)
            phase.after(networks, step)
    state.carry = recipe.advance(state.carry, terms)
    state.step = step + 1
    return terms


def carried(carry: Carry, n: int) -> Terms:
    """Values that a recipe carries between updates, where each of ``n`` seeds has a number."""
    return {f"carry/{name}": value for name, value in carry.items() if name != "step" and value.shape == (n,)}


def overridden(optimiser: Optimiser, optimisation: Optimisation) -> Optimiser:
    """A recipe's optimiser with the rate and the betas that a study sets; RMSprop has no betas."""
    betas = optimisation.betas if isinstance(optimiser, Adam) else None
    changes = {"learning_rate": optimisation.learning_rate, "betas": betas}
    return replace(optimiser, **{name: value for name, value in changes.items() if value is not None})


def optimiser_of(phase: Phase, networks: Mapping[str, Replicated], settings: Optimiser) -> Stepper:
    """The optimiser of the networks that a phase trains."""
    return Stepper([p for role in phase.trains for p in networks[role].parameters()], settings)


def update(
    phase: Phase,
    networks: Mapping[str, Replicated],
    optimiser: Stepper,
    batch: Batch,
    carry: Carry,
    precision: str = "single",
) -> Terms:
    """Take one optimiser step of one phase; return its loss terms, each ``(R,)``."""
    with training_only(networks, phase.trains):
        with mixed(next(iter(batch.values())).device.type, precision):
            terms = phase.objective(networks, batch, carry)
        # Replicates share no weights, so the gradient of the sum is the gradient of each replicate.
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {f"{phase.name}/{name}": value.detach() for name, value in terms.items()}


def mixed(kind: str, precision: str) -> torch.autocast:
    """A context that computes in bfloat16 where that is safe, if ``precision`` is "mixed"."""
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "mixed")


@contextmanager
def training_only(networks: Mapping[str, Replicated], roles: Sequence[str]):
    """Freeze every network except ``roles`` within the context."""
    for role, network in networks.items():
        network.requires_grad_(role in roles)
    try:
        yield
    finally:
        for network in networks.values():
            network.requires_grad_(True)


def nonfinite_replicates(networks: Mapping[str, Replicated]) -> Tensor:
    """Whether each replicate holds a weight that is not finite, ``(R,)`` bool.

    A NaN loss makes every weight that Adam updates NaN, and the weight stays NaN. The final weights are therefore
    enough to find a training that broke.
    """
    finite = [x.reshape(len(x), -1).isfinite().all(1) for net in networks.values() for x in net.state().values()]
    return ~torch.stack(finite).all(0)
