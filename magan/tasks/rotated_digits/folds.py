"""Split images and rotated images of the same classes into the parts that training, mapping and scoring may see."""

from collections.abc import Sequence
from typing import cast

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.images.arrays import images_of, pixels, rotate
from magan.tasks.folds import Folds, enough, image_truth, join_rows, select_cells, without_labels
from magan.tasks.rotated_digits.settings import Digits

FOLD = "digits"  # the only fold

join = join_rows


def split(settings: Digits, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """Divide images of ``classes`` between domain 1 and domain 2, where they are rotated; a single fold.

    Of each class, ``n_test`` images become the query and ``n_test`` different images
    the real rotated test images; ``n_pairs`` are in both domains and named as pairs in
    ``obs["pair"]``; the rest are divided between the domains.

    Raises
    ------
    InputError
        A class is unknown or has too few images.
    """
    n_pairs, n_test = settings.n_pairs, settings.n_test
    images = select_cells(cells[0], {keys.CELL_TYPE: list(settings.classes)}, "digits.classes")
    images.X = pixels(images)
    # Here an image and its rotation are a pair.
    images.obs = cast(pd.DataFrame, images.obs).drop(columns=keys.PAIR, errors="ignore")
    random = np.random.default_rng(settings.split_seed)
    parts: dict[str, list[np.ndarray]] = {part: [] for part in ("query", "target", "pair", "first", "second")}
    for label in settings.classes:
        class_rows = random.permutation(np.flatnonzero(images.obs[keys.CELL_TYPE].astype(str) == label))
        rest = class_rows[2 * n_test + n_pairs :]
        half = min(len(rest) // 2, settings.n_train or len(rest))
        if half < 1:
            raise InputError(
                f"class {label} has {len(class_rows)} images, too few for {n_test} test images; lower n_test"
            )
        ends = [n_test, 2 * n_test, 2 * n_test + n_pairs, 2 * n_test + n_pairs + half]
        for part, chosen in zip(parts, np.split(class_rows[: ends[-1] + half], ends)):
            parts[part].append(chosen)
    rows = {part: np.concatenate(chosen) for part, chosen in parts.items()}

    def turned(part: AnnData) -> AnnData:
        part.X = rotate(images_of(part), settings.degrees).reshape(part.shape)
        return part

    pair = images[rows["pair"]].copy()
    pair.obs[keys.PAIR] = list(pair.obs_names)
    x1, x2 = (
        anndata.concat([pair, images[rows[part]]], join="outer", fill_value="", uns_merge="first")
        for part in ("first", "second")
    )
    x2 = turned(x2)
    for domain in (x1, x2):
        domain.obs[keys.PAIR] = domain.obs[keys.PAIR].fillna("").astype(str)
    enough({"domain 1": x1, "domain 2": x2}, batch_size)
    query, target = images[rows["query"]].copy(), turned(images[rows["target"]].copy())
    return Folds({FOLD: (x1, x2)}, {FOLD: without_labels(query)}, image_truth(query, turned(query.copy()), x2, target))
