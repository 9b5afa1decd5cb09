"""The steps of Adam and RMSprop by PyTorch's functions.

`torch.optim.Adam` imports PyTorch's compiler as soon as it is made, two seconds in each training job; the functions
that it calls do not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from magan.recipe import Adam, Optimiser

EPSILON, SMOOTHING = 1e-8, 0.99  # PyTorch's defaults: Adam's and RMSprop's epsilon, RMSprop's alpha


class Stepper:
    """Parameters, and the moments of their gradients.

    Attributes
    ----------
    rate
        Learning rate of the next step.
    moments
        Number of a parameter -> name -> tensor, as `torch.optim` names them; a parameter without a gradient so far has
        none.
    """

    def __init__(self, parameters: Sequence[Tensor], settings: Optimiser):
        self.parameters, self.settings, self.rate = list(parameters), settings, settings.learning_rate
        self.moments: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step along the gradients. It is elementwise, so it trains R copies as R networks."""
        moved = [(i, p, p.grad) for i, p in enumerate(self.parameters) if p.grad is not None]
        parameters, gradients = [p for _, p, _ in moved], [gradient for _, _, gradient in moved]
        for i, parameter, _ in moved:
            if i not in self.moments:
                self.moments[i] = self._start(parameter)
        held = {name: [self.moments[i][name] for i, _, _ in moved] for name in self._names}
        if isinstance(self.settings, Adam):
            beta1, beta2 = self.settings.betas
            adam(
                *(parameters, gradients, held["exp_avg"], held["exp_avg_sq"], [], held["step"]),
                fused=True,
                amsgrad=False,
                maximize=False,
                beta1=beta1,
                beta2=beta2,
                lr=self.rate,
                weight_decay=self.settings.weight_decay,
                eps=EPSILON,
            )
        else:
            rmsprop(
                *(parameters, gradients, held["square_avg"], [], [], held["step"]),
                lr=self.rate,
                alpha=SMOOTHING,
                eps=EPSILON,
                weight_decay=0,
                momentum=0,
                centered=False,
            )

    def restore(self, moments: dict[int, dict[str, Tensor]]) -> None:
        """Continue with the ``moments`` of an interrupted training."""
        devices = {i: self.parameters[i].device for i in moments}
        self.moments = {
            i: {name: x.to(devices[i]) if name in self._on_device else x for name, x in held.items()}
            for i, held in moments.items()
        }

    @property
    def _names(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "step") if isinstance(self.settings, Adam) else ("square_avg", "step")

    @property
    def _on_device(self) -> tuple[str, ...]:
        """Names of the tensors that lie where the parameter lies; RMSprop counts steps on the CPU."""
        return self._names if isinstance(self.settings, Adam) else ("square_avg",)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        step = torch.zeros((), device=parameter.device if "step" in self._on_device else "cpu")
        return {name: step if name == "step" else torch.zeros_like(parameter) for name in self._names}
