import numpy as np
import pytest
from scipy import ndimage

from magan.datasets import mnist as sets
from magan.errors import InputError
from magan.images.arrays import images_of, pixels, shape_of, shrink


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
    adata = sets.mnist(tmp_path / "mnist.npz", size)
    step = 28 // size
    block = arrays["x_test"][0, :step, -step:].mean() / 255  # the top right pixel of the first test image
    np.testing.assert_allclose(pixels(adata)[3].reshape(size, size)[0, -1], block, rtol=1e-6)
    assert adata.X.dtype == (np.uint8 if size == 28 else np.float32)
    assert list(adata.obs["pair"]) == list("01234") and list(adata.obs["split"]) == ["train"] * 3 + ["test"] * 2
    assert list(adata.obs["cell_type"]) == ["5", "0", "4", "7", "2"]
    assert list(adata.uns["image"]["shape"]) == [1, size, size]


def test_a_bad_mnist_file_or_size_is_refused(tmp_path):
    write_mnist(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"size 13 does not divide 28; use one of \[1, 2, 4, 7, 14, 28\]"):
        sets.mnist(tmp_path / "a.npz", 13)
    write_mnist(tmp_path / "b.npz", y_test=None)
    with pytest.raises(
        InputError, match=r"b\.npz lacks an array .*y_test.*; it needs x_train, y_train, x_test, y_test"
    ):
        sets.mnist(tmp_path / "b.npz")
    with pytest.raises(InputError, match="does not exist"):
        sets.mnist(tmp_path / "c.npz")


@pytest.fixture
def path(tmp_path):
    """Fifteen digits of noisy blobs: strokes with an inside, and grey rims."""
    random = np.random.default_rng(6)
    images = np.zeros((15, 28, 28), np.uint8)
    images[:, 8:20, 10:17] = random.integers(1, 256, (15, 12, 7))
    images[:, 10:18, 11:16] = 255
    write_mnist(tmp_path / "mnist.npz", x_train=images, y_train=np.arange(15) % 10)
    return tmp_path / "mnist.npz"


def test_sets_made_of_digits_share_their_pairs_classes_and_bytes(path):
    whole = sets.mnist(path, 28)
    for make in (sets.plain, sets.background, sets.edges, sets.coloured):
        adata, again = make(path), make(path)
        assert adata.X.dtype == np.uint8 and list(adata.obs["pair"]) == list(whole.obs["pair"][:15])
        np.testing.assert_array_equal(adata.X, again.X)
        digit = adata.obs["digit"] if "digit" in adata.obs else adata.obs["cell_type"]
        assert list(digit) == list(whole.obs["cell_type"][:15])
    np.testing.assert_array_equal(sets.plain(path).X, whole.X[:15])


def test_a_background_is_seen_around_the_ink_and_hidden_behind_it(path):
    ink, adata = images_of(sets.plain(path)).astype(float), sets.background(path)
    shown, what = images_of(adata), adata.layers["object"].reshape(ink.shape)
    assert (shown[ink == 255] == 255).all() and (shown >= ink).all()
    np.testing.assert_array_equal(what == 1, ink > 0)
    behind = shown[what == 0].reshape(15, -1)
    assert behind.max() <= sets.BRIGHTEST and (behind.std(axis=1) > 20).all()
    assert len({row.tobytes() for row in behind}) == 15  # each image has its own
    noise = np.random.default_rng([28, 1]).random(ink.shape, np.float32)[4, 0]  # each image is smoothed by itself
    smooth = ndimage.gaussian_filter(noise, sets.GRAIN, mode="wrap")
    own = (smooth - smooth.min()) / np.ptp(smooth) * sets.BRIGHTEST
    np.testing.assert_allclose(shown[4, 0][ink[4, 0] == 0], own[ink[4, 0] == 0], atol=0.51)
    cloud = np.median(((shown - ink) / np.maximum(1 - ink / 255, 1e-9))[ink == 0])
    assert 40 < cloud < 120


def test_an_edge_is_ink_beside_which_there_is_none(path):
    ink, edges = images_of(sets.plain(path))[:, 0] >= sets.INK, images_of(sets.edges(path))[:, 0]
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    beside = [padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]]
    np.testing.assert_array_equal(edges, 255 * (ink & ~np.all(beside, axis=0)))
    assert (edges[:, 13, 13] == 0).all() and edges.any(axis=(1, 2)).all()


def test_a_coloured_digit_is_the_digit_in_the_colour_of_its_caption(path):
    adata = sets.coloured(path)
    assert list(adata.obs["cell_type"]) == [f"{c} {d}" for c, d in zip(adata.obs["colour"], adata.obs["digit"])]
    ink = images_of(sets.plain(path))[:, 0]
    for image, colour, grey in zip(images_of(adata), adata.obs["colour"], ink):
        np.testing.assert_array_equal(image, np.array(sets.COLOURS[colour])[:, None, None] * grey)
    assert adata.obs["colour"].nunique() > 2


def test_a_moving_digit_keeps_its_shape_its_direction_and_its_frame(path):
    adata = sets.moving(path)
    assert shape_of(adata) == (sets.FRAMES, 28, 28)
    small = shrink(images_of(sets.plain(path)), 14)[:, 0]
    directions = set()
    for frames, digit in zip(images_of(adata).astype(float), small):
        assert np.allclose(frames.sum(axis=(1, 2)), digit.sum())  # nothing leaves the frame
        r, c = np.mgrid[:28, :28]
        centres = np.array([[(frame * r).sum(), (frame * c).sum()] for frame in frames]) / digit.sum()
        steps = np.diff(centres, axis=0)
        step = steps[0].round()
        np.testing.assert_allclose(steps, np.broadcast_to(step, steps.shape), atol=1e-9)
        assert 1 <= np.abs(step).max() <= sets.FASTEST
        directions.add(tuple(step))
    assert len(directions) > 5


def test_real_mnist_has_its_published_class_counts(mirror):
    adata = sets.mnist(mirror / "mnist" / "mnist.npz", 14)
    assert adata.shape == (70000, 196)
    train = adata.obs["cell_type"][adata.obs["split"] == "train"].value_counts()
    assert train.sum() == 60000 and train["1"] == 6742 and train["5"] == 5421
    assert adata.X.min() == 0 and 0.9 < adata.X.max() <= 1
