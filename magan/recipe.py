"""A model as a recipe: its networks, and the phases that train them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

Network = Callable[..., Tensor]  # (R, B, ...) -> (R, B, ...)
Networks = Mapping[str, Network]  # role -> network
Batch = Mapping[str, Tensor]  # name -> (R, B, ...)
Carry = Mapping[str, Tensor]  # name -> (R, ...) or (1, ...), state between updates; "step" is always there
Terms = dict[str, Tensor]  # name -> (R,), weighted; their sum is minimised
Objective = Callable[[Networks, Batch, Carry], Terms]
Sampler = Callable[[Networks, Batch], Tensor]  # networks, noise and conditions -> (R, B, *shape)
# The cost of maps that break the correspondence: (G12, G21, batch with "x12" and "x21" added) -> (R,)
CorrespondenceLoss = Callable[[Network, Network, Batch], Tensor]


@dataclass(frozen=True)
class Noise:
    """Random input of a recipe; the sampler draws it for each replicate."""

    shape: tuple[int, ...]
    kind: str = "normal"  # or "uniform", on [0, 1), or "signed", on [-1, 1)


@dataclass(frozen=True)
class Adam:
    """The optimiser of a paper; a study may override its parts."""

    learning_rate: float
    betas: tuple[float, float]
    weight_decay: float = 0.0


@dataclass(frozen=True)
class RMSprop:
    """The optimiser of papers in which momentum did harm; a study may override its rate."""

    learning_rate: float


Optimiser = Adam | RMSprop


@dataclass(frozen=True)
class Phase:
    """A kind of update: the networks that it trains, and the loss that they minimise."""

    name: str
    trains: tuple[str, ...]
    objective: Objective
    repeats: int | Callable[[int], int] = 1  # consecutive updates, each on a fresh batch; may depend on the step
    every: int = 1  # only every n-th step
    keep: Callable[[Networks, Batch, Carry], Carry] = lambda networks, batch, carry: carry  # after each update
    after: Callable[[Networks, int], None] = lambda networks, step: None  # e.g. clip weights
    optimiser: Optimiser | None = None  # None is the recipe's optimiser


@dataclass(frozen=True)
class Recipe:
    """A model without data and seed."""

    networks: Mapping[str, Callable[[], nn.Module]]
    phases: tuple[Phase, ...]
    optimiser: Optimiser
    noise: Mapping[str, Noise] = field(default_factory=dict)
    carry: Carry = field(default_factory=dict)
    advance: Callable[[Carry, Terms], Carry] = lambda carry, terms: carry
    # Loss term "phase/term" -> its value for a discriminator that knows nothing, where the least value is 0
    uninformed_loss: Mapping[str, float | None] = field(default_factory=dict)
    # Of a model that makes samples
    sample: Sampler | None = None
    # Scores that such a model gives to samples: name (a row of keys.SCORES) -> (R, B)
    measure: Callable[[Networks, Batch], Mapping[str, Tensor]] | None = None
