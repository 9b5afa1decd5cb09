"""Hold out a calibration split from training."""

from collections.abc import Sequence

import numpy as np

from magan.domains.domain import Domain
from magan.errors import InputError

MOST = 10_000  # samples of a domain; more would not make intervals better


def split_calibration(
    folds: Sequence[tuple[Domain, Domain]], share: float, least: int
) -> tuple[list[tuple[Domain, Domain]], list[tuple[Domain, Domain]]]:
    """Each fold's training domains, and its held-out domains: a random ``share`` of the samples, at least ``least``.

    Raises
    ------
    InputError
        Fewer than twice ``least`` samples are left for training.
    """
    halves = [tuple(_split(domain, share, least) for domain in pair) for pair in folds]
    return [(a[0], b[0]) for a, b in halves], [(a[1], b[1]) for a, b in halves]


def _split(domain: Domain, share: float, least: int) -> tuple[Domain, Domain]:
    """Training samples and held-out samples; each in order."""
    order = np.random.default_rng(0).permutation(len(domain))
    n = min(max(round(share * len(domain)), least), MOST)
    if len(domain) < 3 * least:
        raise InputError(
            f"calibrate: domain '{domain.name}' has {len(domain)} samples, and needs {least} to calibrate and "
            f"{2 * least} to train on; give at least {3 * least}, or set calibrate: 0"
        )
    return domain.take(np.sort(order[n:])), domain.take(np.sort(order[:n]))
