"""Each architecture at the size of its paper: the tables themselves are in the tests of the networks."""

import pytest
import torch
from layer_tables import layer_table

from magan.networks.architectures import ARCHITECTURES, Sizes, architecture_of

CONVOLUTIONAL = sorted(set(ARCHITECTURES) - {"mlp"})


def maps(build, *shapes) -> list[int]:
    return [n for _, n, *_ in layer_table(build, *shapes)]


def paper(name: str, size: int) -> tuple[list[int], list[int]]:
    kind, shape = architecture_of(name, Sizes()), (3, size, size)
    return maps(kind.generator(shape, shape), shape), maps(kind.discriminator(shape), shape)


@pytest.mark.parametrize("size, n_blocks", [(128, 6), (256, 9)])
def test_a_resnet_is_cyclegans(size, n_blocks):
    generator, discriminator = paper("resnet", size)
    assert generator == [64, 128, 256, *[256, 256] * n_blocks, 128, 64, 3]
    assert discriminator == [64, 128, 256, 512, 1]


def test_the_smaller_side_of_an_image_decides_about_the_blocks_of_a_resnet():
    kind = architecture_of("resnet", Sizes(width=1))
    for shape, n_blocks in (((300, 128, 256), 6), ((3, 256, 128), 6), ((1, 300, 256), 9)):
        assert kind.generator(shape, shape).args[-1] == n_blocks


def test_a_unet_is_travelgans():
    assert paper("unet", 128) == ([64, 128, 256, 256, 256, 128, 64, 3], [128, 256, 512, 1024, 1024, 1])
    assert paper("unet", 256)[0] == [64, 128, 256, 256, 256, 256, 256, 128, 64, 3]


def test_an_encoder_decoder_is_discogans():
    assert paper("encoder_decoder", 64) == ([64, 128, 256, 512, 256, 128, 64, 3], [64, 128, 256, 512, 1])


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_siamese_network_is_travelgans(name):
    shape = (3, 128, 128)
    one = [64, 128, 256, 512, 512, 1000]
    assert maps(architecture_of(name, Sizes()).siamese(shape, shape, 1000), shape, shape) == one * 2


@pytest.mark.parametrize("size", [28, 32])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_small_images_of_other_numbers_of_channels_are_mapped_and_judged(name, size):
    kind, x1, x2 = architecture_of(name, Sizes(width=2)), (1, size, size), (3, size, size)
    assert kind.generator(x1, x2)()(torch.randn(2, *x1)).shape == (2, *x2)
    score, hidden = kind.discriminator(x2, True)()(torch.randn(2, *x2))
    assert score.shape[:2] == (2, 1) and all(len(h) == 2 for h in hidden)
    assert [s.shape for s in kind.siamese(x1, x2, 5)()(torch.randn(2, *x1), torch.randn(2, *x2))] == [(2, 5)] * 2


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_scores_are_said_to_depend_on_the_minibatch_where_they_do(name):
    torch.manual_seed(0)
    kind = architecture_of(name, Sizes(width=4))
    network, x = kind.discriminator((1, 28, 28))().double(), torch.randn(6, 1, 28, 28).double()
    assert kind.by_minibatch == bool((network(x)[:2] - network(x[:2])).abs().max() > 1e-6)


def test_a_depth_is_of_residual_blocks_or_of_halvings():
    shape = (1, 32, 32)
    blocks, halvings, deep = (
        maps(architecture_of(name, Sizes(width=2, depth=depth)).generator(shape, shape), shape)
        for name, depth in (("resnet", 1), ("unet", 1), ("encoder_decoder", 5))
    )
    assert blocks == [2, 4, 8, 8, 8, 4, 2, 1] and halvings == [2, 1]
    assert deep == [2, 4, 8, 16, 16, 16, 8, 4, 2, 1]


def refused(name: str, source=(1, 28, 28), target=(1, 28, 28), **sizes) -> str:
    with pytest.raises(ValueError) as error:
        architecture_of(name, Sizes(**sizes)).generator(source, target)
    return str(error.value)


def test_what_cannot_be_built_is_refused_in_a_sentence():
    assert refused("vgg") == "architecture 'vgg' is unknown; there are mlp, resnet, unet, encoder_decoder"
    assert refused("resnet", source=(4,)) == (
        "a sample of (4,) is no image of at least 8 x 8 pixels; convolutions need one, the architecture mlp does not"
    )
    assert refused("unet", source=(1, 7, 9)).startswith("a sample of (1, 7, 9) is no image of at least 8 x 8 pixels")
    assert refused("resnet", source=(1, 28, 32)) == (
        "images of (1, 28, 32) and (1, 28, 28) differ in size; resize them alike"
    )
    assert refused("unet", depth=5) == (
        "depth 5 is not between 1 and 4, the times an image of (1, 28, 28) can be halved"
    )
    assert refused("resnet", depth=0) == "depth 0 is less than 1; give more, or leave it out"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_residual_generator_starts_as_the_identity_and_can_leave_it(name):
    shape = (3, 16, 16)
    build = architecture_of(name, Sizes(generator=(6,), residual=True, width=4)).generator(shape, shape)
    network, x = build(), torch.rand(4, *shape) * 2 - 1
    torch.testing.assert_close(network(x), x)
    network(x).square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_a_residual_generator_between_domains_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match=r"one shape, not .* leave it out"):
        architecture_of("unet", Sizes(residual=True, width=4)).generator((1, 16, 16), (3, 16, 16))
