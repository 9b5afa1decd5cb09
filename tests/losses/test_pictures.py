import numpy as np
import pytest
import torch

from magan.images.arrays import rotate
from magan.losses.pictures import FEATURES, colour, lightness, thumbnail, turned, turned_back


def pictures(channels: int = 2, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.rand(2, 3, channels, height, width, generator=torch.Generator().manual_seed(0)).double() * 2 - 1


@pytest.mark.parametrize("degrees", [0, 30, 90, 120, -120, 180])
@pytest.mark.parametrize("height, width", [(8, 8), (7, 10)])
def test_images_are_turned_as_the_second_domain_of_digits_is(degrees, height, width):
    x = pictures(height=height, width=width)
    expected = rotate((x.flatten(0, 1).numpy() + 1) / 2, degrees)
    np.testing.assert_allclose(turned(x, degrees).flatten(0, 1), 2 * expected - 1, atol=1e-6)


def test_a_mirrored_image_is_mirrored_before_it_is_turned():
    x = pictures()
    torch.testing.assert_close(turned(x, 0, mirrored=True), x.flip(-1))
    torch.testing.assert_close(turned(x, 90, mirrored=True), torch.rot90(x.flip(-1), 1, (-2, -1)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_turning_back_undoes_it(mirrored):
    x = pictures()
    torch.testing.assert_close(turned_back(turned(x, 90, mirrored), 90, mirrored), x)
    torch.testing.assert_close(turned(turned_back(x, 270, mirrored), 270, mirrored), x)


def test_a_thumbnail_is_the_mean_of_each_field():
    x = pictures()
    expected = x.numpy().reshape(2, 3, 2, 4, 2, 4, 2).mean((4, 6))
    np.testing.assert_allclose(thumbnail(x, 4), expected)
    assert thumbnail(x, None) is x and thumbnail(pictures(height=14, width=14), 4).shape[-2:] == (4, 4)


def test_lightness_forgets_colour_and_colour_forgets_form():
    x = pictures(3)
    np.testing.assert_allclose(lightness(x, 8)[:, :, 0], x.numpy().mean(2))
    np.testing.assert_allclose(colour(x, 8)[..., 0, 0], x.numpy().mean((3, 4)))
    shuffled = x[:, :, [2, 0, 1]]
    torch.testing.assert_close(lightness(shuffled, 4), lightness(x, 4))
    torch.testing.assert_close(colour(x.flip(-1), 4), colour(x, 4))
    assert (colour(shuffled, 4) - colour(x, 4)).abs().max() > 0.01


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_has_a_slope_in_the_image(name):
    x = torch.rand(1, 1, 2, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: FEATURES[name](x, 2), x)
