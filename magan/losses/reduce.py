"""The reduction that every loss uses: the mean over all axes but the replicate axis."""

from torch import Tensor


def replicate_mean(x: Tensor) -> Tensor:
    """Return the mean over all axes but the replicate axis: ``(R, ...) -> (R,)``."""
    return x.flatten(1).mean(1)
