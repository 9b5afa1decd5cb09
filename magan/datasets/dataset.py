"""The record that every named data set has, whatever it is of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anndata import AnnData

from magan.datasets.download import File


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set before it is there.

    ``kind`` is cells or images, ``state`` raw or transformed, ``package`` the installed
    package that brings the files ("" for none), ``of`` the data set whose files these are
    ("" for its own). ``load`` takes file name -> path.
    """

    name: str
    kind: str
    files: tuple[File, ...]
    licence: str
    citation: str
    state: str
    load: Callable[[Mapping[str, Path]], AnnData]
    package: str = ""
    of: str = ""
