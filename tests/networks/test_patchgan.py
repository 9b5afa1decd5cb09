from functools import partial

import pytest
import torch
from layer_tables import down, layer_table, n_weights
from torch import nn
from torch.nn.functional import conv2d, instance_norm, leaky_relu

from magan.networks.patchgan import Patch, layers_within, receptive_field, window

PAPER = (3, 256, 256)


def test_the_layers_are_the_papers_and_score_thirty_patches_a_side():
    """C64-C128-C256-C512-1 with strides 2, 2, 2, 1, 1."""
    table = layer_table(partial(Patch, PAPER), PAPER)
    assert table == down((64, 128), (128, 64), (256, 32), (512, 31), (1, 30))


def test_its_weights_are_those_published_less_the_biases_that_a_normalisation_takes_out_again():
    """Of CycleGAN (three channels, by the image) 2.765 million, of pix2pix (a pair, by the minibatch) 2.769."""
    convolutions = 16 * (64 * 128 + 128 * 256 + 256 * 512 + 512)
    idle = scales = 128 + 256 + 512
    assert n_weights(partial(Patch, PAPER)) == 16 * 3 * 64 + 64 + convolutions + 1 == 2_764_737 - idle
    of_pairs = n_weights(partial(Patch, (6, 256, 256), by_minibatch=True))
    assert of_pairs == 16 * 6 * 64 + 64 + convolutions + 2 * scales + 1 == 2_768_705


@pytest.mark.parametrize("n_layers, side", [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_patches_are_of_the_papers_sizes(n_layers, side):
    assert receptive_field(window(n_layers)) == side


def test_a_receptive_field_grows_by_kernels_and_strides():
    assert receptive_field([]) == 1
    assert receptive_field([(3, 1)]) == 3
    assert receptive_field([(3, 1), (3, 1)]) == 5
    assert receptive_field([(3, 2), (3, 1)]) == 7


@pytest.mark.parametrize("n_layers, side", [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_score_depends_on_the_pixels_of_its_patch_and_on_no_other(n_layers, side):
    """By the gradient, with the normalisations taken out: they let an image's mean and spread in everywhere."""
    torch.manual_seed(0)
    network = Patch((1, 128, 128), 2, n_layers).double()
    for block in network.blocks:
        block[1] = nn.Identity()
    x = torch.randn(1, 1, 128, 128, dtype=torch.double, requires_grad=True)
    scores = network(x)
    middle = scores.shape[2] // 2
    (slope,) = torch.autograd.grad(scores[0, 0, middle, middle], x)
    for axis in (0, 1):
        seen = slope[0, 0].abs().sum(axis).nonzero().flatten()
        assert len(seen) == side and seen[-1] - seen[0] == side - 1


@pytest.mark.parametrize("size, n_layers", [(8, 1), (28, 1), (32, 1), (34, 2), (64, 2), (70, 3), (256, 3)])
def test_a_patch_is_the_largest_of_the_papers_that_the_image_holds(size, n_layers):
    assert layers_within((1, size, size)) == n_layers
    network = Patch((1, size, size), 2, n_layers)
    assert min(network(torch.randn(2, 1, size, size)).shape[2:]) > 1


def test_maps_stop_growing_at_eight_times_the_first_layers():
    assert [n for _, n, _ in layer_table(partial(Patch, PAPER, 4, 5), PAPER)] == [4, 8, 16, 32, 32, 32, 1]


def test_a_score_of_the_image_depends_on_no_other_and_one_of_the_minibatch_does():
    torch.manual_seed(0)
    x = torch.randn(4, 1, 28, 28).double()
    alone, together = (Patch((1, 28, 28), 4, 1, by_minibatch).double() for by_minibatch in (False, True))
    torch.testing.assert_close(alone(x)[:1], alone(x[:1]))
    assert (together(x)[:1] - together(x[:1])).abs().max() > 1e-3


def test_a_small_patch_discriminator_by_hand():
    torch.manual_seed(0)
    network, x = Patch((1, 16, 16), 2, 1), torch.randn(3, 1, 16, 16)
    w = list(network.parameters())
    first = leaky_relu(conv2d(x, w[0], w[1], 2, 1), 0.2)
    second = leaky_relu(instance_norm(conv2d(first, w[2], None, 1, 1)), 0.2)
    torch.testing.assert_close(network(x), conv2d(second, w[3], w[4], 1, 1))


def test_it_can_give_its_hidden_activations_too():
    network, x = Patch((1, 28, 28), 4, 1, features=True), torch.randn(2, 1, 28, 28)
    scores, hidden = network(x)
    assert [h.shape[1:] for h in hidden] == [(4, 14, 14), (8, 13, 13)]
    torch.testing.assert_close(network.last(hidden[-1]), scores)
