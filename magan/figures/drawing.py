"""The record of a figure, and the results that figures are drawn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure

WRITTEN = "as written"  # in `Results.mapped`: the cells as they are written to files


@dataclass(frozen=True)
class Results:
    """Results of a data set, from which its figures are drawn."""

    dataset: str
    truth: AnnData
    mapped: Mapping[str, AnnData]  # method -> its maps; the headline method comes first
    metrics: pd.DataFrame  # the tidy scores of the data set
    summary: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]  # arm -> its losses
    arms: Mapping[str, str]  # arm -> model
    inputs: Mapping[str, Any]  # what the task computes for its figures

    @property
    def headline(self) -> AnnData:
        """The maps of the headline method, or, where a method is deployed, the cells as they are written."""
        return self.mapped.get(WRITTEN, next(iter(self.mapped.values())))


class Drawing(NamedTuple):
    """A figure of a study: its function, title, caption and file type."""

    draw: Callable[..., Figure]
    title: str
    caption: str  # how to read the figure; conclusions are for the report
    suffix: str  # png where thousands of cells would make a heavy svg
    inputs: Callable[[Any], Mapping[str, Any]] = vars  # the keyword arguments of ``draw``, from a task's results
    when: Callable[[Any], bool] = lambda results: True  # whether the results have what the figure is about

    def figure(self, results: Any, digest: str) -> Figure:
        """Draw the figure of these results, with the digest of their data."""
        return self.draw(**self.inputs(results), digest=digest)
