"""Generators that start as the identity."""

from collections.abc import Callable

from torch import Tensor, nn

from magan.networks.mlp import Linear


class Residual(nn.Module):
    """Compute ``x + f(x)``; the last layer of f starts at zero, so the initial map is the identity.

    Parameters
    ----------
    build
        Builds f, ``(B, *shape) -> (B, *shape)``. An activation after its last layer must map 0 to 0, as tanh does.
    """

    def __init__(self, build: Callable[[], nn.Module]):
        super().__init__()
        self.change = build()
        *_, last = (m for m in self.change.modules() if isinstance(m, Linear | nn.Conv2d | nn.ConvTranspose2d))
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.broadcasts = getattr(self.change, "broadcasts", False)  # see `Replicated`

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)
