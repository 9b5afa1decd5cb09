"""The networks of translation models by name: what each architecture makes for what a domain holds.

"mlp" is of the MAGAN authors' kind, for a table of markers or an image of up to 32 x 32 pixels. The others are
convolutional, for images of 8 x 8 pixels or more: each is named after a paper's generator and has that paper's
discriminator. An image ends in a tanh, because its values lie in [-1, 1].
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
SMALLEST = 8  # pixels of a side for a convolutional network
LARGE = 256  # pixels of a side from which CycleGAN has nine residual blocks instead of six


@dataclass(frozen=True)
class Sizes:
    """How large networks are: widths of fully connected layers, or of convolutional ones a width and a depth."""

    generator: Sequence[int] = GENERATOR_HIDDEN
    discriminator: Sequence[int] = DISCRIMINATOR_HIDDEN
    siamese: Sequence[int] = SIAMESE_HIDDEN
    residual: bool = False  # whether a generator is x + f(x)
    width: int = 64  # maps of the first convolution
    depth: int | None = None  # residual blocks, or halvings; None is the paper's


class Architecture(NamedTuple):
    """Builders of the networks of one kind and size."""

    generator: Callable[[Shape, Shape], Builder]  # of (B, *source) -> (B, *target)
    discriminator: Callable[[Shape, bool], Builder]  # of raw scores; if True, and of its hidden activations
    siamese: Callable[[Shape, Shape, int], Builder]  # of a joint embedding of two domains, see `Siamese`
    by_minibatch: bool = False  # whether a score depends on the samples beside it


def architecture_of(name: str, sizes: Sizes) -> Architecture:
    """The architecture of a name.

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
    """Generators that are ``x + f(x)`` instead of ``f(x)``."""

    def build(source: Shape, target: Shape) -> Builder:
        if source != target:
            raise ValueError(f"residual generators need domains of one shape, not {source} and {target}; leave it out")
        return partial(Residual, generator(source, target))

    return build


def connected(sizes: Sizes) -> Architecture:
    """Fully connected networks."""

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
    """CycleGAN's: residual blocks, and a discriminator of patches as large as the image allows, up to 70 pixels."""

    def generator(source: Shape, target: Shape) -> Builder:
        n_blocks = sizes.depth or (9 if min(source[1:], default=0) >= LARGE else 6)
        return partial(ResNet, *images(source, target), sizes.width, n_blocks)

    def discriminator(shape: Shape, features: bool = False) -> Builder:
        (shape,) = images(shape)
        return partial(Patch, shape, sizes.width, layers_within(shape), features=features)

    return Architecture(generator, discriminator, _siamese(sizes))


def unet(sizes: Sizes) -> Architecture:
    """TraVeLGAN's: a U-Net down to 8 x 8 pixels, and a discriminator that sees the image whole, twice as wide."""
    return _halving(sizes, bottleneck=8, most=4, skips=True, discriminator_width=2 * sizes.width)


def encoder_decoder(sizes: Sizes) -> Architecture:
    """DiscoGAN's: down to 4 x 4 pixels and back without skips, and a discriminator that sees the image whole."""
    return _halving(sizes, bottleneck=4, most=8, skips=False, discriminator_width=sizes.width)


def images(*shapes: Shape) -> tuple[Shape, ...]:
    """The shapes, if all are of images of one size.

    Raises
    ------
    ValueError
        One is a table's, or smaller than 8 x 8, or two differ in height or width.
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
    """Halvings asked for, or down to a bottleneck.

    Raises
    ------
    ValueError
        More are asked for than the image has.
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
