"""Markers that two panels both measure: all that either knows of a cell of the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

HIDDEN = 0.0  # in the networks' units the mean of a marker, or its median


@dataclass(frozen=True)
class Shared:
    """Columns of the same markers in the source of a map and in its target, and how many the source has in all."""

    source: list[int]
    target: list[int]
    n_source: int

    def hidden(self, scaled: Tensor) -> Tensor:
        """Samples of the source, in the networks' units, with every other marker at its mean."""
        scaled = scaled.clone()
        scaled[:, [i for i in range(self.n_source) if i not in self.source]] = HIDDEN
        return scaled

    def as_source(self, scaled: Tensor) -> Tensor:
        """Samples of the target, in its own units, as the source would know them: the other markers at their mean."""
        known = torch.full((len(scaled), self.n_source), HIDDEN)
        known[:, self.source] = scaled[:, self.target]
        return known


def shared(source: Sequence[str], target: Sequence[str], without: Sequence[str] = ()) -> Shared:
    """Where the markers of both stand, but for those ``without``, in the order of the source."""
    both = [marker for marker in source if marker in target and marker not in without]
    return Shared([source.index(m) for m in both], [target.index(m) for m in both], len(source))
