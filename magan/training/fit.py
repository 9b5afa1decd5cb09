"""The training loop: the same for every model, every domain, any number of seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Batch, Carry, Networks, Optimiser, Phase, Recipe, Terms
from magan.training.resume import NoCheckpoint, Resume
from magan.training.state import State


def fit(
    recipe: Recipe,
    batches: Iterator[Batch],
    *,
    seeds: Sequence[int],
    steps: int,
    learning_rate: float | None = None,
    betas: tuple[float, float] | None = None,
    decay: float = 0.0,
    precision: str = "single",
    device: str = "cpu",
    record: Callable[[int, Terms], None] = lambda step, terms: None,
    look: Callable[[int, Networks], Terms] = lambda step, networks: {},
    every: int = 100,
    resume: Resume | NoCheckpoint = NoCheckpoint(),  # noqa: B008, it holds nothing
) -> dict[str, Replicated]:
    """Train one copy of a recipe per seed, all at once.

    ``batches`` yields entries ``(R, B, ...)`` with R the number of seeds.
    ``learning_rate`` and ``betas`` replace those of the recipe; over the last
    ``decay``, a share of the steps, the rate falls in a straight line, to 0 after the last of
    them. With ``precision`` "mixed" the losses are computed in bfloat16 where that is safe;
    weights and their updates stay as they are.

    ``record`` receives the loss terms, each ``(R,)``, every ``every`` steps and after the last
    one, together with numbers of the carry and what ``look`` tells of the networks of that
    step. A training that ``resume`` knows the beginning of goes on from there; what was recorded
    is recorded again.
    """
    networks = {
        role: Replicated(build, [role_seed(seed, role) for seed in seeds]).to(device)
        for role, build in recipe.networks.items()
    }
    optimisers = {
        phase.name: optimiser_of(phase, networks, overridden(phase.optimiser or recipe.optimiser, learning_rate, betas))
        for phase in recipe.phases
    }
    state = State(networks, optimisers, {name: value.to(device) for name, value in recipe.carry.items()})
    rates = {name: one.param_groups[0]["lr"] for name, one in optimisers.items()}
    resume.begin(state, batches, device)
    for step, terms in state.recorded:
        record(step, terms)
    for step in range(state.step, steps):
        for name, one in optimisers.items():
            one.param_groups[0]["lr"] = rates[name] * (min(1.0, (1 - step / steps) / decay) if decay else 1)
        terms = take_step(recipe, state, batches, step, device, precision)
        if step % every == 0 or step == steps - 1:
            state.recorded.append((step, terms | carried(state.carry, len(seeds)) | look(step, networks)))
            record(*state.recorded[-1])
            resume.keep(state, batches)
    return networks


def take_step(
    recipe: Recipe, state: State, batches: Iterator[Batch], step: int, device: str, precision: str = "single"
) -> Terms:
    """Every phase of one step; returns their loss terms, each ``(R,)``, those of the last repeat."""
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
    """What a recipe keeps between updates, where it is one number for each of ``n`` seeds."""
    return {f"carry/{name}": value for name, value in carry.items() if name != "step" and value.shape == (n,)}


def overridden(own: Optimiser, learning_rate: float | None, betas: tuple[float, float] | None) -> Optimiser:
    """A recipe's optimiser with what a study sets; betas mean nothing to RMSprop."""
    given = {"learning_rate": learning_rate, "betas": betas if isinstance(own, Adam) else None}
    return replace(own, **{name: value for name, value in given.items() if value is not None})


def optimiser_of(
    phase: Phase, networks: Mapping[str, Replicated], settings: Optimiser
) -> torch.optim.Adam | torch.optim.RMSprop:
    """The optimiser of one phase: elementwise, so R copies are trained as R networks."""
    parameters = [p for role in phase.trains for p in networks[role].parameters()]
    if isinstance(settings, Adam):
        return torch.optim.Adam(
            parameters, settings.learning_rate, settings.betas, weight_decay=settings.weight_decay, fused=True
        )
    return torch.optim.RMSprop(parameters, settings.learning_rate)


def update(
    phase: Phase,
    networks: Mapping[str, Replicated],
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    carry: Carry,
    precision: str = "single",
) -> Terms:
    """One optimiser step of one phase; returns its loss terms, each ``(R,)``."""
    with training_only(networks, phase.trains):
        with mixed(next(iter(batch.values())).device.type, precision):
            terms = phase.objective(networks, batch, carry)
        # Summing over replicates leaves each its own gradient: they share no weights.
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {f"{phase.name}/{name}": value.detach() for name, value in terms.items()}


def mixed(kind: str, precision: str) -> torch.autocast:
    """A block that computes in bfloat16 where that is safe, if ``precision`` is "mixed"."""
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "mixed")


@contextmanager
def training_only(networks: Mapping[str, Replicated], roles: Sequence[str]):
    """Freeze every network but ``roles`` for the length of the block."""
    for role, network in networks.items():
        network.requires_grad_(role in roles)
    try:
        yield
    finally:
        for network in networks.values():
            network.requires_grad_(True)


def nonfinite_replicates(networks: Mapping[str, Replicated]) -> Tensor:
    """Which replicates hold a weight that is not finite: ``(R,)`` bool.

    A loss that turns NaN leaves NaN in every weight Adam then touches, and
    nothing brings them back, so the final weights tell.
    """
    finite = [x.reshape(len(x), -1).isfinite().all(1) for n in networks.values() for x in n.state().values()]
    return ~torch.stack(finite).all(0)
