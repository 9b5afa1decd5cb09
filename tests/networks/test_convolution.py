from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import conv2d, leaky_relu, linear

from magan.networks.convolution import Discriminator, Generator, halvings, start_preserving
from magan.networks.gan_networks import chosen, discriminator, generator, onehot
from magan.networks.replicate import Replicated

MNIST = (1, 28, 28)


def n_weights(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_generator_is_infogans():
    """Dense 1024, dense 7 x 7 x 128, two transposed convolutions of 4 x 4; scale and offset for each that is normed."""
    expected = 64 * 1024 + 2 * 1024 + 1024 * 49 * 128 + 2 * 128 + 128 * 64 * 16 + 2 * 64 + 64 * 16 + 1
    assert n_weights(Generator(64, MNIST)) == expected


@pytest.mark.parametrize("normalised", [False, True])
def test_the_discriminator_is_infogans(normalised):
    """Two convolutions of 4 x 4, dense 1024, one score; where normed, scale and offset in the place of a bias."""
    norm = 2 if normalised else 1
    expected = (16 * 64 + 64) + (64 * 128 * 16 + norm * 128) + (49 * 128 * 1024 + norm * 1024) + (1024 + 1)
    assert n_weights(Discriminator(MNIST, normalised=normalised)) == expected


def test_without_dense_layers_the_generator_is_of_dcgans_kind():
    layers = [m for m in Generator(100, MNIST, dense=()).modules() if isinstance(m, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(100, 7 * 7 * 128)]


@pytest.mark.parametrize(
    "shape, n", [((1, 28, 28), 2), ((3, 32, 32), 2), ((1, 16, 16), 2), ((1, 8, 8), 2), ((1, 14, 14), 1), ((1, 4, 6), 1)]
)
def test_images_of_every_even_size_are_made_and_judged(shape, n):
    assert halvings(shape) == n
    made = Generator(5, shape, 4, (8,))(torch.randn(3, 2), torch.randn(3, 3))
    assert made.shape == (3, *shape) and made.abs().max() <= 1
    score, hidden = Discriminator(shape, 4, (8,), features=True, n_condition=3)(made, torch.randn(3, 3))
    assert score.shape == (3, 1) and len(hidden) == n + 1 and hidden[-1].shape == (3, 8)
    assert hidden[0].shape == (3, 4, shape[1] // 2, shape[2] // 2)


def test_a_small_discriminator_by_hand():
    torch.manual_seed(0)
    network, x = Discriminator((1, 8, 8), 2, (3,)), torch.randn(4, 1, 8, 8)
    (first, a), (second, b), (dense, c), (last, d) = ((layer.weight, layer.bias) for layer in layers_of(network))
    x_2 = leaky_relu(conv2d(leaky_relu(conv2d(x, first, a, 2, 1), 0.2), second, b, 2, 1), 0.2)
    torch.testing.assert_close(network(x), linear(leaky_relu(linear(x_2.flatten(1), dense, c), 0.2), last, d))


def test_an_odd_side_is_refused():
    with pytest.raises(ValueError, match=r"an image of \(1, 7, 7\) has an odd side; use even ones"):
        halvings((1, 7, 7))


def test_no_layer_has_a_bias_before_a_normalisation_and_none_is_normed_first_or_last():
    for network in (Generator(5, MNIST, 4, (8,)), Discriminator(MNIST, 4, (8,), normalised=True)):
        modules = list(network.modules())
        layers = [m for m in modules if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        norms = [m for m in modules if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        with_bias = [layer.bias is not None for layer in layers]
        assert len(norms) == with_bias.count(False) == (3 if isinstance(network, Generator) else 2)
        assert with_bias[-1] and with_bias[0] == isinstance(network, Discriminator)


def layers_of(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize("normalised", [True, False])
def test_weights_start_narrow_where_normalised_and_biases_at_zero(normalised):
    torch.manual_seed(0)
    network = Discriminator(MNIST, 8, (64,), normalised=normalised)
    weights = torch.cat([layer.weight.flatten() for layer in layers_of(network)])
    assert abs(weights.mean()) < 1e-3 and (abs(weights.std() - 0.02) < 1e-3) == normalised
    assert not any(layer.bias.any() for layer in layers_of(network) if layer.bias is not None)


@pytest.mark.parametrize("build", [Discriminator, partial(Generator, 64)])
def test_signals_keep_their_size_through_layers_without_normalisation(build):
    torch.manual_seed(0)
    network = build((1, 32, 32), 32, (256,), normalised=False)
    sizes = []
    for layer in layers_of(network):
        layer.register_forward_hook(lambda layer, given, made: sizes.append(made.square().mean().item()))
    network(torch.randn(64, 64) if build is not Discriminator else torch.randn(64, 1, 32, 32))
    assert len(sizes) == 4 and all(0.8 < size < 3 for size in sizes)  # with borders, to which less is heard


def test_a_condition_changes_the_score_and_the_sample():
    x, one, other = torch.randn(2, *MNIST), torch.eye(3)[[0, 0]], torch.eye(3)[[1, 1]]
    judge, make = Discriminator(MNIST, 4, (8,), n_condition=3), Generator(5, MNIST, 4, (8,), normalised=False)
    assert not torch.equal(judge(x, one), judge(x, other))
    hear = Discriminator(MNIST, 4, (8,), n_condition=3, features=True)  # already in the first maps
    assert not torch.equal(hear(x, one)[1][0], hear(x, other)[1][0])
    z = torch.randn(2, 2)
    assert not torch.equal(make(z, one), make(z, other))


@pytest.mark.parametrize("build", [partial(Generator, 5, (1, 8, 8), 4, (8,)), generator(5, (4,), width=2)])
def test_copies_make_what_they_make_alone(build):
    z = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    made = Replicated(build, [3, 5])(z)
    for r, seed in enumerate([3, 5]):
        torch.testing.assert_close(made[r], Replicated(build, [seed])(z[r : r + 1])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "build, shapes",
    [
        (partial(Generator, 5, (1, 8, 8), 4, (8,)), [(5,)]),
        (partial(Discriminator, (1, 8, 8), 4, (8,), n_condition=2, normalised=True), [(1, 8, 8), (2,)]),
    ],
)
def test_mapping_over_the_copies_as_on_a_gpu_gives_what_each_gives(build, shapes):
    network = Replicated(build, [3, 5])
    x = [torch.randn(2, 6, *shape, generator=torch.Generator().manual_seed(0)) for shape in shapes]
    weights = {name.replace("/", "."): value for name, value in network.parameters_.items()}
    mapped = torch.vmap(lambda own, *inputs: functional_call(network.template, own, inputs))(weights, *x)
    torch.testing.assert_close(mapped, network(*x), rtol=1e-5, atol=1e-6)
    slopes = [torch.autograd.grad(made.pow(2).sum(), list(weights.values())) for made in (mapped, network(*x))]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "shape, architecture, expected",
    [
        (MNIST, "auto", "convolution"),
        ((1, 7, 7), "auto", "mlp"),
        ((2,), "auto", "mlp"),
        (MNIST, "mlp", "mlp"),
        (MNIST, "convolution", "convolution"),
    ],
)
def test_images_with_even_sides_get_convolutions_and_all_else_dense_layers(shape, architecture, expected):
    assert chosen(shape, architecture) == expected


@pytest.mark.parametrize(
    "shape, architecture, sentence",
    [
        (MNIST, "resnet", "architecture 'resnet' is unknown; there are auto, convolution, mlp"),
        ((2,), "convolution", "samples of shape (2,) are no images, which convolutions need; set architecture: mlp"),
        ((1, 7, 7), "convolution", "an image of (1, 7, 7) has an odd side; use even ones, or architecture: mlp"),
    ],
)
def test_an_architecture_that_cannot_be_is_refused(shape, architecture, sentence):
    with pytest.raises(ValueError) as error:
        chosen(shape, architecture)
    assert str(error.value) == sentence


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
@pytest.mark.parametrize("architecture", ["auto", "mlp"])
def test_either_architecture_is_called_alike(shape, architecture):
    G = Replicated(generator(7, shape, architecture, 2), [0, 1])  # noqa: N806
    D = Replicated(discriminator(shape, architecture, 2, n_condition=3, n_out=4, features=True), [0, 1])  # noqa: N806
    label = onehot(torch.tensor([[0, 2, 1]] * 2), 3)
    made = G(torch.randn(2, 3, 4), label)
    score, hidden = D(made, label)
    assert made.shape == (2, 3, *shape) and score.shape == (2, 3, 4) and hidden[-1].shape[:2] == (2, 3)


def test_a_class_is_one_among_zeros():
    assert onehot(torch.tensor([[0, 2]]), 3).tolist() == [[[1, 0, 0], [0, 0, 1]]]


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(24, 32, 3), lambda: nn.Linear(200, 60)])
def test_weights_that_preserve_signals_are_those_of_kaiming(make):
    """He et al.'s start as PyTorch has it, from the same random numbers."""
    ours, theirs = make(), make()
    torch.manual_seed(1)
    start_preserving(ours)
    torch.manual_seed(1)
    nn.init.kaiming_normal_(theirs.weight, a=0.2)
    torch.testing.assert_close(ours.weight, theirs.weight)
    assert not ours.bias.any()
