"""The error that a user is meant to read, and the nearest name of a misspelt name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What was given cannot be used: one sentence with the thing, the value and the remedy."""


class MachineError(Exception):
    """The machine failed, not the data and not the method: one sentence with the cause and the remedy."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"`` for the nearest known name, or nothing where none is near."""
    names = {str(x).casefold(): str(x) for x in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    return f" (did you mean {names[close[0]]!r}?)" if close else ""


def among(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all known names where none is near: the end of a sentence on an unknown name."""
    known = [str(x) for x in known]
    return nearest(name, known) or f"; there are {', '.join(known) or 'none'}"
