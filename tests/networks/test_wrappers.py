from functools import partial

import numpy as np
import pytest
import torch

from magan.networks.convolution import Discriminator
from magan.networks.mlp import MLP
from magan.networks.patchgan import Patch
from magan.networks.replicate import Replicated
from magan.networks.wrappers import Dropped, MinibatchDiscriminated, Spectral, Tapped, turn

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
DENSE = partial(MLP, (3,), (1,), (5, 4))
CONVOLUTION = partial(Discriminator, (1, 8, 8), 2)
BOTH = pytest.mark.parametrize("build, x", [(DENSE, X), (CONVOLUTION, IMAGES)], ids=["dense", "convolution"])


def seeded(build, seed: int = 0):
    torch.manual_seed(seed)
    return build()


def test_a_tap_gives_the_output_and_the_last_hidden_activations():
    plain, tapped = seeded(partial(DENSE, features=True)), seeded(partial(Tapped, DENSE))
    out, hidden = plain(X)
    assert torch.equal(tapped(X)[0], out)
    assert torch.equal(tapped(X)[1], hidden[-1])


@BOTH
@pytest.mark.parametrize(
    "wrap",
    [Tapped, partial(MinibatchDiscriminated, n_kernels=3, n_dimensions=2), Spectral],
    ids=["tapped", "minibatch", "spectral"],
)
def test_copies_together_give_what_each_gives_alone(wrap, build, x):
    seeds = [3, 4]
    together = Replicated(partial(wrap, build), seeds)(x.expand(2, *x.shape))
    for r, seed in enumerate(seeds):
        alone = seeded(partial(wrap, build), seed)(x)
        for a, b in zip(*(out if isinstance(out, tuple) else (out,) for out in (together, alone))):
            torch.testing.assert_close(a[r], b)


@BOTH
def test_minibatch_discrimination_starts_as_the_network_alone(build, x):
    wrapped = seeded(partial(MinibatchDiscriminated, build, n_kernels=3, n_dimensions=2))
    assert torch.equal(wrapped(x), seeded(build)(x))


def test_minibatch_discrimination_adds_what_its_formula_says():
    wrapped = seeded(partial(MinibatchDiscriminated, DENSE, n_kernels=3, n_dimensions=2))
    torch.nn.init.ones_(wrapped.score.weight)
    out, features = (a.detach().numpy() for a in wrapped.tapped(X))
    rows = (features @ wrapped.project.weight.detach().numpy()).reshape(6, 3, 2)
    o = np.zeros(6)
    for i in range(6):
        for j in set(range(6)) - {i}:
            o[i] += np.exp(-np.abs(rows[i] - rows[j]).sum(1)).sum()
    np.testing.assert_allclose(wrapped(X).detach().numpy()[:, 0], out[:, 0] + o, rtol=1e-5)


def test_samples_that_are_all_alike_have_the_highest_closeness():
    wrapped = seeded(partial(MinibatchDiscriminated, DENSE, n_kernels=3, n_dimensions=2))
    torch.nn.init.ones_(wrapped.score.weight)
    alike = X[:1].expand(6, 3)
    torch.testing.assert_close(wrapped(alike) - wrapped.tapped(alike)[0], torch.full((6, 1), 3 * 5.0))


def test_minibatch_discrimination_refuses_a_discriminator_without_one_dense_score():
    with pytest.raises(ValueError, match="ends in one dense score; leave it out"):
        MinibatchDiscriminated(partial(MLP, (3,), (2,), (4,)), 3, 2)
    with pytest.raises(ValueError, match="ends in one dense score; leave it out"):
        MinibatchDiscriminated(partial(Patch, (1, 16, 16)), 3, 2)


def test_dropout_leaves_the_input_and_drops_hidden_values_at_its_rate_keeping_their_mean():
    n = 4000
    network = Dropped(partial(MLP, (1,), (1,), (50,), torch.nn.functional.relu), 0.3)
    with torch.no_grad():
        network.network.layers[0].weight.fill_(1.0)
        network.network.layers[1].weight.fill_(1.0)
    out = network(torch.full((n, 1), 2.0), torch.arange(n))[:, 0].detach()
    # 50 hidden values of 2, each kept with probability .7 and then 2 / .7: a binomial count.
    kept = out * 0.7 / 2
    torch.testing.assert_close(kept, kept.round(), rtol=0, atol=1e-3)
    assert abs(out.mean() - 100) < 4 * 2 / 0.7 * np.sqrt(50 * 0.3 * 0.7 / n)
    assert abs(kept.var() - 50 * 0.3 * 0.7) < 1.0


@BOTH
def test_dropout_at_rate_zero_is_no_dropout(build, x):
    assert torch.equal(seeded(partial(Dropped, build, 0.0))(x, torch.arange(6)), seeded(build)(x))


@BOTH
def test_dropout_of_copies_together_is_that_of_each_alone(build, x):
    wrap, rows = partial(Dropped, build, 0.5), torch.arange(12).reshape(2, 6)
    together = Replicated(wrap, [3, 4])(x.expand(2, *x.shape), rows)
    for r, seed in enumerate([3, 4]):
        torch.testing.assert_close(together[r], seeded(wrap, seed)(x, rows[r]))


def matrices(network: Replicated) -> dict[str, torch.Tensor]:
    return {name: w.detach().flatten(2) for name, w in network.weights().items() if w.dim() > 2}


@BOTH
def test_every_matrix_is_divided_by_its_largest_singular_value(build, x):
    network = Replicated(partial(Spectral, build), [0, 1])
    for _ in range(200):
        turn(network.template, network.weights(), network.state())
    divided = Replicated(build, [0, 1])
    with torch.no_grad():
        for name, w in divided.weights().items():
            own = network.weights()[f"network.{name}"]
            norm = torch.linalg.matrix_norm(own.flatten(2), 2) if own.dim() > 2 else torch.ones(2)
            w.copy_(own / norm.reshape(2, *(1,) * (own.dim() - 1)))
    x = x.expand(2, *x.shape)
    torch.testing.assert_close(network(x), divided(x), rtol=1e-4, atol=1e-6)


def test_the_power_iteration_is_moved_by_a_turn_and_by_nothing_else():
    network = Replicated(partial(Spectral, DENSE), [0, 1])
    before = {name: value.clone() for name, value in network.state().items()}
    network(X.expand(2, *X.shape))
    assert all(torch.equal(value, before[name]) for name, value in network.state().items())
    with torch.no_grad():
        for w in network.weights().values():
            w.add_(torch.randn_like(w))
    moved = {name: value.clone() for name, value in network.state().items()}
    turn(network.template, network.weights(), network.state())
    changed = {name for name, value in network.state().items() if not torch.equal(value, moved[name])}
    assert changed == {"u_0", "u_1"}  # that of the last layer, a column, is 1 or -1 whatever its weights


def test_the_spectral_norm_counts_its_vectors_as_constants():
    network = Spectral(partial(MLP, (2,), (1,), (), final_bias=False))
    w = torch.tensor([[3.0], [4.0]])
    with torch.no_grad():
        network.network.layers[0].weight.copy_(w)
        network.u_0.fill_(1.0)
    x = torch.tensor([[1.0, 0.0]])
    out = network(x)
    (slope,) = torch.autograd.grad(out.sum(), network.network.layers[0].weight)
    # out = w1 / |w|, and the derivative of |w| is w / |w|: (w2^2, -w1 w2) / |w|^3.
    torch.testing.assert_close(out, torch.tensor([[0.6]]))
    torch.testing.assert_close(slope, torch.tensor([[16.0], [-12.0]]) / 125)


def test_a_matrix_of_zeros_stays_one_and_is_normalised_once_it_grows():
    network = Replicated(partial(Spectral, partial(MLP, (2,), (2,), (), final_bias=False)), [0])
    weight, x = network.weights()["network.layers.0.weight"], torch.eye(2)[None]
    with torch.no_grad():
        weight.zero_()
    turn(network.template, network.weights(), network.state())
    out = network(x)
    assert torch.equal(out, torch.zeros(1, 2, 2))
    (slope,) = torch.autograd.grad(out.sum(), weight)
    assert slope.isfinite().all()
    with torch.no_grad():
        weight.copy_(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]))
    for _ in range(30):
        turn(network.template, network.weights(), network.state())
    torch.testing.assert_close(network(x)[0], torch.tensor([[1.0, 0.0], [0.0, 1 / 3]]))
