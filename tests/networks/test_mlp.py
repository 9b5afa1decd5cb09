import math
from functools import partial

import numpy as np
import pytest
import torch

from magan.networks.architectures import Sizes, connected
from magan.networks.mlp import MLP, Linear
from magan.networks.pyramid import Pyramid
from magan.networks.replicate import Replicated
from magan.networks.siamese import Siamese
from magan.networks.translation import scores, symbols, translation


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_linear_layer_is_a_matrix_product():
    layer, x = Linear(3, 2), torch.randn(5, 3)
    layer.bias.data = torch.tensor([1.0, -2.0])
    expected = x.numpy() @ layer.weight.detach().numpy() + [1.0, -2.0]
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-5, atol=1e-6)


def test_weights_start_glorot_uniform_and_biases_at_zero():
    layer = Linear(300, 100)
    bound = math.sqrt(6 / 400)
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not layer.bias.any()


def test_an_mlp_is_relu_between_and_nothing_after():
    network, x = MLP((3,), (2,), (4, 5)), torch.randn(6, 3)
    expected = x.numpy()
    for i, layer in enumerate(network.layers):
        expected = expected @ layer.weight.detach().numpy() + layer.bias.detach().numpy()
        expected = np.maximum(expected, 0) if i < 2 else expected
    np.testing.assert_allclose(network(x).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_an_mlp_that_learns_nothing_is_the_same_and_a_sample_is_mapped_alike_in_any_company(activation):
    network = Replicated(lambda: MLP((40,), (30,), (200, 100, 50), activation, features=True), [0])
    x = torch.randn(1, 300, 40)
    learning, hidden = network(x)
    with torch.no_grad():
        whole, fused = network(x)
        parts = torch.cat([network(part)[0] for part in x.split(7, dim=1)], dim=1)
    assert learning.requires_grad and not whole.requires_grad
    torch.testing.assert_close(whole, learning)
    torch.testing.assert_close(fused, hidden)
    assert torch.equal(parts, whole)


def test_an_mlp_can_give_its_hidden_activations_too():
    network, x = MLP((3,), (1,), (4, 5), features=True), torch.randn(6, 3)
    out, hidden = network(x)
    assert out.shape == (6, 1) and [h.shape for h in hidden] == [(6, 4), (6, 5)]
    torch.testing.assert_close(network.layers[-1](hidden[-1]), out)


def test_an_image_is_a_vector_to_an_mlp():
    torch.manual_seed(0)
    of_images = MLP((1, 4, 4), (1, 2, 2), (5,))
    torch.manual_seed(0)
    of_vectors = MLP((16,), (4,), (5,))
    x = torch.randn(3, 1, 4, 4)
    assert of_images(x).shape == (3, 1, 2, 2)
    assert torch.equal(of_images(x).flatten(1), of_vectors(x.flatten(1)))


def test_a_last_layer_without_bias_maps_zero_to_zero():
    network = MLP((3,), (2,), (), final_bias=False)
    assert not network(torch.zeros(1, 3)).any()
    assert [name for name, _ in network.named_parameters()] == ["layers.0.weight"]


SMALL = connected(Sizes(generator=(8,), discriminator=(8,), siamese=(4,)))


def test_a_generator_of_markers_is_unbounded_and_of_images_within_one():
    markers, images = SMALL.generator((3,), (2,))(), SMALL.generator((1, 4, 4), (1, 4, 4))()
    assert markers(1e3 * torch.randn(50, 3)).abs().max() > 10
    assert images(1e3 * torch.randn(50, 1, 4, 4)).abs().max() <= 1


def test_a_discriminator_gives_one_raw_score_a_sample():
    score = SMALL.discriminator((1, 4, 4))()(1e3 * torch.randn(20, 1, 4, 4))
    assert score.shape == (20, 1) and score.abs().max() > 10


def test_images_too_large_for_connected_layers_are_refused_with_their_shape():
    message = (
        r"an image of \(3, 64, 64\) is too large for fully connected networks; use at most 32 x 32, or another arch"
    )
    large, small = (3, 64, 64), (3, 8, 8)
    for build in (SMALL.generator, lambda a, b: SMALL.discriminator(a), lambda a, b: SMALL.siamese(b, a, 4)):
        with pytest.raises(ValueError, match=message):
            build(large, small)


def test_a_siamese_network_shares_all_but_the_first_layer():
    network = Siamese((3,), (3,), (6, 5), 4)
    x = torch.randn(7, 3)
    s1, s2 = network(x, x)
    assert s1.shape == s2.shape == (7, 4)
    assert not torch.equal(s1, s2)
    network.first_2.load_state_dict(network.first_1.state_dict())
    torch.testing.assert_close(*network(x, x))


def test_no_weight_of_a_siamese_network_only_moves_the_origin_of_its_space():
    """What the losses cannot see has no gradient but rounding noise, which Adam makes into full steps."""
    network = Siamese((3,), (2,), (6, 5), 4)
    s1, s2 = network(torch.randn(20, 3), torch.randn(20, 2))
    differences = sum((s[:, None] - s[None]).pow(2).sum() for s in (s1, s2))
    differences.backward()
    assert all(p.grad.abs().max() > 1e-3 for p in network.parameters())


def test_a_translation_has_a_generator_each_way_and_a_discriminator_of_each_domain():
    networks = {role: build() for role, build in translation({"x1": (3,), "x2": (2,)}, SMALL).items()}
    g12, g21, d1, d2 = symbols(networks)
    x1, x2 = torch.randn(5, 3), torch.randn(5, 2)
    assert g12(x1).shape == (5, 2) and g21(x2).shape == (5, 3)
    assert d1(x1).shape == d2(x2).shape == (5, 1)


def test_scores_in_one_pass_are_those_of_two():
    network = Replicated(partial(MLP, (3,), (1,), (4,)), [0, 1])
    real, fake = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    torch.testing.assert_close(scores(network, real, fake), (network(real), network(fake)))


def test_scores_that_depend_on_the_minibatch_are_of_two_passes():
    network = Replicated(partial(Pyramid, (1, 8, 8), width=2), [0, 1])
    real, fake = torch.randn(2, 5, 1, 8, 8), 3 + torch.randn(2, 5, 1, 8, 8)
    assert all(
        torch.equal(a, b) for a, b in zip(scores(network, real, fake, separate=True), (network(real), network(fake)))
    )
