"""Small public sets of images: emoji of two makers, four classes of CIFAR-10, and pieces of clothing."""

import io
import tarfile
from pathlib import Path

import numpy as np
from anndata import AnnData
from PIL import Image

from magan.errors import InputError
from magan.images.arrays import from_images

CLOTHES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)


def emoji(path: Path | str, maker: str) -> AnnData:
    """Read 700 emoji of a maker, "noto" or "fx", ``(3, 64, 64)``; ``obs["pair"]`` is the code point."""
    with np.load(path) as arrays:
        images, codes = arrays[maker], arrays["codepoints"]
    return from_images(images.transpose(0, 3, 1, 2), names=codes, pairs=codes)


def cifar(path: Path | str, name: str) -> AnnData:
    """Read the images of a class of CIFAR-10, ``(3, 32, 32)``, from a tar of JPEG files.

    Raises
    ------
    InputError
        The tar contains no image of the class.
    """
    images, names = [], []
    with tarfile.open(path) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            place = Path(member.name)
            file = tar.extractfile(member) if member.isfile() and place.parent.name == name else None
            if file is not None:
                with Image.open(io.BytesIO(file.read())) as picture:
                    images.append(np.asarray(picture.convert("RGB")))
                names.append(f"{name}/{place.stem}")
    if not images:
        raise InputError(f"{path} holds no picture of class '{name}'; replace it with the original")
    return from_images(np.stack(images).transpose(0, 3, 1, 2), [name] * len(names), names=names)


def fashion(path: Path | str) -> AnnData:
    """Read 900 pieces of clothing of ten kinds, ``(1, 28, 28)``."""
    with np.load(path) as arrays:
        images, labels = arrays["x"], arrays["y"]
    return from_images(images[:, None], np.array(CLOTHES)[labels])
