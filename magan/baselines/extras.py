"""Libraries that only one baseline needs, and that need not be installed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from magan.errors import InputError


@contextmanager
def extra(baseline: str, package: str, name: str) -> Iterator[None]:
    """Around an import: `InputError` that names the extra to install, where ``package`` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"baseline '{baseline}' needs {package}, which is not installed; pip install 'magan[{name}]'"
        ) from error


@contextmanager
def own_draws() -> Iterator[None]:
    """Around a library that draws from the global generators: the same draws each time, none of them felt outside."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)
