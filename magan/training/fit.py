"""The training loop: the same for every model, every domain, any number of seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, Batch, Carry, Optimiser, Phase, Recipe, Terms


def fit(
    recipe: Recipe,
    batches: Iterator[Batch],
    *,
    seeds: Sequence[int],
    steps: int,
    learning_rate: float | None = None,
    betas: tuple[float, float] | None = None,
    decay: bool = False,
    device: str = "cpu",
    record: Callable[[int, Terms], None] = lambda step, terms: None,
    every: int = 100,
) -> dict[str, Replicated]:
    """Train one copy of a recipe per seed, all at once.

    ``batches`` yields entries ``(R, B, ...)`` with R the number of seeds.
    ``learning_rate`` and ``betas`` replace those of the recipe; with ``decay`` the rate
    falls in a straight line, to 0 after the last step. ``record`` receives the loss terms,
    each ``(R,)``, every ``every`` steps and after the last one.
    """
    networks = {
        role: Replicated(build, [role_seed(seed, role) for seed in seeds]).to(device)
        for role, build in recipe.networks.items()
    }
    optimisers = {
        phase.name: optimiser_of(phase, networks, overridden(phase.optimiser or recipe.optimiser, learning_rate, betas))
        for phase in recipe.phases
    }
    rates = {name: one.param_groups[0]["lr"] for name, one in optimisers.items()}
    carry: Carry = {name: value.to(device) for name, value in recipe.carry.items()}
    for step in range(steps):
        terms: Terms = {}
        carry = {**carry, "step": torch.full((1,), float(step), device=device)}
        if decay:
            for name, one in optimisers.items():
                one.param_groups[0]["lr"] = rates[name] * (1 - step / steps)
        for phase in recipe.phases:
            if step % phase.every:
                continue
            for _ in range(phase.repeats(step) if callable(phase.repeats) else phase.repeats):
                batch = next(batches)
                terms |= update(phase, networks, optimisers[phase.name], batch, carry)
                carry = phase.keep(networks, batch, carry)
                phase.after(networks, step)
        carry = recipe.advance(carry, terms)
        if step % every == 0 or step == steps - 1:
            record(step, terms)
    return networks


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
) -> Terms:
    """One optimiser step of one phase; returns its loss terms, each ``(R,)``."""
    with training_only(networks, phase.trains):
        terms = phase.objective(networks, batch, carry)
        # Summing over replicates leaves each its own gradient: they share no weights.
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {f"{phase.name}/{name}": value.detach() for name, value in terms.items()}


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


def broken(networks: Mapping[str, Replicated]) -> Tensor:
    """Which replicates hold a weight that is not finite: ``(R,)`` bool.

    A loss that turns NaN leaves NaN in every weight Adam then touches, and
    nothing brings them back, so the final weights tell.
    """
    finite = [x.flatten(1).isfinite().all(1) for n in networks.values() for x in n.state().values()]
    return ~torch.stack(finite).all(0)
