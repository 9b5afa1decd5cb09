import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from magan.losses.path_length import path_lengths
from magan.networks.replicate import Replicated
from magan.networks.resizing import enlarged
from magan.networks.stylegan import Mapping, StyleGenerator, adain, average, mix_styles, n_pixels, truncated
from magan.networks.stylegan2 import Modulated, ResidualDiscriminator, SkipGenerator, levels_of_layers

LEVELS = [0, 0, 1, 1, 2, 2]  # of a `StyleGenerator` with three


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_styled_map_has_the_styles_mean_and_deviation():
    x = 3 + 5 * torch.randn(4, 6, 8, 8)
    scale, offset = torch.rand(4, 6) + 0.5, torch.randn(4, 6)
    out = adain(x, scale, offset)
    torch.testing.assert_close(out.mean((2, 3)), offset, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.std((2, 3), unbiased=False), scale, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adain(2 * x - 7, scale, offset), out, rtol=1e-3, atol=1e-4)


def test_a_mapping_sees_only_the_direction_of_z():
    mapping, z = Mapping(8, 3), torch.randn(5, 8)
    torch.testing.assert_close(mapping(z), mapping(3 * z), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2])
def test_a_styled_level_begins_as_the_one_below_enlarged(n):
    make, w, noise = StyleGenerator(5, 1, 3, 4), torch.randn(2, 6, 5), torch.randn(2, n_pixels(LEVELS))
    begun = make(w, noise, torch.tensor([1.0] * (n - 1) + [0.0]))
    torch.testing.assert_close(begun, enlarged(make(w, noise, torch.ones(n - 1))))
    assert not torch.allclose(begun, make(w, noise, torch.ones(n)))


def images(kind: str, w, noise):
    torch.manual_seed(1)
    if kind == "style":
        make = StyleGenerator(5, 1, 3, 4)
        strengths = [layer.strength for layer in make.styled]
    else:
        make = SkipGenerator(5, 1, 3, 4)
        strengths = [layer.strength for layer in make.layers]
    with torch.no_grad():
        for strength in strengths:
            strength.fill_(0.5)
    return make(w, noise, torch.ones(2)) if kind == "style" else make(w, noise)


@pytest.mark.parametrize("kind, of_layers", [("style", LEVELS), ("skip", levels_of_layers(3))])
def test_every_layer_has_a_style_and_noise_of_its_own(kind, of_layers):
    assert of_layers == (LEVELS if kind == "style" else [0, 1, 1, 2, 2])
    w, noise = torch.randn(2, len(of_layers), 5), torch.randn(2, n_pixels(of_layers))
    usual, start = images(kind, w, noise), 0
    assert usual.shape == (2, 1, 16, 16)
    for layer, level in enumerate(of_layers):
        moved = w.clone()
        moved[0, layer] += 1
        other = images(kind, moved, noise)
        assert not torch.allclose(other[0], usual[0], atol=1e-5) and torch.allclose(other[1], usual[1], atol=1e-6)
        pixel = noise.clone()
        pixel[0, start] += 1  # the first pixel of the layer
        other = images(kind, w, pixel)
        assert not torch.allclose(other[0], usual[0], atol=1e-6) and torch.allclose(other[1], usual[1], atol=1e-6)
        start += (4 * 2**level) ** 2
    assert start == noise.shape[1]


def test_samples_change_to_another_style_at_their_own_layer():
    w, other = torch.zeros(1, 4, 2), torch.ones(1, 4, 2)
    draws = torch.tensor([[[0.95, 0.5], [0.0, 0.0], [0.0, 0.5], [0.89, 0.999]]])
    styles = mix_styles(w, other, draws, n_layers=5, rate=0.9)
    assert styles[0, :, :, 0].tolist() == [[0] * 5, [0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    assert torch.equal(styles[..., 0], styles[..., 1])


def test_truncation_goes_from_the_average_style_to_the_own():
    mapping = Replicated(lambda: Mapping(6, 2), [0, 1])
    z = torch.randn(2, 7, 6)
    w, mean = mapping(z), average(mapping, z)
    assert mean.shape == (2, 1, 6) and torch.equal(mean, average(mapping, torch.randn(2, 3, 6)))
    torch.testing.assert_close(mean, mapping(torch.randn(2, 20_000, 6)).mean(1, keepdim=True), rtol=0, atol=0.15)
    torch.testing.assert_close(truncated(w, mean, 0.0), mean.expand_as(w))
    torch.testing.assert_close(truncated(w, mean, 1.0), w)
    torch.testing.assert_close(truncated(w, mean, 0.7), mean + 0.7 * (w - mean))


@pytest.mark.parametrize("demodulated", [True, False])
def test_a_modulated_convolution_is_one_of_each_samples_own_weights(demodulated):
    layer, x, w = Modulated(3, 4, 5, demodulated=demodulated), torch.randn(2, 3, 6, 6), torch.randn(2, 5)
    out = layer(x, w)
    scale = (1 + layer.style(w)).detach().numpy()
    for i in range(2):
        weight = layer.weight.detach().numpy() / np.sqrt(27) * scale[i][None, :, None, None]
        if demodulated:
            weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True))
        expected = conv2d(x[i : i + 1], torch.from_numpy(weight).float(), padding=1)
        torch.testing.assert_close(out[i : i + 1], expected, rtol=1e-4, atol=1e-5)


def test_demodulation_gives_unit_variance_whatever_the_style():
    layer, x = Modulated(64, 128, 5), torch.randn(4, 64, 10, 10)
    variances = [layer(x, s * torch.randn(4, 5))[..., 1:-1, 1:-1].var().item() for s in (1, 30)]
    assert variances == pytest.approx([1, 1], rel=0.1)


def test_an_image_adds_up_over_sizes():
    make, w, noise = SkipGenerator(5, 1, 2, 4), torch.randn(2, 3, 5), torch.randn(2, n_pixels([0, 1, 1]))
    with torch.no_grad():
        make.colours[1].weight.zero_()
    coarse = make.colours[0](
        make.layers[0](make.constant.expand(2, -1, -1, -1), w[:, 0], noise[:, :16].reshape(2, 1, 4, 4)), w[:, 0]
    )
    torch.testing.assert_close(make(w, noise), enlarged(coarse, smooth=True))


def test_a_residual_discriminator_scores_and_sees_the_minibatch():
    judge, x = ResidualDiscriminator(1, 3, 4), torch.randn(5, 1, 16, 16)
    assert judge(x).shape == (5, 1)
    assert not torch.allclose(judge(x)[:3], judge(x[:3]))


def test_the_length_of_a_linear_path_is_known():
    matrix = torch.randn(2, 3, 12, dtype=torch.float64)  # one matrix for each of two layers: J is both
    w, y = torch.randn(1, 4, 2, 3, dtype=torch.float64), torch.randn(1, 4, 1, 3, 4, dtype=torch.float64)

    def linear(w):
        return torch.einsum("rbln,lnp->rbp", w, matrix).unflatten(2, (1, 3, 4))

    expected = []
    for i in range(4):
        slopes = matrix.numpy() @ y[0, i].numpy().ravel() / np.sqrt(12)  # J'y of each layer
        expected.append(np.sqrt((slopes**2).sum(1).mean()))
    np.testing.assert_allclose(path_lengths(linear, w, y)[0], expected, rtol=1e-10)


def test_path_lengths_train_the_generator():
    weight = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    w, y = torch.randn(1, 2, 1, 3, dtype=torch.float64), torch.randn(1, 2, 1, 2, 4, dtype=torch.float64)

    def lengths(weight):
        return path_lengths(lambda w: torch.tanh(w.squeeze(2) @ weight).unflatten(2, (1, 2, 4)), w, y)

    assert torch.autograd.gradcheck(lengths, (weight,))


def test_squared_lengths_are_on_average_the_slopes_squares_per_pixel():
    matrix = torch.randn(3, 16)
    w, y = torch.randn(1, 20_000, 1, 3), torch.randn(1, 20_000, 1, 4, 4)
    squares = path_lengths(lambda w: (w.squeeze(2) @ matrix).unflatten(2, (1, 4, 4)), w, y).square().mean()
    assert squares.item() == pytest.approx((matrix**2).sum().item() / 16, rel=0.05)
