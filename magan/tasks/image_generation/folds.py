"""Images to learn to make, and test images to compare with what was made."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.folds import Folds, enough, image_truth, join_rows, select_cells, without_labels
from magan.tasks.image_generation.settings import Generation

FOLD = "images"  # the only fold

join = join_rows


def split(settings: Generation, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """Split training images from test images; each test image asks for a sample.

    The query holds the test images, with their classes if known. A model may use the conditions that its
    application has of an image; most models use the class or nothing. In the truth they are domain "1", and real images
    to compare with are domain "2": the training images (split "train") and the test images again ("test").

    Raises
    ------
    InputError
        A class is unknown, there are too few test images, or fewer training images than a minibatch.
    """
    images = cells[0]
    if settings.classes:
        images = select_cells(images, {keys.CELL_TYPE: list(settings.classes)}, "generation.classes")
    labels = images.obs[keys.CELL_TYPE].astype(str) if keys.CELL_TYPE in images.obs else ""
    obs = cast(pd.DataFrame, images.obs)
    images = AnnData(
        images.X,
        obs=obs[[c for c in (keys.SPLIT,) if c in images.obs]].assign(**{keys.CELL_TYPE: labels}),
        var=cast(pd.DataFrame, images.var),
        uns=images.uns,
    )
    train, test = _divided(images, settings)
    enough({"generation": train}, batch_size)
    return Folds(
        {FOLD: (without_labels(train, (keys.CELL_TYPE,)),)},
        {FOLD: without_labels(test, (keys.CELL_TYPE,))},
        image_truth(test, test, train, test.copy()),
    )


def _divided(images: AnnData, settings: Generation) -> tuple[AnnData, AnnData]:
    """Training and test images, by the split that the images come with or at random."""
    n_test = settings.n_test
    order = np.random.default_rng(settings.split_seed).permutation(images.n_obs)
    if keys.SPLIT in images.obs:
        is_test = (images.obs[keys.SPLIT].astype(str) == "test").to_numpy()[order]
        test, train = order[is_test], order[~is_test]
    else:
        test, train = order[:n_test], order[n_test:]
    if len(test) < n_test:
        raise InputError(f"generation: there are {len(test)} test images, not {n_test}; lower n_test")
    return images[np.sort(train[: settings.n_train])].copy(), images[np.sort(test[:n_test])].copy()
