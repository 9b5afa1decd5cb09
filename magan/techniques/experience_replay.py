"""Experience replay: past generated samples also train the discriminator."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from magan.option_types import Count, Share
from magan.recipe import Batch, Carry, Noise, Objective, Phase, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained, trains

PLACE, CHOICE = 0, 1  # columns of the random numbers


def experience_replay(recipe: Recipe, *, size: Count = 2000, share: Share = 0.5) -> Recipe:
    """Replace a ``share`` of the discriminator's generated samples by past samples from a pool of ``size``.

    The new sample takes the place of the past sample in the pool, as in Shrivastava et al. 2017, so the discriminator
    does not forget past generators. The pool stores samples without conditions; the technique therefore excludes
    discriminators that read a label.
    """
    generators, discriminators = trained(recipe, "generator"), trained(recipe, "discriminator")
    fresh_samples: dict[str, Tensor] = {}  # passes samples from the objective to the carry

    def change(objective: Objective) -> Objective:
        def replayed(networks, batch, carry):
            def generate(role):
                def call(network, *inputs):
                    fresh = network(*inputs)
                    fresh_samples[role] = fresh.detach()
                    pool = carry.get(f"replay_{role}")
                    return fresh if pool is None else _replayed(fresh, pool, batch, share)

                return call

            def discriminate(role):
                def call(network, *inputs):
                    if len(inputs) > 1:
                        raise ValueError("experience_replay keeps samples without their conditions; leave it out")
                    return network(*inputs)

                return call

            within = altered(altered(networks, generators, generate), discriminators, discriminate)
            return objective(within, batch, carry)

        return replayed

    def keeping(phase: Phase) -> Callable[..., Carry]:
        def keep(networks, batch, carry):
            carry = dict(phase.keep(networks, batch, carry))
            for role in generators:
                if role in fresh_samples:
                    carry[f"replay_{role}"] = _updated(
                        fresh_samples.pop(role), carry.get(f"replay_{role}"), batch, size, share
                    )
            return carry

        return keep

    whole = changed(recipe, change, training=discriminators, noise={"experience_replay": Noise((2,), "uniform")})
    phases = [replace(p, keep=keeping(p)) if trains(p, discriminators) else p for p in whole.phases]
    return replace(whole, phases=tuple(phases))


def _replayed(fresh: Tensor, pool: Tensor, batch: Batch, share: float) -> Tensor:
    """Replace the chosen samples of ``(R, B, ...)`` by samples of the pool ``(R, size, ...)``."""
    return torch.where(_chosen(fresh, batch, share), _at(pool, _places(pool, batch, fresh.shape[1])), fresh)


def _updated(fresh: Tensor, pool: Tensor | None, batch: Batch, size: int, share: float) -> Tensor:
    """Return the pool with used samples replaced by fresh samples; the first pool is the first minibatch, repeated."""
    n = fresh.shape[1]
    if pool is None:
        if size < n:
            raise ValueError(f"experience_replay keeps {size} samples, fewer than a minibatch of {n}; raise size")
        return fresh[:, torch.arange(size, device=fresh.device) % n]
    places = _places(pool, batch, n)
    pool = pool.clone()
    new = torch.where(_chosen(fresh, batch, share), fresh, _at(pool, places))
    pool[torch.arange(len(pool), device=pool.device)[:, None], places] = new
    return pool


def _places(pool: Tensor, batch: Batch, n: int) -> Tensor:
    """Return n consecutive places of the pool from a random start, ``(R, n)``, all different."""
    first = (batch["experience_replay"][:, :1, PLACE] * pool.shape[1]).long()
    return (first + torch.arange(n, device=pool.device)) % pool.shape[1]


def _at(pool: Tensor, places: Tensor) -> Tensor:
    return pool[torch.arange(len(pool), device=pool.device)[:, None], places]


def _chosen(fresh: Tensor, batch: Batch, share: float) -> Tensor:
    return (batch["experience_replay"][..., CHOICE] < share).reshape(*fresh.shape[:2], *(1,) * (fresh.dim() - 2))
