import numpy as np
import pytest

from magan.data.images import digits, from_images, mnist, rotate
from magan.errors import InputError


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


def test_digits_are_in_the_unit_interval():
    adata = digits()
    assert adata.shape == (1797, 64) and adata.X.dtype == np.float32
    assert adata.X.min() == 0 and adata.X.max() == 1
    assert set(adata.obs["cell_type"]) == set("0123456789")


def write_mnist(path, **replace):
    rng = np.random.default_rng(2)
    arrays = {
        "x_train": rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_train": np.array([5, 0, 4]),
        "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([7, 2]),
    }
    arrays = {key: value for key, value in (arrays | replace).items() if value is not None}
    np.savez(path, **arrays)
    return arrays


@pytest.mark.parametrize("size", [28, 14, 7])
def test_mnist_is_averaged_down_training_first(tmp_path, size):
    arrays = write_mnist(tmp_path / "mnist.npz")
    adata = mnist(tmp_path / "mnist.npz", size)
    step = 28 // size
    block = arrays["x_test"][0, :step, -step:].mean() / 255  # the top right pixel of the first test image
    np.testing.assert_allclose(adata.X[3].reshape(size, size)[0, -1], block, rtol=1e-6)
    assert list(adata.obs["split"]) == ["train"] * 3 + ["test"] * 2
    assert list(adata.obs["cell_type"]) == ["5", "0", "4", "7", "2"]
    assert list(adata.uns["image"]["shape"]) == [1, size, size]


def test_a_bad_mnist_file_or_size_is_refused(tmp_path):
    write_mnist(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"size 13 does not divide 28; use one of \[1, 2, 4, 7, 14, 28\]"):
        mnist(tmp_path / "a.npz", 13)
    write_mnist(tmp_path / "b.npz", y_test=None)
    with pytest.raises(
        InputError, match=r"b\.npz lacks an array .*y_test.*; it needs x_train, y_train, x_test, y_test"
    ):
        mnist(tmp_path / "b.npz")
    with pytest.raises(InputError, match="does not exist"):
        mnist(tmp_path / "c.npz")


def test_real_mnist_has_its_published_class_counts(mirror):
    adata = mnist(mirror / "mnist" / "mnist.npz", 14)
    assert adata.shape == (70000, 196)
    train = adata.obs["cell_type"][adata.obs["split"] == "train"].value_counts()
    assert train.sum() == 60000 and train["1"] == 6742 and train["5"] == 5421
    assert adata.X.min() == 0 and 0.9 < adata.X.max() <= 1
