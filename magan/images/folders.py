"""Image files in folders, read whole or refused by name: nothing is dropped or guessed in silence."""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from magan.errors import InputError
from magan.images.arrays import shrink, with_channels

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
BYTE, WORD = 255, 65535  # the brightest pixel of 8 and of 16 bits


@dataclass(frozen=True)
class Form:
    """What all images of a set are to be: see `formed`."""

    size: int | None = None
    crop: str = "centre"  # or "none"
    channels: int | None = None


@dataclass(frozen=True)
class Folder:
    """``images`` ``(n, C, H, W)`` and their places in the folder, the places of other files, a digest of all images."""

    images: np.ndarray
    places: tuple[str, ...]
    others: tuple[str, ...]
    sha256: str


def read_folder(path: Path, form: Form, name: str) -> Folder:
    """The images of a folder and of its sub-folders, in the order of their places.

    PNG, JPEG and TIFF of 1 or 3 channels. Images of 8 bits stay bytes if all are; else all are float32 in [0, 1],
    those of 16 bits by a division by 65535. What a camera says of the way up is followed.

    Raises
    ------
    InputError
        There is no image; one cannot be read in full, has transparent parts or several pages, or is too small for
        the form; or the images differ in size or channels and the form does not say what they are to be.
    """
    places, others = _places(path)
    if not places:
        raise InputError(f"{name}: folder {path} holds no PNG, JPEG or TIFF file; correct path, or convert the images")
    digest, images = hashlib.sha256(), []
    for place in places:
        content = (path / place).read_bytes()
        digest.update(place.encode() + b"\0" + content)
        image = formed(read_image(content, f"{path / place}"), form, f"{path / place}")
        if images:
            _alike(image, images[0], str(path / place), str(path / places[0]))
        images.append(image)
    if any(image.dtype != np.uint8 for image in images):
        images = [image / np.float32(BYTE) if image.dtype == np.uint8 else image for image in images]
    return Folder(np.concatenate(images), tuple(places), tuple(others), digest.hexdigest())


def read_image(content: bytes, what: str) -> np.ndarray:
    """One image file as ``(1, C, H, W)``, C 1 or 3: uint8, or float32 in [0, 1] where it has 16 bits.

    Raises
    ------
    InputError
        It cannot be read, or not in full; ``what`` names it.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            pages, raw = getattr(picture, "n_frames", 1), str([tile.args for tile in picture.tile])
            picture.load()
            picture = ImageOps.exif_transpose(picture)
    except Exception as error:  # decoders raise whatever they like at a broken file
        raise InputError(f"{what} cannot be read ({_short(error)}); replace it, or take it out of the folder") from None
    if pages > 1:
        raise InputError(f"{what} holds {pages} pages; save each as a file of its own")
    if ";16" in raw and not picture.mode.startswith("I;16"):
        raise InputError(f"{what} has several channels of 16 bits, of which 8 would be read; save it with 8 bits each")
    if picture.mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.float32)[None, None] / np.float32(WORD)
    values = np.asarray(_without_alpha(picture, what))
    return values[None, None] if values.ndim == 2 else values.transpose(2, 0, 1)[None]


def _without_alpha(picture: Image.Image, what: str) -> Image.Image:
    """In mode L or RGB, without a palette, and without transparency if it shows nowhere."""
    mode = picture.mode
    if mode == "1":
        return picture.convert("L")
    if mode == "P" or "transparency" in picture.info:
        picture = picture.convert("LA" if mode == "L" else "RGBA")
    if picture.mode in ("LA", "RGBA"):
        if picture.getchannel("A").getextrema()[0] < BYTE:
            raise InputError(f"{what} has transparent parts; lay it on a background")
        picture = picture.convert(picture.mode.removesuffix("A"))
    if picture.mode not in ("L", "RGB"):
        raise InputError(f"{what} has pixels of kind {mode}; save it as grey or RGB with 8 bits")
    return picture


def formed(images: np.ndarray, form: Form, what: str) -> np.ndarray:
    """Images ``(n, C, H, W)`` with the channels and the size of a form.

    With a size, the largest square is cut from the middle (crop "centre") or all is kept and loses its proportions
    ("none"), and then averaged down; nothing is ever enlarged. Without a size the images stay as they are.

    Raises
    ------
    InputError
        The images are too small for the size; ``what`` names them.
    """
    if form.channels:
        images = with_channels(images, form.channels)
    if form.size is None:
        return images
    height, width = images.shape[2:]
    if min(height, width) < form.size:
        raise InputError(
            f"{what} is {height} x {width} pixels, too small for {form.size} x {form.size}; lower size, or take it out"
        )
    if form.crop == "centre":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        images = images[:, :, top : top + side, left : left + side]
    return shrink(images, form.size)


def _alike(image: np.ndarray, first: np.ndarray, what: str, other: str) -> None:
    if image.shape[1] != first.shape[1]:
        raise InputError(
            f"{what} has {_channels(image)} and {other} {_channels(first)}; state channels: 1 or channels: 3"
        )
    if image.shape != first.shape:
        one, two = (" x ".join(map(str, x.shape[2:])) for x in (image, first))
        raise InputError(f"{what} is {one} pixels and {other} {two}; state the size that all are to have")


def _channels(image: np.ndarray) -> str:
    return f"{image.shape[1]} channel{'s' * (image.shape[1] != 1)}"


def _places(path: Path) -> tuple[list[str], list[str]]:
    """Images and other files, from the folder; hidden ones are none."""
    found = sorted(place.relative_to(path).as_posix() for place in files_in(path))
    images = [place for place in found if place.lower().endswith(SUFFIXES)]
    return images, [place for place in found if place not in set(images)]


def files_in(path: Path) -> Iterator[Path]:
    """Every file of a folder and its sub-folders, linked ones too, that is not hidden."""
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder) / name for name in files if not name.startswith("."))


def _short(error: Exception) -> str:
    """What went wrong, without the address of a buffer."""
    text = str(error).split(" <")[0].strip()
    return text or type(error).__name__
