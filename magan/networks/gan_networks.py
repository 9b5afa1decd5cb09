"""Build the networks of models that generate samples: convolutional for images, fully connected for tables.

``architecture`` is "convolution" (images with even sides), "mlp" (tables and small images) or "auto", which chooses
"convolution" where possible. ``width`` sets the size of both kinds. A convolutional network has ``width`` channels at
half the image's size, 2 ``width`` at a quarter, and dense layers of 16 ``width``. A fully connected network has two
hidden layers of 8 ``width``.
"""

from functools import partial
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from magan.networks.architectures import Builder, Shape
from magan.networks.convolution import Discriminator, Generator, halvings
from magan.networks.mlp import Joined

ARCHITECTURES = ("auto", "convolution", "mlp")
DENSE, HIDDEN = 16, 8  # multiples of the width


def generator(
    n_in: int,
    shape: Shape,
    architecture: str = "auto",
    width: int = 64,
    *,
    normalised: bool = True,
    activation: str = "leaky",
) -> Builder:
    """Return a builder of a generator ``(B, n_in) -> (B, *shape)`` of images in [-1, 1].

    The network concatenates its inputs: the noise, and the one-hot label or codes that condition it. ``n_in`` is their
    total length. The fully connected network has no normalisation.
    """
    if chosen(shape, architecture) == "convolution":
        return partial(Generator, n_in, shape, width, (DENSE * width,), normalised, activation)
    final = torch.tanh if len(shape) > 1 else None
    return partial(Joined, (n_in,), n_in, shape, (HIDDEN * width,) * 2, final=final)


def discriminator(
    shape: Shape,
    architecture: str = "auto",
    width: int = 64,
    *,
    n_out: int = 1,
    n_condition: int = 0,
    normalised: bool = False,
    features: bool = False,
) -> Builder:
    """Return a builder of a discriminator ``(B, *shape), (B, n_condition) -> (B, n_out)`` of raw scores.

    With ``n_out`` codes it is an encoder. With ``features`` it returns the pair (scores, list of hidden activations).
    The fully connected network has no normalisation.
    """
    if chosen(shape, architecture) == "convolution":
        return partial(
            Discriminator, shape, width, (DENSE * width,), n_out, n_condition, normalised=normalised, features=features
        )
    return partial(Joined, shape, prod(shape) + n_condition, (n_out,), (HIDDEN * width,) * 2, features=features)


def n_hidden(shape: Shape, architecture: str = "auto", width: int = 64) -> int:
    """Return the length of the last hidden activations of a `discriminator`."""
    return (DENSE if chosen(shape, architecture) == "convolution" else HIDDEN) * width


def chosen(shape: Shape, architecture: str) -> str:
    """Return "convolution" or "mlp".

    Raises
    ------
    ValueError
        The architecture is unknown, or "convolution" is asked for a table or for an image with an odd side.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture '{architecture}' is unknown; there are {', '.join(ARCHITECTURES)}")
    if architecture == "convolution" and len(shape) != 3:
        raise ValueError(f"samples of shape {shape} are no images, which convolutions need; set architecture: mlp")
    if architecture == "convolution":
        halvings(shape)
    is_even = len(shape) == 3 and not any(side % 2 for side in shape[1:])
    return architecture if architecture != "auto" else "convolution" if is_even else "mlp"


def onehot(label: Tensor, n_classes: int) -> Tensor:
    """Encode class numbers ``(R, B)`` as one-hot vectors ``(R, B, n_classes)``."""
    return one_hot(label, n_classes).float()
