"""Optional libraries that only a single baseline needs."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from magan.errors import InputError


@contextmanager
def extra(baseline: str, package: str, name: str) -> Iterator[None]:
    """Wrap an import: raise an `InputError` that names the extra to install if ``package`` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"baseline '{baseline}' needs {package}, which is not installed; pip install 'magan[{name}]'"
        ) from error


@contextmanager
def fixed_draws() -> Iterator[None]:
    """Seed the global random generators for a library that uses them, and restore their state afterwards."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)
