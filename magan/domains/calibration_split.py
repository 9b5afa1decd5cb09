"""Samples that are kept from training, to tell what a map is worth."""

from collections.abc import Sequence

import numpy as np

from magan.domains.domain import Domain
from magan.errors import InputError

MOST = 10_000  # samples of a domain; more would not make intervals better


def split_calibration(
    folds: Sequence[tuple[Domain, Domain]], share: float, least: int
) -> tuple[list[tuple[Domain, Domain]], list[tuple[Domain, Domain]]]:
    """Each fold's domains without a random ``share`` of their samples, and that share.

    Raises
    ------
    InputError
        The share of a domain is fewer than ``least`` samples.
    """
    halves = [tuple(_apart(domain, share, least) for domain in pair) for pair in folds]
    return [(a[0], b[0]) for a, b in halves], [(a[1], b[1]) for a, b in halves]


def _apart(domain: Domain, share: float, least: int) -> tuple[Domain, Domain]:
    """Samples to train on, and those kept from it; each in order."""
    order = np.random.default_rng(0).permutation(len(domain))
    n = min(round(share * len(domain)), MOST)
    if n < least:
        raise InputError(
            f"calibrate: {share} of the {len(domain)} samples of '{domain.name}' are {n}, fewer than {least}; raise it"
        )
    return domain.take(np.sort(order[n:])), domain.take(np.sort(order[:n]))
