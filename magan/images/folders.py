"""Image files in folders, read whole or refused by name: nothing is dropped or guessed in silence."""

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from magan.errors import InputError
from magan.images.arrays import shrink, with_channels

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
BYTE, WORD = 255, 65535  # the brightest pixel of 8 and of 16 bits
PAGE_KIND, PREVIEW = 254, 1  # a tag of TIFF, and its bit for a page that is a smaller copy of another
LARGEST = 2**30  # bytes of an image file
NO_IMAGE, NO_FILE, READ_ELSEWHERE = "not a PNG, JPEG or TIFF file", "no regular file", "a link to what is read anyway"


@dataclass(frozen=True)
class Form:
    """What all images of a set are to be: see `formed`."""

    size: int | None = None
    crop: str = "centre"  # or "none"
    channels: int | None = None


@dataclass(frozen=True)
class Folder:
    """``images`` ``(n, C, H, W)`` and their places in the folder, what was left out (place, reason), and a digest."""

    images: np.ndarray
    places: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    sha256: str


def read_folder(path: Path, form: Form, name: str) -> Folder:
    """The images of a folder and of its sub-folders, in the order of their places.

    PNG, JPEG and TIFF of 1 or 3 channels. Images of 8 bits stay bytes if all are; else all are float32 in [0, 1],
    those of 16 bits by a division by 65535. Each page of a file is an image, ``stack.tif#1`` and on; a page that is
    a preview of the first is none. What a camera says of the way up is followed. Each file is read once,
    however many links lead to it, see `walk`.

    Raises
    ------
    InputError
        There is no image; an image cannot be read in full, has transparent parts or pages of several sizes, or is too
        small for the form; or the images differ in size or channels and the form does not say what they are to be.
    """
    places, left_out = _places(path)
    if not places:
        raise InputError(f"{name}: folder {path} holds no PNG, JPEG or TIFF file; correct path, or convert the images")
    digest, images, names = hashlib.sha256(), [], []
    for place in places:
        content = _content(path / place)
        digest.update(place.encode() + b"\0" + content)
        image = formed(read_image(content, f"{path / place}"), form, f"{path / place}")
        if images:
            _alike(image, images[0], str(path / place), str(path / places[0]))
        images.append(image)
        names += [place] if len(image) == 1 else [f"{place}#{page}" for page in range(1, len(image) + 1)]
    if any(image.dtype != np.uint8 for image in images):
        images = [image / np.float32(BYTE) if image.dtype == np.uint8 else image for image in images]
    return Folder(np.concatenate(images), tuple(names), tuple(left_out), digest.hexdigest())


def read_image(content: bytes, what: str) -> np.ndarray:
    """The pages of an image file, ``(pages, C, H, W)``, C 1 or 3: uint8, or float32 in [0, 1] where it has more bits.

    Raises
    ------
    InputError
        It cannot be read, or not in full; ``what`` names it.
    """
    try:
        bombs = warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning)
        with bombs, Image.open(io.BytesIO(content)) as picture:
            n_pages = getattr(picture, "n_frames", 1)
            if n_pages > 1 and picture.format != "TIFF":
                raise InputError(f"{what} holds {n_pages} pictures; save each as a file")
            pages = [_page(picture, number, what) for number in range(n_pages)]
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever they like at a broken file
        raise InputError(f"{what} cannot be read ({_short(error)}); replace it, or take it out of the folder") from None
    found = [page for page in pages if page is not None]
    shapes = {(page.shape, page.dtype) for page in found}
    if len(shapes) > 1:
        raise InputError(f"{what} holds {len(found)} pages of several sizes or kinds; save each page as a file")
    return np.concatenate(found)


def _page(picture: Image.Image, number: int, what: str) -> np.ndarray | None:
    """A page as ``(1, C, H, W)``; None for a smaller copy of another page."""
    picture.seek(number)
    if number and int(getattr(picture, "tag_v2", {}).get(PAGE_KIND, 0)) & PREVIEW:
        return None
    raw = str([tile.args for tile in getattr(picture, "tile", ())])
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if ";16" in raw and not picture.mode.startswith("I;16"):
        raise InputError(f"{what} has several channels of 16 bits, of which 8 would be read; save it with 8 bits each")
    if picture.mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.float32)[None, None] / np.float32(WORD)
    if picture.mode == "F":
        return _floats(np.asarray(picture), what)
    values = np.asarray(_without_alpha(picture, what))
    return values[None, None] if values.ndim == 2 else values.transpose(2, 0, 1)[None]


def _floats(values: np.ndarray, what: str) -> np.ndarray:
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise InputError(f"{what} has pixels from {values.min():g} to {values.max():g}; scale them to lie in 0 to 1")
    return values[None, None].astype(np.float32)


def _without_alpha(picture: Image.Image, what: str) -> Image.Image:
    """In mode L or RGB, without a palette, and without transparency if it shows nowhere."""
    mode = picture.mode
    if mode == "1":
        return picture.convert("L")
    if mode == "P" or "transparency" in picture.info:
        picture = picture.convert("LA" if mode == "L" else "RGBA")
    if picture.mode in ("LA", "RGBA"):
        if np.asarray(picture.getchannel("A")).min() < BYTE:
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


def _alike(image: np.ndarray, first: np.ndarray, what: str, first_name: str) -> None:
    if image.shape[1] != first.shape[1]:
        raise InputError(
            f"{what} has {_channels(image)} and {first_name} {_channels(first)}; state channels: 1 or channels: 3"
        )
    if image.shape != first.shape:
        size, first_size = (" x ".join(map(str, x.shape[2:])) for x in (image, first))
        raise InputError(f"{what} is {size} pixels and {first_name} {first_size}; state the size that all are to have")


def _channels(image: np.ndarray) -> str:
    return f"{image.shape[1]} channel{'s' * (image.shape[1] != 1)}"


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} has {path.stat().st_size} bytes, more than {LARGEST}; save it smaller")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); replace it, or take it out of the folder"
        ) from None


def _places(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Images, and what is left out with its reason, from the folder; hidden files are not mentioned."""
    found = sorted((place.relative_to(path).as_posix(), reason) for place, reason in walk(path))
    found = [(place, reason or ("" if place.lower().endswith(SUFFIXES) else NO_IMAGE)) for place, reason in found]
    return [place for place, reason in found if not reason], [pair for pair in found if pair[1]]


def files_in(path: Path) -> Iterator[Path]:
    """Every regular file of a folder and its sub-folders that is not hidden, each file once; see `walk`."""
    return (place for place, reason in walk(path) if not reason)


def walk(path: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a folder and its sub-folders that is not hidden, and why it is not to be read, "" where it is.

    Links to files and folders elsewhere are followed. A link back into the folder, or to a folder that holds it,
    is not: its files are read where they lie, or are not meant. No folder and no linked file is visited twice.

    Raises
    ------
    InputError
        A sub-folder cannot be opened, or a link leads nowhere.
    """
    root, visited = path.resolve(), set()
    waiting = [path]
    while waiting:
        folder = waiting.pop(0)
        for entry in _entries(folder):
            place = Path(entry.path)
            if entry.name.startswith("."):
                continue
            status = _status(place)
            key, is_folder = (status.st_dev, status.st_ino), stat.S_ISDIR(status.st_mode)
            is_back = entry.is_symlink() and _holds(root, place.resolve())
            is_twice = key in visited and (is_folder or entry.is_symlink())
            if not is_folder and not stat.S_ISREG(status.st_mode):
                yield place, NO_FILE
            elif is_back or is_twice:
                yield place, READ_ELSEWHERE
            else:
                visited.add(key)
                if is_folder:
                    waiting.append(place)
                else:
                    yield place, ""


def _holds(root: Path, target: Path) -> bool:
    """Say whether a link's target lies in the folder ``root``, or is a folder that holds it."""
    return target.is_relative_to(root) or root.is_relative_to(target)


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            # Links last: what lies in the folder itself is visited first.
            return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        raise InputError(f"folder {folder} cannot be opened ({error.strerror}); mend it, or take it out") from None


def _status(place: Path) -> os.stat_result:
    try:
        return place.stat()
    except OSError as error:
        raise InputError(f"{place} leads nowhere ({error.strerror}); mend the link, or take it out") from None


def _short(error: Exception) -> str:
    """What went wrong, without the address of a buffer."""
    text = str(error).split(" <")[0].strip()
    return text or type(error).__name__
