import numpy as np
import pytest
import torch

from magan.networks.equalised import Convolution, Dense, active, pixel_norm, widths, with_deviation


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("gain", [1.0, 2**0.5])
def test_layers_keep_the_variance_whatever_their_width(gain):
    for n in (10, 1000):
        out = torch.stack([Dense(n, 50, gain)(torch.randn(20, n)) for _ in range(5)])
        assert out.var().item() == pytest.approx(gain**2, rel=0.15)
    x = torch.randn(4, 30, 20, 20)
    assert Convolution(30, 40, 3, gain)(x)[..., 1:-1, 1:-1].var().item() == pytest.approx(gain**2, rel=0.15)


def test_weights_start_from_a_standard_normal_distribution_in_every_layer():
    for layer in (Dense(400, 100), Convolution(40, 30), Convolution(2000, 5, 1)):
        assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
        assert not layer.bias.any()


def test_a_slow_layer_starts_as_any_other_and_its_weights_do_less():
    slow, x = Dense(300, 100, gain=1, rate=0.01), torch.randn(50, 300)
    assert slow(x).var().item() == pytest.approx(1, rel=0.1)
    quick = Dense(300, 100, gain=1)
    (moved_slow,), (moved_quick,) = (torch.autograd.grad(layer(x).sum(), [layer.bias]) for layer in (slow, quick))
    torch.testing.assert_close(moved_slow, 0.01 * moved_quick)
    (moved_slow,), (moved_quick,) = (torch.autograd.grad(layer(x).sum(), [layer.weight]) for layer in (slow, quick))
    torch.testing.assert_close(moved_slow, 0.01 * moved_quick)


def test_the_activation_has_slope_one_above_zero_and_a_fifth_below():
    torch.testing.assert_close(active(torch.tensor([-5.0, 0.0, 3.0])), torch.tensor([-1.0, 0.0, 3.0]))


def test_every_pixel_has_maps_of_unit_mean_square():
    x = torch.randn(3, 5, 4, 4)
    normed = pixel_norm(x)
    torch.testing.assert_close(normed.square().mean(1), torch.ones(3, 4, 4))
    torch.testing.assert_close(normed, pixel_norm(7 * x))
    expected = x.numpy() / np.sqrt((x.numpy() ** 2).mean(1, keepdims=True))
    np.testing.assert_allclose(normed, expected, rtol=1e-5)


def test_the_added_map_says_how_much_samples_differ():
    x = torch.randn(6, 3, 4, 4)
    more = with_deviation(x)
    assert torch.equal(more[:, :3], x)
    torch.testing.assert_close(more[:, 3], torch.full((6, 4, 4), x.numpy().std(0).mean().item()))
    shuffled = with_deviation(x[torch.tensor([3, 1, 5, 0, 2, 4])] + torch.randn(3, 4, 4))
    torch.testing.assert_close(shuffled[:, 3], more[:, 3])
    assert with_deviation(x[:1].expand(6, -1, -1, -1))[:, 3].abs().max() < 1e-3


def test_maps_double_at_each_coarser_level_up_to_a_bound():
    assert widths(4, 16, 512) == [128, 64, 32, 16]
    assert widths(4, 16, 50) == [50, 50, 32, 16]
