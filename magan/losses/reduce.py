"""The one reduction every loss shares."""

from torch import Tensor


def replicate_mean(x: Tensor) -> Tensor:
    """Mean over everything but the replicate axis: ``(R, ...) -> (R,)``."""
    return x.flatten(1).mean(1)
