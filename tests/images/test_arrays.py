import numpy as np
import pytest

from magan.images.arrays import digits, from_images, images_of, pixels, rotate, shape_of, shrink, with_channels


@pytest.fixture
def noise():
    return np.random.default_rng(0).random((3, 2, 8, 8)).astype(np.float32)


def disc(side):
    """A smooth blob off the centre of a dark image, well inside the inscribed circle."""
    r, c = np.mgrid[:side, :side]
    return np.exp(-((r - side * 0.4) ** 2 + (c - side * 0.6) ** 2) / (2 * (side / 10) ** 2))[None, None]


def test_no_turn_and_a_full_turn_change_nothing(noise):
    np.testing.assert_array_equal(rotate(noise, 0), noise)
    np.testing.assert_array_equal(rotate(noise, 360), noise)
    assert rotate(noise, 30).dtype == np.float32 and rotate(noise, 30).shape == noise.shape


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("side", [7, 8])
def test_quarter_turns_are_exact_and_counter_clockwise(quarters, side):
    images = np.random.default_rng(1).random((2, 1, side, side))
    expected = np.rot90(
        images, quarters, axes=(2, 3)
    )  # numpy turns from the first axis towards the second: counter-clockwise
    np.testing.assert_allclose(rotate(images, 90 * quarters), expected, atol=1e-12)


def test_four_quarter_turns_are_none(noise):
    turned = noise
    for _ in range(4):
        turned = rotate(turned, 90)
    np.testing.assert_allclose(turned, noise, atol=1e-6)


def test_three_turns_of_120_degrees_give_back_what_is_inside():
    image = disc(48)
    turned = rotate(rotate(rotate(image, 120), 120), 120)
    assert np.abs(turned - image).max() < 0.05  # three interpolations blur a little
    assert np.abs(rotate(image, 120) - image).max() > 0.5


@pytest.mark.parametrize("degrees", [25, 120, -70])
def test_the_centre_of_mass_turns_by_the_angle(degrees):
    image = disc(48)
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(centre(rotate(image, degrees)), matrix @ centre(image), atol=0.02)


def centre(image):
    """Centre of mass about the middle, x to the right and y upwards, in pixels."""
    r, c = np.mgrid[: image.shape[2], : image.shape[3]] - (image.shape[2] - 1) / 2
    return np.array([(image[0, 0] * c).sum(), -(image[0, 0] * r).sum()]) / image.sum()


def test_images_stay_in_range_and_the_outside_is_zero(noise):
    turned = rotate(np.ones_like(noise), 45)
    assert turned.min() == 0 and turned.max() <= 1 + 1e-6
    assert (turned[:, :, 0, 0] == 0).all()
    np.testing.assert_allclose(turned[:, :, 3:5, 3:5], 1, atol=1e-6)


def test_images_become_rows_and_back(noise):
    adata = from_images(noise, np.array([3, 1, 4]))
    assert list(adata.obs["cell_type"]) == ["3", "1", "4"]
    assert adata.uns["image"]["shape"] == [2, 8, 8]
    np.testing.assert_array_equal(adata.X.reshape(-1, 2, 8, 8), noise)
    assert list(adata.var_names[[0, -1]]) == ["0", "127"]


def test_bytes_stay_bytes_and_are_read_as_the_same_pixels():
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    adata = from_images(images, names=["a"], pairs=["x"])
    assert adata.X.dtype == np.uint8 and list(adata.obs["pair"]) == ["x"] and list(adata.obs_names) == ["a"]
    np.testing.assert_array_equal(pixels(adata), pixels(from_images(images / np.float32(255))))
    np.testing.assert_array_equal(pixels(adata)[0], np.arange(256, dtype=np.float32) / np.float32(255))
    assert shape_of(adata) == (1, 16, 16)
    np.testing.assert_array_equal(images_of(adata), images)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_a_shrunken_pixel_is_the_mean_over_its_area(size):
    images = np.random.default_rng(3).random((2, 3, 6, 12)).astype(np.float32)
    fine = images.repeat(size, 2).repeat(size, 3)  # each old pixel in so many parts that none lies in two new ones
    expected = fine.reshape(2, 3, size, 6, size, 12).mean(axis=(3, 5))
    np.testing.assert_allclose(shrink(images, size), expected, atol=1e-6)


def test_shrunken_bytes_are_rounded_bytes():
    images = np.random.default_rng(4).integers(0, 256, (300, 1, 9, 9), dtype=np.uint8)
    small = shrink(images, 3)
    assert small.dtype == np.uint8
    mean = images.reshape(300, 1, 3, 3, 3, 3).astype(float).mean(axis=(3, 5))
    assert np.abs(small - mean).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(shrink(images, 9), images)
    np.testing.assert_array_equal(shrink(np.full((1, 1, 7, 7), 255, np.uint8), 4), 255)


def test_grey_is_copied_to_three_channels_and_colours_become_their_brightness():
    grey = np.random.default_rng(5).integers(0, 256, (2, 1, 3, 3), dtype=np.uint8)
    coloured = with_channels(grey, 3)
    assert coloured.shape == (2, 3, 3, 3) and (coloured == grey).all()
    np.testing.assert_array_equal(with_channels(coloured, 1), grey)
    green = np.zeros((1, 3, 1, 1), np.float32)
    green[0, 1] = 1
    assert with_channels(green, 1).item() == pytest.approx(0.587)


def test_digits_are_in_the_unit_interval():
    adata = digits()
    assert adata.shape == (1797, 64) and adata.X.dtype == np.float32
    assert adata.X.min() == 0 and adata.X.max() == 1
    assert set(adata.obs["cell_type"]) == set("0123456789")
