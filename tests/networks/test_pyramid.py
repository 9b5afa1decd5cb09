from functools import partial

import pytest
import torch
from layer_tables import down, layer_table, n_weights
from torch.nn.functional import batch_norm, conv2d, leaky_relu, linear

from magan.networks.pyramid import Pyramid, halvings_above
from magan.networks.siamese import SiamesePyramid

MIDDLE, SMALL = (3, 128, 128), (3, 64, 64)
SIAMESE = partial(SiamesePyramid, MIDDLE, MIDDLE, 64, 1000)


def test_discogans_and_travelgans_layers_are_the_papers():
    assert layer_table(partial(Pyramid, SMALL), SMALL) == [
        *down((64, 32), (128, 16), (256, 8), (512, 4)),
        ("Linear", 1),
    ]
    assert layer_table(partial(Pyramid, MIDDLE, width=128), MIDDLE) == [
        *down((128, 64), (256, 32), (512, 16), (1024, 8), (1024, 4)),
        ("Linear", 1),
    ]
    one = [*down((64, 64)), *down((128, 32), (256, 16), (512, 8), (512, 4)), ("Linear", 1000)]
    assert layer_table(SIAMESE, MIDDLE, MIDDLE) == one * 2


def test_weights_are_those_published_and_biases_where_no_normalisation_follows():
    scales = 2 * (128 + 256 + 512)
    of_discogan = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + scales
    assert n_weights(partial(Pyramid, SMALL)) == of_discogan + 64 + 1  # of the first layer and the last
    shared = 16 * (64 * 128 + 128 * 256 + 256 * 512 + 512 * 512) + scales + 2 * 512 + 512 * 16 * 1000
    assert n_weights(SIAMESE) == shared + 2 * (16 * 3 * 64 + 64)


def test_a_small_pyramid_by_hand():
    torch.manual_seed(0)
    network, x = Pyramid((1, 16, 16), width=2), torch.randn(3, 1, 16, 16)
    weights = dict(network.named_parameters())
    (first, bias), (second, scale, offset), (last, *final) = (
        [value for name, value in weights.items() if name.startswith(part)] for part in ("blocks.0", "blocks.1", "last")
    )
    x_1 = leaky_relu(conv2d(x, first, bias, 2, 1), 0.2)
    x_2 = leaky_relu(batch_norm(conv2d(x_1, second, None, 2, 1), None, None, scale, offset, training=True), 0.2)
    torch.testing.assert_close(network(x), linear(x_2.flatten(1), last, *final))


def test_the_first_layer_of_a_siamese_network_is_a_convolution_and_a_leaky_relu():
    torch.manual_seed(0)
    network, x = SiamesePyramid((1, 16, 16), (1, 16, 16), 2, 3), torch.randn(3, 1, 16, 16)
    weights = dict(network.named_parameters())
    first = leaky_relu(conv2d(x, weights["first_1.0.weight"], weights["first_1.0.bias"], 2, 1), 0.2)
    torch.testing.assert_close(network(x, x)[0], network.shared(first))


@pytest.mark.parametrize("size, n", [(8, 1), (14, 1), (28, 2), (30, 2), (32, 3), (64, 4), (128, 5), (256, 6)])
def test_an_image_is_halved_while_four_pixels_are_left(size, n):
    assert halvings_above((1, size, size), 4) == halvings_above((1, 2 * size, size), 4) == n
    if size <= 32:
        assert Pyramid((1, size, size), width=2)(torch.randn(3, 1, size, size)).shape == (3, 1)


def test_it_gives_one_raw_score_a_sample_and_its_hidden_activations():
    torch.manual_seed(0)
    network, x = Pyramid((1, 28, 28), width=4, features=True), torch.randn(5, 1, 28, 28)
    score, hidden = network(x)
    assert score.shape == (5, 1) and [h.shape[1:] for h in hidden] == [(4, 14, 14), (8, 7, 7)]
    torch.testing.assert_close(network.last(hidden[-1].flatten(1)), score)


def test_real_and_generated_samples_that_pass_together_would_be_normalised_together():
    torch.manual_seed(0)
    network, real, fake = Pyramid((1, 28, 28), width=4), torch.randn(8, 1, 28, 28), 3 + torch.randn(8, 1, 28, 28)
    together = network(torch.cat([real, fake]))[:8]
    assert (together - network(real)).abs().max() > 0.01


def test_a_siamese_network_of_images_shares_all_but_the_first_layer():
    torch.manual_seed(0)
    network, x = SiamesePyramid((1, 28, 28), (1, 28, 28), 4, 6), torch.randn(7, 1, 28, 28)
    s1, s2 = network(x, x)
    assert s1.shape == s2.shape == (7, 6)
    assert not torch.equal(s1, s2)
    network.first_2.load_state_dict(network.first_1.state_dict())
    torch.testing.assert_close(*network(x, x))
    other = SiamesePyramid((3, 28, 28), (1, 28, 28), 4, 6)
    assert [s.shape for s in other(torch.randn(2, 3, 28, 28), x[:3])] == [(2, 6), (3, 6)]


def test_no_weight_of_it_only_moves_the_origin_of_its_space():
    torch.manual_seed(0)
    network = SiamesePyramid((1, 28, 28), (1, 28, 28), 4, 6)
    s1, s2 = network(torch.randn(20, 1, 28, 28), torch.randn(20, 1, 28, 28))
    sum((s[:, None] - s[None]).pow(2).sum() for s in (s1, s2)).backward()
    assert all(p.grad.abs().max() > 1e-3 for p in network.parameters())
