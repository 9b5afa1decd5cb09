"""Compute random numbers from seeds: of any shape, and equal on every machine.

Networks and losses draw no random numbers. If they need a random number per pixel or per hidden unit, the sampler draws
a seed per sample, and these functions compute the numbers: SplitMix64 (Steele, Lea & Flood 2014) of a counter. Nothing
needs to be stored.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # as signed integers, which wrap like unsigned integers
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
BITS = 23  # with 2^23 intervals the middle of the last interval is below 1 in single precision


def scramble(x: Tensor) -> Tensor:
    """Apply SplitMix64's finaliser, a bijection of 64-bit integers: every output bit depends on every input bit."""
    x = (x ^ _right(x, 30)) * FIRST
    x = (x ^ _right(x, 27)) * SECOND
    return x ^ _right(x, 31)


def seeds(numbers: Tensor, n: int, stream: int) -> Tensor:
    """Return a 64-bit seed for each of n rows, ``(R, n)``, from uniform numbers ``(R, B, 2)``.

    n may be a multiple of B, e.g. for real and generated samples in the same pass. Different streams give independent
    seeds."""
    whole = (numbers * 2**BITS).long()
    first = whole[..., 0] * 2**BITS + whole[..., 1]
    copies = -(-n // first.shape[1])
    order = torch.arange(copies, device=first.device).repeat_interleave(first.shape[1])
    return scramble(scramble(first + _nth(stream)).repeat(1, copies) + order * GOLDEN)[:, :n]


def uniform(seeds: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """Return ``(..., *shape)`` uniform numbers in (0, 1), from seeds ``(...)``."""
    counter = torch.arange(1, prod(shape) + 1, device=seeds.device)
    bits = scramble(scramble(seeds + _nth(stream))[..., None] + counter * GOLDEN)
    # Take the middle of an interval, so that neither 0 nor 1 occurs.
    return ((_right(bits, 64 - BITS) + 0.5) / 2**BITS).reshape(*seeds.shape, *shape)


def normal(seeds: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """Return ``(..., *shape)`` standard normal numbers, from seeds ``(...)``."""
    return 2**0.5 * torch.erfinv(2 * uniform(seeds, shape, stream) - 1)


def _nth(stream: int) -> int:
    """Return ``(stream + 1) GOLDEN`` as a signed integer of 64 bits."""
    return ((stream + 1) * GOLDEN + 2**63) % 2**64 - 2**63


def _right(x: Tensor, n: int) -> Tensor:
    """Shift right by n bits and fill with zeros, also for negative numbers."""
    return (x >> n) & (2 ** (64 - n) - 1)
