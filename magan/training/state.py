"""All that training changes, as tensors: what a later run needs to resume it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magan.networks.replicate import Replicated
from magan.recipe import Carry, Terms
from magan.training.stepper import Stepper

Groups = dict[str, dict[str, Tensor]]  # group -> name -> tensor


@dataclass
class State:
    """A training between two steps."""

    networks: dict[str, Replicated]
    optimisers: dict[str, Stepper]  # of each phase
    carry: Carry
    step: int = 0  # steps done
    recorded: list[tuple[int, Terms]] = field(default_factory=list)  # every step and terms recorded

    def tensors(self) -> Groups:
        """Groups of tensors from which `restore` makes the same state."""
        groups: Groups = {f"network.{role}": network.state() for role, network in self.networks.items()}
        for phase, optimiser in self.optimisers.items():
            moments = optimiser.moments.items()
            groups[f"optimiser.{phase}"] = {f"{i}.{name}": x for i, held in moments for name, x in held.items()}
        # A carried tensor may also be a recorded tensor, and a file holds no tensor twice.
        groups["carry"] = {name: x.clone() for name, x in self.carry.items()}
        groups["step"] = {"": torch.tensor([self.step])}
        for step, terms in self.recorded:
            groups[f"recorded.{step}"] = {f"{i:03d}.{term}": x.clone() for i, (term, x) in enumerate(terms.items())}
        return groups

    def restore(self, groups: Mapping[str, Mapping[str, Tensor]], device: str) -> None:
        """Restore the state of a training of the same recipe from its `tensors`."""
        for role, network in self.networks.items():
            for name, value in network.state().items():
                value.copy_(groups[f"network.{role}"][name])
        for phase, optimiser in self.optimisers.items():
            held: dict[int, dict[str, Tensor]] = {}
            for key, value in groups.get(f"optimiser.{phase}", {}).items():
                i, name = key.split(".", 1)
                held.setdefault(int(i), {})[name] = value
            optimiser.restore(held)
        in_order = {**self.carry, **groups["carry"]}  # a file sorts its entries
        self.carry = {name: groups["carry"][name].to(device) for name in in_order if name in groups["carry"]}
        self.step = int(groups["step"][""])
        steps = sorted(int(group.removeprefix("recorded.")) for group in groups if group.startswith("recorded."))
        self.recorded = [
            (step, {name[4:]: x for name, x in sorted(groups[f"recorded.{step}"].items())}) for step in steps
        ]
