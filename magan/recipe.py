"""What a model is: its networks, and the phases that train them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

Network = Callable[..., Tensor]  # (R, B, ...) -> (R, B, ...)
Networks = Mapping[str, Network]  # role -> network
Batch = Mapping[str, Tensor]  # name -> (R, B, ...)
Carry = Mapping[str, Tensor]  # name -> (R, ...) or (1, ...), what is kept between updates; "step" is always there
Terms = dict[str, Tensor]  # name -> (R,), weighted; their sum is minimised
Objective = Callable[[Networks, Batch, Carry], Terms]
# What must survive the maps: (G12, G21, batch with "x12" and "x21" added) -> (R,)
CorrespondenceLoss = Callable[[Network, Network, Batch], Tensor]


@dataclass(frozen=True)
class Noise:
    """Random input a recipe asks for, drawn per replicate by the sampler."""

    shape: tuple[int, ...]
    kind: str = "normal"  # or "uniform", on [0, 1), or "signed", on [-1, 1)


@dataclass(frozen=True)
class Adam:
    """The optimiser a paper names; a study may override its parts."""

    learning_rate: float
    betas: tuple[float, float]
    weight_decay: float = 0.0


@dataclass(frozen=True)
class RMSprop:
    """The optimiser of a paper in which momentum did harm; a study may override its rate."""

    learning_rate: float


Optimiser = Adam | RMSprop


@dataclass(frozen=True)
class Phase:
    """One kind of update: which networks move, and what they minimise."""

    name: str
    trains: tuple[str, ...]
    objective: Objective
    repeats: int | Callable[[int], int] = 1  # consecutive updates, each on a fresh batch; may depend on the step
    every: int = 1  # only every n-th step
    keep: Callable[[Networks, Batch, Carry], Carry] = lambda networks, batch, carry: carry  # after each update
    after: Callable[[Networks, int], None] = lambda networks, step: None  # e.g. clip weights
    optimiser: Optimiser | None = None  # where it is not the recipe's


@dataclass(frozen=True)
class Recipe:
    """A model, before any data or seed."""

    networks: Mapping[str, Callable[[], nn.Module]]
    phases: tuple[Phase, ...]
    optimiser: Optimiser
    noise: Mapping[str, Noise] = field(default_factory=dict)
    carry: Carry = field(default_factory=dict)
    advance: Callable[[Carry, Terms], Carry] = lambda carry, terms: carry
    # Loss term "phase/term" -> what a discriminator that knows nothing pays, where 0 is the least: it tells who wins
    uninformed_loss: Mapping[str, float | None] = field(default_factory=dict)
    # Of a model that makes samples instead of mapping them: (networks, noise and conditions) -> (R, B, *shape)
    sample: Callable[[Networks, Batch], Tensor] | None = None
    # What such a model says of samples it is shown: score -> (R, B), by name a row of keys.SCORES
    measure: Callable[[Networks, Batch], Mapping[str, Tensor]] | None = None
