"""Names of methods and what they stand for, imported when first asked for: reading a study loads no library."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A function, where it lies, and what it needs of a task.

    Attributes
    ----------
    source
        "module:function".
    needs
        What the data of a task must offer: any of "cells", "images", "labels", "pairs", "shared features" (both
        domains have the same features) and "shared markers".
    options
        Options that the name sets.
    deployable
        Whether what it learns can be saved and can correct files that arrive later.
    """

    source: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    deployable: bool = False

    def load(self) -> Callable[..., Any]:
        """The function itself."""
        module, _, name = self.source.partition(":")
        found = getattr(import_module(module), name)
        return partial(found, **self.options) if self.options else found


class Registry(Mapping[str, Callable[..., Any]]):
    """Name -> function; ``entries`` holds what is known of each without importing it."""

    def __init__(self, **entries: Entry):
        self.entries = entries

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return self.entries[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def source(self, name: str) -> str:
        """Where the function of a name lies: "module:function"."""
        return self.entries[name].source

    def lacks(self, name: str, offers: frozenset[str]) -> list[str]:
        """What a method needs and the data do not offer."""
        return [need for need in self.entries[name].needs if need not in offers]
