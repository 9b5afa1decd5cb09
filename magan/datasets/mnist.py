"""MNIST, and image sets derived from its first digits, so that true partners are known.

Random numbers come from fixed seeds, so the sets are equal on every machine. ``obs["pair"]`` is the row in MNIST, in
every set whose images show a single digit, so any two of these sets can be paired.
"""

from pathlib import Path

import numpy as np
from anndata import AnnData
from scipy import ndimage

from magan import keys
from magan.errors import InputError
from magan.images.arrays import from_images, shrink

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
N = 10_000  # digits of a derived set: the first of MNIST
SIDE = 28
INK = 128  # least byte of a pixel of a stroke
COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "magenta": (1, 0, 1),
    "cyan": (0, 1, 1),
}
BRIGHTEST, GRAIN = 160, 1.5  # background: brightest byte, and width of the smoothing in pixels
FRAMES, DIGIT, FASTEST = 6, 14, 2  # sequence: number of frames, side of the digit and fastest step in pixels


def mnist(path: Path | str, size: int = 14) -> AnnData:
    """Read MNIST's 60,000 training and 10,000 test digits, 28 x 28, averaged to ``size`` x ``size``.

    Parameters
    ----------
    path
        An npz file with x_train, y_train, x_test, y_test; images ``(n, 28, 28)`` uint8.
    size
        A divisor of 28. Pixels are bytes if it is 28, otherwise float32 in [0, 1].

    Returns
    -------
    AnnData
        Training digits first; ``obs["split"]`` is "train" or "test", ``obs["pair"]`` the row.

    Raises
    ------
    InputError
        The file is missing or lacks an array, or ``size`` does not divide the images.
    """
    x_train, y_train, x_test, y_test = _arrays(path)
    images = np.concatenate([x_train, x_test])
    side = images.shape[-1]
    if not 0 < size <= side or side % size:
        divisors = [n for n in range(1, side + 1) if side % n == 0]
        raise InputError(f"MNIST size {size} does not divide {side}; use one of {divisors}")
    step = side // size
    if step > 1:
        images = images.reshape(len(images), size, step, size, step).mean(axis=(2, 4), dtype=np.float32) / 255
    adata = from_images(images[:, None], np.concatenate([y_train, y_test]), pairs=range(len(images)))
    adata.obs[keys.SPLIT] = np.repeat(["train", "test"], [len(x_train), len(x_test)])
    return adata


def plain(path: Path | str) -> AnnData:
    """Read the first digits without a change, the counterpart of `background`."""
    images, labels = _first(path)
    return _set(images, labels)


def background(path: Path | str) -> AnnData:
    """Make the first digits on a cloudy background, different for each digit and up to 5/8 as bright as ink.

    To remove the background is a many-to-one map, so no inverse map can restore the background. ``layers["object"]`` is
    1 where there is ink.
    """
    images, labels = _first(path)
    clouds = np.random.default_rng([SIDE, 1]).random(images.shape, np.float32)
    clouds = ndimage.gaussian_filter(clouds, (0, 0, GRAIN, GRAIN), mode="wrap")
    low, high = clouds.min(axis=(2, 3), keepdims=True), clouds.max(axis=(2, 3), keepdims=True)
    clouds = (clouds - low) / (high - low) * BRIGHTEST
    adata = _set(np.rint(images + (1 - images / np.float32(255)) * clouds).astype(np.uint8), labels)
    adata.layers[keys.OBJECT] = (images > 0).astype(np.uint8).reshape(len(images), -1)
    return adata


def edges(path: Path | str) -> AnnData:
    """Make outlines of the first digits, white on black: stroke pixels with a neighbour (of 4) outside the stroke."""
    images, labels = _first(path)
    ink = images >= INK
    inside = ndimage.binary_erosion(ink, ndimage.generate_binary_structure(2, 1)[None, None])
    return _set((ink & np.logical_not(inside)).astype(np.uint8) * 255, labels)


def coloured(path: Path | str) -> AnnData:
    """Make the first digits in six colours, ``(3, 28, 28)``.

    The class is a caption such as "red 3"; ``obs["digit"]`` and ``obs["colour"]`` are its words.
    """
    images, labels = _first(path)
    colour = np.random.default_rng([SIDE, 2]).integers(len(COLOURS), size=len(images))
    shade = np.array(list(COLOURS.values()), np.uint8)[colour]
    words = np.array(list(COLOURS))[colour]
    adata = _set(images * shade[:, :, None, None], [f"{word} {label}" for word, label in zip(words, labels)])
    adata.obs[keys.DIGIT], adata.obs[keys.COLOUR] = labels.astype(str), words
    return adata


def moving(path: Path | str) -> AnnData:
    """Make sequences of six frames ``(6, 28, 28)`` in which a digit of 14 pixels moves in a straight line.

    It moves by -2 to 2 whole pixels per frame along each axis, never stands still and never leaves the frame.
    """
    images, labels = _first(path)
    small = shrink(images, DIGIT)[:, 0]
    random = np.random.default_rng([SIDE, 3])
    steps = np.array([(y, x) for y in range(-FASTEST, FASTEST + 1) for x in range(-FASTEST, FASTEST + 1) if y or x])
    step = steps[random.integers(len(steps), size=len(small))]
    way = step * (FRAMES - 1)
    low, high = -np.minimum(way, 0), SIDE - DIGIT - np.maximum(way, 0)
    start = random.integers(low, high, endpoint=True)
    frames = np.zeros((len(small), FRAMES, SIDE, SIDE), np.uint8)
    for i, digit in enumerate(small):
        for t, (top, left) in enumerate(start[i] + step[i] * np.arange(FRAMES)[:, None]):
            frames[i, t, top : top + DIGIT, left : left + DIGIT] = digit
    return from_images(frames, labels)


def _first(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Read the first training digits ``(n, 1, 28, 28)`` uint8, and their labels."""
    images, labels, _, _ = _arrays(path)
    return images[:N, None], labels[:N]


def _set(images: np.ndarray, labels: np.ndarray | list[str]) -> AnnData:
    return from_images(images, labels, pairs=range(len(images)))


def _arrays(path: Path | str) -> tuple[np.ndarray, ...]:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"MNIST file {path} does not exist; check the path")
    try:
        with np.load(path) as arrays:
            return tuple(arrays[name] for name in ARRAYS)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise InputError(f"MNIST file {path} lacks an array ({error}); it needs {', '.join(ARRAYS)}") from error
