"""FCS files as libraries other than this one read them."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import flowio
import numpy as np


class Read(NamedTuple):
    """Values ``(n, M)``, ``$PnN``, and ``$PnS`` or, where it is empty, ``$PnN``."""

    values: np.ndarray
    channels: list[str]
    markers: list[str]


def readers(path: Path) -> dict[str, Read]:
    """What flowio and, where they are installed, fcsparser and readfcs find in a file: numbers as they are stored."""
    one = flowio.FlowData(str(path))
    numbers = range(1, one.channel_count + 1)
    names, labels = ([one.text.get(f"p{n}{key}", "") for n in numbers] for key in "ns")
    values = np.reshape(one.events, (-1, one.channel_count))
    found = {"flowio": Read(values, names, [label or name for name, label in zip(names, labels)])}
    if importlib.util.find_spec("fcsparser"):
        import fcsparser

        two = fcsparser.api.FCSParser(str(path))
        found["fcsparser"] = Read(two.data, list(two.channel_names_n), list(two.channel_names_s))
    if importlib.util.find_spec("readfcs"):
        import readfcs

        three = readfcs.ReadFCS(str(path))
        names, labels = three.channels["PnN"], three.channels.get("PnS", three.channels["PnN"])
        found["readfcs"] = Read(three.data.to_numpy(), list(names), [s or n for n, s in zip(names, labels)])
    return found
