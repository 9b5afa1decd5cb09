from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call

from magan.networks.mlp import MLP
from magan.networks.patchgan import Patch
from magan.networks.pyramid import Pyramid
from magan.networks.replicate import Replicated, role_seed
from magan.networks.resnet import ResNet
from magan.networks.siamese import Siamese, SiamesePyramid
from magan.networks.unet import UNet

SEEDS = [3, 5, 11]
NETWORKS = {
    "markers": (partial(MLP, (4,), (3,), (6, 5)), [(4,)]),
    "images": (partial(MLP, (1, 3, 3), (1, 3, 3), (6,), final=torch.tanh), [(1, 3, 3)]),
    "features": (partial(MLP, (4,), (1,), (6, 5), features=True), [(4,)]),
    "siamese": (partial(Siamese, (4,), (3,), (6, 5), 7), [(4,), (3,)]),
    "resnet": (partial(ResNet, (1, 9, 9), (2, 9, 9), 4, 1), [(1, 9, 9)]),
    "patch": (partial(Patch, (2, 9, 9), 4, 1, features=True), [(2, 9, 9)]),
    "unet": (partial(UNet, (1, 9, 9), (2, 9, 9), 4, 3), [(1, 9, 9), (8, 2, 2), (4, 4, 4)]),  # two of them dropout's
    "encoder_decoder": (partial(UNet, (1, 9, 9), (2, 9, 9), 4, 2, skips=False), [(1, 9, 9)]),
    "pyramid": (partial(Pyramid, (1, 16, 16), 1, 4, features=True), [(1, 16, 16)]),
    "siamese pyramid": (partial(SiamesePyramid, (1, 16, 16), (2, 16, 16), 4, 7), [(1, 16, 16), (2, 16, 16)]),
}


class Centred(nn.Module):
    """A network that knows nothing of replicates, with a buffer and a dotted parameter name."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 2)
        self.register_buffer("centre", torch.randn(4))

    def forward(self, x):
        return self.inner(x - self.centre)


def inputs(shapes, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(len(SEEDS), 8, *shape, generator=generator) for shape in shapes]


def outputs(result) -> list[torch.Tensor]:
    """The tensors of a network's result, one after another."""
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in outputs(part)]


def alone(build, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build()


def gradients(network: Replicated, x: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    network.zero_grad()
    sum(t.pow(2).sum() for t in outputs(network(*x))).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batched_pass_equals_mapping_over_the_copies(name):
    build, shapes = NETWORKS[name]
    network, x = Replicated(build, SEEDS), inputs(shapes)
    batched, slopes = outputs(network(*x)), gradients(network, x)
    network.template.broadcasts = False
    torch.testing.assert_close(outputs(network(*x)), batched, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients(network, x), slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_copies_equal_separate_networks(name):
    build, shapes = NETWORKS[name]
    network, x = Replicated(build, SEEDS), inputs(shapes)
    together = outputs(network(*x))
    for r, seed in enumerate(SEEDS):
        separate = outputs(alone(build, seed)(*(part[r] for part in x)))
        torch.testing.assert_close([t[r] for t in together], separate, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_starts_from_the_weights_of_its_seed_alone(name):
    build, _ = NETWORKS[name]
    state = Replicated(build, SEEDS).state()
    for r, seed in enumerate(SEEDS):
        for key, value in alone(build, seed).state_dict().items():
            assert torch.equal(state[key][r], value)


def test_a_network_that_knows_nothing_of_replicates_is_mapped_with_its_buffers():
    network, x = Replicated(Centred, SEEDS), inputs([(4,)])[0]
    assert set(network.state()) == {"inner.weight", "inner.bias", "centre"}
    for r, seed in enumerate(SEEDS):
        torch.testing.assert_close(network(x)[r], alone(Centred, seed)(x[r]))


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Replicated(Centred, SEEDS)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_broken_replicate_leaves_its_neighbours_alone(name):
    build, shapes = NETWORKS[name]
    network, x = Replicated(build, SEEDS), inputs(shapes)
    whole = gradients(network, x)
    for part in x:
        part[1] = torch.nan
    for key, slope in gradients(network, x).items():
        assert slope[1].isnan().any()
        assert torch.equal(slope[[0, 2]], whole[key][[0, 2]])


def test_selected_copies_map_as_they_did():
    for build, shapes in (*NETWORKS.values(), (Centred, [(4,)])):
        network, x = Replicated(build, SEEDS), inputs(shapes)
        part = network.select([2, 0])
        expected = [t[[2, 0]] for t in outputs(network(*x))]
        torch.testing.assert_close(outputs(part(*(t[[2, 0]] for t in x))), expected, rtol=1e-5, atol=1e-6)
        assert not any(p.requires_grad for p in part.parameters())


def test_selected_copies_keep_their_weights_when_the_others_train_on():
    network = Replicated(Centred, SEEDS)
    part = network.select([1])
    before = {name: value.clone() for name, value in part.state().items()}
    with torch.no_grad():
        for p in network.parameters():
            p += 1
    torch.testing.assert_close(part.state(), before, rtol=0, atol=0)


def test_put_overwrites_the_named_copies_and_no_other():
    network, other = Replicated(Centred, SEEDS), Replicated(Centred, [7, 8])
    before = {name: value.clone() for name, value in network.state().items()}
    network.put([2, 0], other.state())
    for name, value in network.state().items():
        assert torch.equal(value[2], other.state()[name][0]) and torch.equal(value[0], other.state()[name][1])
        assert torch.equal(value[1], before[name][1])


def test_a_state_put_back_restores_the_network():
    network, x = Replicated(Centred, SEEDS), inputs([(4,)])[0]
    copy = Replicated(Centred, [0] * len(SEEDS))
    copy.put(range(len(SEEDS)), network.state())
    assert torch.equal(copy(x), network(x))


def test_roles_and_seeds_give_different_starts():
    roles = ("discriminator_1", "discriminator_2", "retry")
    assert len({role_seed(seed, role) for seed in range(100) for role in roles}) == 300
    assert role_seed(3, "retry") == role_seed(3, "retry")


class Convolved(nn.Module):
    """With running statistics, as a batch normalisation keeps them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("name", [*NETWORKS, "convolved"])
def test_mapping_over_copies_equals_calling_them_one_by_one(name):
    """What a GPU does and what a CPU does, outputs, gradients and running statistics alike."""
    build, shapes = (NETWORKS | {"convolved": (Convolved, [(1, 6, 6)])})[name]
    x = [part.double() for part in inputs(shapes)]
    one, other = (Replicated(build, SEEDS).double() for _ in range(2))
    held = [
        {key.replace("/", "."): value for key, value in part.items()}
        for part in (one.parameters_, dict(one.buffers_.named_buffers()))
    ]
    mapped = torch.vmap(lambda p, b, x: functional_call(one.template, (p, b), x))(*held, tuple(x))
    called = other(*x)
    torch.testing.assert_close(outputs(mapped), outputs(called))
    for result in (mapped, called):
        sum(t.square().sum() for t in outputs(result)).backward()
    for (_, a), (_, b) in zip(one.parameters_.items(), other.parameters_.items()):
        torch.testing.assert_close(a.grad, b.grad)
    for a, b in zip(one.buffers_.buffers(), other.buffers_.buffers()):
        torch.testing.assert_close(a, b)
