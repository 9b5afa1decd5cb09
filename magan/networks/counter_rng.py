"""Random numbers computed from a seed: of any shape, and the same on every machine.

Networks and losses draw nothing. Where they need as many random numbers as there are
pixels or hidden units, the sampler gives one seed a sample and they are computed from it:
SplitMix64 (Steele, Lea & Flood 2014) of a counter, which costs no memory beforehand.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # as signed integers, which wrap like unsigned ones
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
BITS = 23  # so that the middle of the last of 2^23 cells is still below 1 in single precision


def mixed(x: Tensor) -> Tensor:
    """SplitMix64's finaliser, a bijection of 64-bit integers in which every bit depends on every other."""
    x = (x ^ _right(x, 30)) * FIRST
    x = (x ^ _right(x, 27)) * SECOND
    return x ^ _right(x, 31)


def seeds(numbers: Tensor, n: int, stream: int) -> Tensor:
    """A 64-bit seed for each of n rows, ``(R, n)``, from uniform numbers ``(R, B, 2)``.

    n may be a multiple of B, as of real and generated samples side by side; other
    streams give independent seeds.
    """
    whole = (numbers * 2**BITS).long()
    own = whole[..., 0] * 2**BITS + whole[..., 1]
    copies = -(-n // own.shape[1])
    order = torch.arange(copies, device=own.device).repeat_interleave(own.shape[1])
    return mixed(mixed(own + _nth(stream)).repeat(1, copies) + order * GOLDEN)[:, :n]


def uniform(seeds: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """``(..., *shape)`` numbers in (0, 1), from seeds ``(...)``."""
    place = torch.arange(1, prod(shape) + 1, device=seeds.device)
    bits = mixed(mixed(seeds + _nth(stream))[..., None] + place * GOLDEN)
    # The middle of a cell, so that neither 0 nor 1 occurs.
    return ((_right(bits, 64 - BITS) + 0.5) / 2**BITS).reshape(*seeds.shape, *shape)


def normal(seeds: Tensor, shape: Sequence[int], stream: int = 0) -> Tensor:
    """``(..., *shape)`` standard normal numbers, from seeds ``(...)``."""
    return 2**0.5 * torch.erfinv(2 * uniform(seeds, shape, stream) - 1)


def _nth(stream: int) -> int:
    """``(stream + 1) GOLDEN`` as a signed integer of 64 bits."""
    return ((stream + 1) * GOLDEN + 2**63) % 2**64 - 2**63


def _right(x: Tensor, n: int) -> Tensor:
    """A shift to the right that brings in zeros, also into a negative number."""
    return (x >> n) & (2 ** (64 - n) - 1)
