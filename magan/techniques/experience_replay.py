"""A memory of past generated samples for the discriminator."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from magan.recipe import Batch, Carry, Noise, Objective, Phase, Recipe
from magan.techniques.recipe_wrappers import altered, changed, trained, trains

PLACE, CHOICE = 0, 1  # the columns of its random numbers


def experience_replay(recipe: Recipe, *, size: int = 2000, share: float = 0.5) -> Recipe:
    """A ``share`` of the generated samples that train a discriminator are past ones, from a pool of ``size``.

    A past sample is given out and its place in the pool taken by the present one, as in the pool of
    Shrivastava et al. 2017, so that what the generator used to make is not forgotten. Samples are kept without
    conditions: it goes with no discriminator that judges a sample by a label.
    """
    generators, discriminators = trained(recipe, "generator"), trained(recipe, "discriminator")
    made: dict[str, Tensor] = {}  # from an update's objective to what is kept after it

    def change(objective: Objective) -> Objective:
        def replayed(networks, batch, carry):
            def generate(role):
                def call(network, *inputs):
                    fresh = network(*inputs)
                    made[role] = fresh.detach()
                    pool = carry.get(f"replay_{role}")
                    return fresh if pool is None else _mixed(fresh, pool, batch, share)

                return call

            def judge(role):
                def call(network, *inputs):
                    if len(inputs) > 1:
                        raise ValueError("experience_replay keeps samples without their conditions; leave it out")
                    return network(*inputs)

                return call

            within = altered(altered(networks, generators, generate), discriminators, judge)
            return objective(within, batch, carry)

        return replayed

    def keeping(phase: Phase) -> Callable[..., Carry]:
        def keep(networks, batch, carry):
            carry = dict(phase.keep(networks, batch, carry))
            for role in generators:
                if role in made:
                    carry[f"replay_{role}"] = _kept(made.pop(role), carry.get(f"replay_{role}"), batch, size, share)
            return carry

        return keep

    whole = changed(recipe, change, training=discriminators, noise={"experience_replay": Noise((2,), "uniform")})
    phases = [replace(p, keep=keeping(p)) if trains(p, discriminators) else p for p in whole.phases]
    return replace(whole, phases=tuple(phases))


def _mixed(fresh: Tensor, pool: Tensor, batch: Batch, share: float) -> Tensor:
    """Generated samples ``(R, B, ...)``, some of them those in their places of the pool ``(R, size, ...)``."""
    return torch.where(_chosen(fresh, batch, share), _at(pool, _places(pool, batch, fresh.shape[1])), fresh)


def _kept(fresh: Tensor, pool: Tensor | None, batch: Batch, size: int, share: float) -> Tensor:
    """The pool with the samples that were given out replaced; at first it is the first minibatch, repeated."""
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
    """n places that follow one another, from a random one: ``(R, n)``, no two alike."""
    first = (batch["experience_replay"][:, :1, PLACE] * pool.shape[1]).long()
    return (first + torch.arange(n, device=pool.device)) % pool.shape[1]


def _at(pool: Tensor, places: Tensor) -> Tensor:
    return pool[torch.arange(len(pool), device=pool.device)[:, None], places]


def _chosen(fresh: Tensor, batch: Batch, share: float) -> Tensor:
    return (batch["experience_replay"][..., CHOICE] < share).reshape(*fresh.shape[:2], *(1,) * (fresh.dim() - 2))
