from functools import partial

import pytest
import torch
from layer_tables import down, layer_table, n_weights, up
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d, leaky_relu

from magan.networks.unet import UNet, dropout_shapes, halvings_to

WIDE, MIDDLE, SMALL = ((3, side, side) for side in (256, 128, 64))
PIX2PIX = partial(UNet, WIDE, WIDE, 64, 8)
TRAVELGAN = partial(UNet, MIDDLE, MIDDLE, 64, 4, 4)
DISCOGAN = partial(UNet, SMALL, SMALL, 64, 4, skips=False)


def test_pix2pixs_layers_are_the_papers():
    """C64-C128-C256-C512-C512-C512-C512-C512, then back, to a single pixel between (Isola et al. 2017, appendix)."""
    assert layer_table(PIX2PIX, WIDE) == [
        *down((64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2), (512, 1)),
        *up((512, 2), (512, 4), (512, 8), (512, 16), (256, 32), (128, 64), (64, 128), (3, 256)),
    ]
    with torch.device("meta"):
        seen = [layer.in_channels for layer in PIX2PIX().up]
    assert seen == [512, 1024, 1024, 1024, 1024, 512, 256, 128]  # of the decoder with skips: CD1024 and so on


def test_travelgans_and_discogans_layers_are_the_papers():
    assert layer_table(TRAVELGAN, MIDDLE) == [
        *down((64, 64), (128, 32), (256, 16), (256, 8)),
        *up((256, 16), (128, 32), (64, 64), (3, 128)),
    ]
    assert layer_table(DISCOGAN, SMALL) == [
        *down((64, 32), (128, 16), (256, 8), (512, 4)),
        *up((256, 8), (128, 16), (64, 32), (3, 64)),
    ]


def test_weights_are_those_published_and_biases_where_no_normalisation_follows():
    encoder = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    decoder = 16 * (512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3) + 3
    scales = 2 * (128 + 256 + 4 * 512 + 4 * 512 + 256 + 128 + 64)
    published = encoder + 4 * 16 * 512**2 + decoder + scales
    assert published == 54_413_955
    assert n_weights(PIX2PIX) == published + 64 + 512  # of the first layer and the bottleneck
    back = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    of_discogan = encoder + back + 2 * (128 + 256 + 512 + 256 + 128 + 64)
    assert n_weights(DISCOGAN) == of_discogan + 64 + 3
    # Skips widen what each level of the decoder but the innermost sees.
    assert n_weights(partial(UNet, SMALL, SMALL, 64, 4)) - n_weights(DISCOGAN) == back - 16 * 512 * 256


@pytest.mark.parametrize("skips", [True, False])
def test_a_small_one_by_hand(skips):
    torch.manual_seed(0)
    network, x = UNet((1, 8, 8), (1, 8, 8), 4, 2, skips=skips), torch.randn(3, 1, 8, 8)
    w = dict(network.named_parameters())

    def normal(x, name):
        return batch_norm(x, None, None, w[f"{name}.weight"], w[f"{name}.bias"], training=True)

    first = conv2d(x, w["down.0.weight"], w["down.0.bias"], 2, 1)
    middle = normal(conv2d(leaky_relu(first, 0.2), w["down.1.weight"], None, 2, 1), "down_norms.1")
    back = normal(conv_transpose2d(middle.relu(), w["up.0.weight"], None, 2, 1), "up_norms.0")
    back = torch.cat([first, back], 1) if skips else back
    expected = conv_transpose2d(back.relu(), w["up.1.weight"], w["up.1.bias"], 2, 1).tanh()
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("height, width", [(8, 8), (28, 28), (11, 30)])
@pytest.mark.parametrize("bottleneck", [1, 4, 8])
def test_an_image_of_any_size_is_mapped_to_one_of_its_size_within_one(height, width, bottleneck):
    torch.manual_seed(0)
    shape = (1, height, width)
    out = UNet(shape, (3, height, width), 4, halvings_to(shape, bottleneck))(1e3 * torch.randn(2, *shape))
    assert out.shape == (2, 3, height, width) and out.abs().max() <= 1 and out.std() > 0


@pytest.mark.parametrize(
    "size, side, n", [(256, 1, 8), (128, 8, 4), (64, 4, 4), (28, 1, 4), (28, 4, 3), (28, 8, 2), (8, 8, 1), (32, 8, 2)]
)
def test_an_image_is_halved_until_its_shorter_side_is_small_enough(size, side, n):
    assert halvings_to((1, size, size), side) == halvings_to((1, 2 * size, size), side) == n


def test_dropout_is_of_the_three_innermost_levels_of_the_decoder():
    assert dropout_shapes(WIDE, 64, 8) == [(512, 2, 2), (512, 4, 4), (512, 8, 8)]
    assert dropout_shapes((1, 28, 28), 16, 4) == [(64, 3, 3), (32, 7, 7), (16, 14, 14)]
    assert dropout_shapes((1, 28, 28), 16, 2) == [(16, 14, 14)]


def test_what_drops_out_is_half_of_what_the_draws_say_and_the_rest_counts_twice():
    """Two draws that drop opposite halves have the undisturbed level as their mean, and after it all is linear."""
    torch.manual_seed(0)
    network, x = UNet((1, 8, 8), (1, 8, 8), 4, 2, skips=False).double(), torch.randn(3, 1, 8, 8).double()
    draws = torch.rand(3, *dropout_shapes((1, 8, 8), 4, 2)[0]).double()
    one, other, usual = (network(x, *given).atanh() for given in ([draws], [1 - draws], []))
    torch.testing.assert_close((one + other) / 2, usual)
    assert (one - other).abs().max() > 1e-3
    nothing = network(x, torch.zeros_like(draws))
    torch.testing.assert_close(nothing, network.up[-1].bias.tanh().expand_as(nothing))


def test_a_trained_map_depends_on_no_other_sample_and_agrees_with_what_was_trained():
    torch.manual_seed(0)
    network, x = UNet((1, 8, 8), (1, 8, 8), 4, 2), 0.3 + 2 * torch.randn(400, 1, 8, 8)
    for part in x.split(20) * 10:
        network(part)
    mapped = network.eval()(x)
    torch.testing.assert_close(network(x[:1]), mapped[:1])
    assert (mapped - network.train()(x)).std() < 0.1 * mapped.std()


@pytest.mark.parametrize(("shape", "has_norm"), [((1, 8, 8), False), ((1, 16, 8), True), ((1, 8, 16), True)])
def test_the_innermost_level_is_normalised_unless_it_is_a_single_pixel(shape, has_norm):
    norms = [type(norm) is not torch.nn.Identity for norm in UNet(shape, shape, 2, 3).down_norms]
    assert norms == [False, True, has_norm]
