"""Build the networks of translation models: an architecture name and the domains' shapes give the networks.

"mlp" has the fully connected layers of the MAGAN authors, for a table of markers or an image of up to 32 x 32 pixels.
The remaining architectures are convolutional, for images of 8 x 8 pixels or more. Each has the generator of the paper
that it is named after, and that paper's discriminator. Image generators end in a tanh, because pixels lie in [-1, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from magan.networks.mlp import MLP
from magan.networks.patchgan import Patch, layers_within
from magan.networks.pyramid import Pyramid
from magan.networks.residual import Residual
from magan.networks.resnet import ResNet
from magan.networks.siamese import Siamese, SiamesePyramid
from magan.networks.unet import UNet, halvings_to

Shape = tuple[int, ...]
Builder = Callable[[], nn.Module]
GENERATOR_HIDDEN = (200, 100, 50)  # the MAGAN authors' widths
DISCRIMINATOR_HIDDEN = (800, 400, 200, 100, 50)
SIAMESE_HIDDEN = (200, 100)
SMALLEST = 8  # pixels: least side of an image for a convolutional network
LARGE = 256  # pixels: from this side on CycleGAN has nine residual blocks instead of six


@dataclass(frozen=True)
class Sizes:
    """Sizes of networks: the widths of fully connected layers, the width and the depth of convolutional networks."""

    generator: Sequence[int] = GENERATOR_HIDDEN
    discriminator: Sequence[int] = DISCRIMINATOR_HIDDEN
    siamese: Sequence[int] = SIAMESE_HIDDEN
    residual: bool = False  # whether the generator is x + f(x)
    width: int = 64  # channels of the first convolution
    depth: int | None = None  # number of residual blocks, or of halvings; None takes the paper's number


class Architecture(NamedTuple):
    """Builders of the networks of one architecture and size."""

    generator: Callable[[Shape, Shape], Builder]  # (source, target) -> (B, *source) -> (B, *target)
    discriminator: Callable[[Shape, bool], Builder]  # (shape, features); with features, returns hidden activations too
    siamese: Callable[[Shape, Shape, int], Builder]  # joint embedding of two domains, see `Siamese`
    by_minibatch: bool = False  # whether a score depends on the rest of the minibatch


def architecture_of(name: str, sizes: Sizes) -> Architecture:
    """Return the architecture called ``name``.
    Raises
    ------
    ValueError
        The name is unknown, or ``depth`` is below 1.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture '{name}' is unknown; there are {', '.join(ARCHITECTURES)}")
    if sizes.depth is not None and sizes.depth < 1:
        raise ValueError(f"depth {sizes.depth} is less than 1; give more, or leave it out")
    kind = ARCHITECTURES[name](sizes)
    return kind._replace(generator=_residual(kind.generator)) if sizes.residual else kind


def _residual(generator: Callable[[Shape, Shape], Builder]) -> Callable[[Shape, Shape], Builder]:
    """Wrap a generator f as ``x + f(x)``."""

    def build(source: Shape, target: Shape) -> Builder:
        if source != target:
            raise ValueError(f"residual generators need domains of one shape, not {source} and {target}; leave it out")
        return partial(Residual, generator(source, target))

    return build


def connected(sizes: Sizes) -> Architecture:
    """Return fully connected networks."""

    def generator(source: Shape, target: Shape) -> Builder:
        _fits(source, target)
        final = torch.tanh if len(target) > 1 and not sizes.residual else None
        return partial(MLP, source, target, tuple(sizes.generator), final=final)

    def discriminator(shape: Shape, features: bool = False) -> Builder:
        _fits(shape)
        return partial(MLP, shape, (1,), tuple(sizes.discriminator), features=features)

    def siamese(shape_1: Shape, shape_2: Shape, n_latent: int) -> Builder:
        _fits(shape_1, shape_2)
        return partial(Siamese, shape_1, shape_2, tuple(sizes.siamese), n_latent)

    return Architecture(generator, discriminator, siamese)


def resnet(sizes: Sizes) -> Architecture:
    """Return CycleGAN's networks: residual blocks, and a discriminator of the largest patches that fit, up to 70 px."""

    def generator(source: Shape, target: Shape) -> Builder:
        n_blocks = sizes.depth or (9 if min(source[1:], default=0) >= LARGE else 6)
        return partial(ResNet, *images(source, target), sizes.width, n_blocks)

    def discriminator(shape: Shape, features: bool = False) -> Builder:
        (shape,) = images(shape)
        return partial(Patch, shape, sizes.width, layers_within(shape), features=features)

    return Architecture(generator, discriminator, _siamese(sizes))


def unet(sizes: Sizes) -> Architecture:
    """Return TraVeLGAN's networks: a U-Net down to 8 x 8 pixels, a discriminator of the whole image, twice as wide."""
    return _halving(sizes, bottleneck=8, most=4, skips=True, discriminator_width=2 * sizes.width)


def encoder_decoder(sizes: Sizes) -> Architecture:
    """Return DiscoGAN's networks: down to 4 x 4 pixels and back without skips, a discriminator of the whole image."""
    return _halving(sizes, bottleneck=4, most=8, skips=False, discriminator_width=sizes.width)


def images(*shapes: Shape) -> tuple[Shape, ...]:
    """Return the shapes, checked to be those of images of equal height and width.

    Raises
    ------
    ValueError
        A shape is that of a table row, or smaller than 8 x 8, or two shapes differ in height or width.
    """
    for shape in shapes:
        if len(shape) != 3 or min(shape[1:]) < SMALLEST:
            raise ValueError(
                f"a sample of {shape} is no image of at least {SMALLEST} x {SMALLEST} pixels; convolutions need one, "
                "the architecture mlp does not"
            )
        if shape[1:] != shapes[0][1:]:
            raise ValueError(f"images of {shapes[0]} and {shape} differ in size; resize them alike")
    return shapes


def deep_enough(shape: Shape, depth: int | None, bottleneck: int) -> int:
    """Return the number of halvings: ``depth``, or as many as reach the bottleneck's side.

    Raises
    ------
    ValueError
        ``depth`` is larger than the number of times the image can be halved.
    """
    most = halvings_to(shape, 1)
    if depth is not None and not 0 < depth <= most:
        raise ValueError(f"depth {depth} is not between 1 and {most}, the times an image of {shape} can be halved")
    return depth or halvings_to(shape, bottleneck)


def _halving(sizes: Sizes, bottleneck: int, most: int, skips: bool, discriminator_width: int) -> Architecture:
    def generator(source: Shape, target: Shape) -> Builder:
        source, target = images(source, target)
        return partial(UNet, source, target, sizes.width, deep_enough(source, sizes.depth, bottleneck), most, skips)

    def discriminator(shape: Shape, features: bool = False) -> Builder:
        return partial(Pyramid, *images(shape), width=discriminator_width, features=features)

    return Architecture(generator, discriminator, _siamese(sizes), by_minibatch=True)


def _siamese(sizes: Sizes) -> Callable[[Shape, Shape, int], Builder]:
    return lambda shape_1, shape_2, n_latent: partial(SiamesePyramid, *images(shape_1, shape_2), sizes.width, n_latent)


def _fits(*shapes: Shape) -> None:
    for shape in shapes:
        if len(shape) > 1 and max(shape[1:]) > 32:
            raise ValueError(
                f"an image of {shape} is too large for fully connected networks; use at most 32 x 32, "
                "or another architecture"
            )


ARCHITECTURES = {
    "mlp": connected,
    "resnet": resnet,
    "unet": unet,
    "encoder_decoder": encoder_decoder,
}
