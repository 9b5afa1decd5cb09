from functools import partial

import pytest
import torch
from layer_tables import down, layer_table, n_weights, up

from magan.networks.resnet import Block, ResNet

PAPER = (3, 256, 256)


@pytest.mark.parametrize("n_blocks", [6, 9])
def test_the_layers_are_the_papers(n_blocks):
    """c7s1-64, d128, d256, R256 so many times, u128, u64, c7s1-3 (Zhu et al. 2017, appendix)."""
    assert layer_table(partial(ResNet, PAPER, PAPER, n_blocks=n_blocks), PAPER) == [
        *down((64, 256), (128, 128), (256, 64)),
        *down((256, 64)) * 2 * n_blocks,
        *up((128, 128), (64, 256)),
        *down((3, 256)),
    ]


@pytest.mark.parametrize("n_blocks, published", [(9, 11_378_179), (6, 7_837_699)])
def test_its_weights_are_those_published_less_the_biases_that_a_normalisation_takes_out_again(n_blocks, published):
    idle = 64 + 128 + 256 + 2 * 256 * n_blocks + 128 + 64
    by_hand = 49 * 3 * 64 + 9 * (64 * 128 + 128 * 256) * 2 + 18 * n_blocks * 256**2 + 49 * 64 * 3 + 3
    assert n_weights(partial(ResNet, PAPER, PAPER, n_blocks=n_blocks)) == published - idle == by_hand


def test_a_block_whose_convolutions_say_nothing_changes_nothing():
    block, x = Block(4), torch.randn(2, 4, 5, 5)
    torch.nn.init.zeros_(block.change[1].weight)
    torch.nn.init.zeros_(block.change[5].weight)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("height, width", [(8, 8), (28, 28), (11, 14)])
def test_an_image_of_any_size_is_mapped_to_one_of_its_size_within_one(height, width):
    torch.manual_seed(0)
    out = ResNet((1, height, width), (3, height, width), width=4, n_blocks=1)(1e3 * torch.randn(2, 1, height, width))
    assert out.shape == (2, 3, height, width) and out.abs().max() <= 1 and out.std() > 0


def test_an_images_map_depends_on_no_other_nor_on_its_brightness_and_contrast():
    """Every image is normalised by itself."""
    torch.manual_seed(0)
    network, x = ResNet((1, 8, 8), (1, 8, 8), width=4, n_blocks=1).double(), torch.randn(3, 1, 8, 8).double()
    torch.testing.assert_close(network(x)[:1], network(x[:1]))
    torch.testing.assert_close(network(100 * x + 7), network(100 * x), rtol=1e-4, atol=1e-4)


def test_edges_are_reflected_so_that_a_mirrored_pattern_stays_one():
    """Of columns that repeat as mirrors do, a reflection at the edge is their continuation: maps stay periodic."""
    torch.manual_seed(0)
    network = ResNet((1, 8, 8), (1, 8, 8), width=4, n_blocks=1)
    first = network.layers[0](torch.arange(8.0).expand(1, 1, 8, 8))
    assert first[0, 0, 3].tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4]


def test_weights_start_as_published():
    torch.manual_seed(0)
    network = ResNet((3, 8, 8), (3, 8, 8), width=32, n_blocks=2)
    for name, p in network.named_parameters():
        if name.endswith("weight"):
            assert p.std().item() == pytest.approx(0.02, rel=0.1) and abs(p.mean().item()) < 0.002
        else:
            assert not p.any()
