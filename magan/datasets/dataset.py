"""The record of a named data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anndata import AnnData

from magan.datasets.download import File


@dataclass(frozen=True)
class DataSet:
    """Describe a data set: its files, licence, citation, and the function that reads it.

    ``kind`` is "cells" or "images". ``state`` is "raw" or "transformed". ``package`` is the installed package that
    contains the files ("" for none). ``of`` is the data set whose files this data set uses ("" if the files are not
    shared). ``load`` takes file name -> path and returns the AnnData.
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
