"""The error that a user is meant to read, and the nearest name of a misspelt name."""

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """What was given cannot be used: one sentence with the thing, the value and the remedy."""


class MachineError(Exception):
    """The machine failed, not the data and not the method: one sentence with the cause and the remedy."""


MARKER = re.compile(r"[A-Za-z]{1,3}-?\d+\w*")  # CD4 and CD8 are near in letters and are not the same thing


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """``" (did you mean 'x'?)"`` for the nearest known name, or nothing where none is near.

    A marker is near to one with the same number alone. ``likeness``, from 0 to 1, is that of `difflib`.
    """
    names = {str(x).casefold(): str(x) for x in known if not MARKER.fullmatch(name) or _digits(str(x)) == _digits(name)}
    close = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=likeness)
    return f" (did you mean {names[close[0]]!r}?)" if close else ""


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)


def among(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all known names where none is near: the end of a sentence on an unknown name."""
    known = [str(x) for x in known]
    return nearest(name, known) or f"; there are {', '.join(known) or 'none'}"
