"""Column indices of the markers that two panels both measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

HIDDEN = 0.0  # in the networks' units the mean of a marker, or its median


@dataclass(frozen=True)
class Shared:
    """Columns of the shared markers in the source of a map and in its target; the source has ``n_source`` in all."""

    source: list[int]
    target: list[int]
    n_source: int

    def hidden(self, scaled: Tensor) -> Tensor:
        """Samples of the source, in the networks' units, with every marker that is not shared at its mean."""
        scaled = scaled.clone()
        scaled[:, [i for i in range(self.n_source) if i not in self.source]] = HIDDEN
        return scaled

    def as_source(self, scaled: Tensor) -> Tensor:
        """Samples of the target, scaled, as samples of the source: markers that are not shared at their mean."""
        known = torch.full((len(scaled), self.n_source), HIDDEN)
        known[:, self.source] = scaled[:, self.target]
        return known


def shared(source: Sequence[str], target: Sequence[str], without: Sequence[str] = ()) -> Shared:
    """Columns of the markers of both, except ``without``, in the order of the source."""
    both = [marker for marker in source if marker in target and marker not in without]
    return Shared([source.index(m) for m in both], [target.index(m) for m in both], len(source))
