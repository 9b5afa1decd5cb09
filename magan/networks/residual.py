"""Maps that start as the identity."""

from collections.abc import Callable

from torch import Tensor, nn

from magan.networks.mlp import Linear


class Residual(nn.Module):
    """``x + f(x)`` with the last layer of f at zero: the identity, until training moves it.

    Parameters
    ----------
    build
        Makes f, ``(B, *shape) -> (B, *shape)``; what follows its last layer must keep 0 at 0, as a tanh does.
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
