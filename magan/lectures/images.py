"""Prepare images for the experiments."""

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.errors import InputError


def shape_of(images: AnnData) -> tuple[int, ...]:
    """Return the shape ``(C, H, W)`` of an image."""
    return tuple(int(n) for n in images.uns[keys.IMAGE]["shape"])


def chosen(images: AnnData, n: int | None, split: str = "train") -> AnnData:
    """Return the first n images of a split; all images of the split for None.

    If the data have no split, a fifth of the images in a fixed random order is "test" and the remainder is "train".

    Raises
    ------
    InputError
        The split has fewer than n images.
    """
    if keys.SPLIT in images.obs:
        rows = np.flatnonzero(images.obs[keys.SPLIT] == split)
    else:
        order = np.random.default_rng(0).permutation(images.n_obs)
        rows = order[images.n_obs // 5 :] if split == "train" else order[: images.n_obs // 5]
    if n is not None and n > len(rows):
        raise InputError(f"the lecture asks for {n} {split} images and there are {len(rows)}; lower the option")
    return images[rows[:n]]


def pixels(images: AnnData) -> Tensor:
    """Return pixels ``(n, C, H, W)`` in [-1, 1]."""
    x = np.asarray(images.X)
    x = x / 255 if x.dtype == np.uint8 else x
    return torch.from_numpy(x.astype(np.float32)).reshape(-1, *shape_of(images)) * 2 - 1


def floats(images: AnnData) -> AnnData:
    """Return the images with pixels in [0, 1], as the classifier needs them."""
    whole = images.copy()
    whole.X = ((pixels(images) + 1) / 2).flatten(1).numpy()
    return whole


def classes(images: AnnData) -> tuple[list[str], Tensor]:
    """Return the sorted names of the classes, and the class number of each image, ``(n,)``."""
    labels = images.obs[keys.CELL_TYPE].astype(str).to_numpy()
    names, numbers = np.unique(labels, return_inverse=True)
    return [str(name) for name in names], torch.from_numpy(numbers.astype(np.int64))
