"""Split two sets of images into the parts that training, mapping and scoring may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.images.arrays import from_images, images_of, shape_of, shrink, with_channels
from magan.tasks.cell_matching.folds import sources
from magan.tasks.folds import Folds, enough, image_truth, join_rows, select_cells, without_labels
from magan.tasks.image_translation.settings import Translation

FOLD = "images"  # the only fold
JUDGING = 2**29  # bytes of real training images, as floats, for the scores; more do not improve the scores

join = join_rows


@dataclass(frozen=True)
class Rows:
    """Rows of the two sets: test rows, known pairs in the same order, and training rows without a pair."""

    test: tuple[np.ndarray, np.ndarray]
    pairs: tuple[np.ndarray, np.ndarray]
    single: tuple[np.ndarray, np.ndarray]


def split(settings: Translation, cells: Sequence[AnnData], batch_size: int) -> Folds:
    """Translate images of the first set into the style of the second; a single fold.

    Rows of the two sets with the same word in ``obs["pair"]`` show the same object. Of the objects in both sets,
    ``n_test`` are held out of both training domains: their images in domain 1 are the query, and their images in
    domain 2 the answers. ``n_pairs`` objects are in both domains, named as pairs in ``obs["pair"]``, in the first rows
    and in the same order. Each remaining object is in a single domain, so that the domains are nearly of equal size.
    Where ``paired``, the domains hold only pairs. At most ``n_train`` images of a domain are used, without the
    ``n_pairs``. If no object is in both sets, or where ``test_on`` is "unpaired", ``n_test`` random images of the first
    set are the query, and ``n_test`` of the second are the real images that maps are compared with; all of them are
    without a partner. ``pairs_per_class`` known pairs of each class of the first set take the place of ``n_pairs``.

    Raises
    ------
    InputError
        The images of the two sets differ in shape or are smaller than ``size``, a class is unknown, a word
        occurs twice, or too few pairs or images are left for the settings or for a minibatch.
    """
    first, second = (_as_asked(images, name, settings) for images, name in zip(cells, ("images_1", "images_2")))
    if shape_of(first) != shape_of(second):
        shape_1, shape_2 = (" x ".join(map(str, shape_of(images))) for images in (first, second))
        raise InputError(
            f"images_1 are {shape_1} (channels x height x width) and images_2 {shape_2}; "
            "state size and channels of both"
        )
    rows = _divided(first, second, settings)
    x1, x2 = (_training(*parts) for parts in zip((first, second), rows.pairs, rows.single))
    enough({"images_1": x1, "images_2": x2}, batch_size)
    query = first[rows.test[0]].copy()
    truth = _truth(query, second[rows.test[1]].copy(), x2, _has_answers(first, second, settings), settings.split_seed)
    truth.uns[keys.SOURCE] = sources(first, second)
    return Folds({FOLD: (x1, x2)}, {FOLD: without_labels(query)}, truth)


def _as_asked(images: AnnData, name: str, settings: Translation) -> AnnData:
    """Select images by class, give them the asked shape, and drop the columns that translation does not read."""
    size, channels = settings.size, settings.channels
    if settings.classes:
        images = select_cells(images, {keys.CELL_TYPE: list(settings.classes)}, "translation.classes")
    values, side = images_of(images), min(shape_of(images)[1:])
    if size and side < size:
        raise InputError(f"{name} are {side} pixels wide or high, too small for size {size}; lower size")
    values = with_channels(values, channels) if channels else values
    asked = from_images(shrink(values, size) if size else values, names=list(images.obs_names))
    asked.obs = cast(pd.DataFrame, images.obs)[
        [column for column in (keys.CELL_TYPE, keys.PAIR) if column in images.obs]
    ].astype(str)
    asked.uns = {**dict(images.uns), **dict(asked.uns)}
    if keys.OBJECT in images.layers:
        shown = np.asarray(images.layers[keys.OBJECT], np.float32).reshape(-1, *shape_of(images))
        shown = np.repeat(shrink(shown[:, :1], size) if size else shown[:, :1], shape_of(asked)[0], axis=1)
        asked.layers[keys.OBJECT] = np.rint(shown).reshape(asked.shape)
    return asked


def _has_answers(first: AnnData, second: AnnData, settings: Translation) -> bool:
    """Whether the partners of the test images are known."""
    return settings.test_on == "pairs" and bool(_common(first, second))


def _divided(first: AnnData, second: AnnData, settings: Translation) -> Rows:
    random = np.random.default_rng(settings.split_seed)
    n_train, n_pairs, paired = settings.n_train, settings.n_pairs, settings.paired
    n_test = settings.n_test if settings.test_on == "pairs" else 0
    common = _common(first, second)
    words = random.permutation(sorted(common))
    known = np.array([common[word] for word in words], int).reshape(-1, 2)
    unpaired = [
        random.permutation(np.setdiff1d(np.arange(images.n_obs), known[:, i]))
        for i, images in enumerate((first, second))
    ]
    if not len(known):
        return _without_pairs(unpaired, settings)
    if len(known) < n_test + n_pairs + paired:
        asked = f"n_test {n_test} and n_pairs {n_pairs}" if n_pairs else f"n_test {n_test}"
        raise InputError(f"images_1 and images_2 have {len(known)} pairs in common, too few for {asked}; lower n_test")
    test, rest = (known[:n_test, 0], known[:n_test, 1]), known[n_test:]
    if settings.test_on == "unpaired":
        _enough_unpaired(unpaired, settings.n_test, " without a partner")
        test = unpaired[0][: settings.n_test], unpaired[1][: settings.n_test]
        unpaired = [rows[settings.n_test :] for rows in unpaired]
    is_known = _known(first, rest, settings)
    training_pairs = rest[:n_train] if paired else rest[is_known]
    rest = rest[~is_known]
    if paired:
        unpaired, rest = [unpaired[0][:0], unpaired[1][:0]], rest[:0]
    # Each object goes to a single side, and the side with fewer unpaired images gets more objects.
    n_first = int(np.clip((len(rest) + len(unpaired[1]) - len(unpaired[0])) // 2, 0, len(rest)))
    single = (np.concatenate([unpaired[0], rest[:n_first, 0]]), np.concatenate([unpaired[1], rest[n_first:, 1]]))
    first_single, second_single = (random.permutation(rows)[:n_train] for rows in single)
    return Rows(test, (training_pairs[:, 0], training_pairs[:, 1]), (first_single, second_single))


def _known(first: AnnData, pairs: np.ndarray, settings: Translation) -> np.ndarray:
    """Which of the pairs ``(P, 2)``, in random order, are known, ``(P,)`` booleans."""
    if not settings.pairs_per_class:
        return np.arange(len(pairs)) < settings.n_pairs
    if keys.CELL_TYPE not in first.obs:
        raise InputError("images_1 have no classes for pairs_per_class; give n_pairs, or labels in own_images")
    classes = first.obs[keys.CELL_TYPE].astype(str).to_numpy()
    of_pairs = classes[pairs[:, 0]]
    place = pd.Series(of_pairs).groupby(of_pairs).cumcount().to_numpy()  # the how manyth of its class
    for name in sorted(set(classes)):
        if (n := int((of_pairs == name).sum())) < settings.pairs_per_class:
            raise InputError(
                f"class '{name}' has {n} pairs, too few for pairs_per_class {settings.pairs_per_class}; lower it, or "
                "take the test images from those without a partner, by test_on: unpaired"
            )
    return place < settings.pairs_per_class


def _enough_unpaired(unpaired: Sequence[np.ndarray], n_test: int, which: str = "") -> None:
    for name, rows in zip(("images_1", "images_2"), unpaired):
        if len(rows) <= n_test:
            raise InputError(f"{name} has {len(rows)} images{which}, too few for {n_test} test images; lower n_test")


def _without_pairs(unpaired: Sequence[np.ndarray], settings: Translation) -> Rows:
    if settings.n_pairs or settings.pairs_per_class or settings.paired:
        asked = "paired: true" if settings.paired else f"n_pairs {settings.n_pairs}"
        asked = f"pairs_per_class {settings.pairs_per_class}" if settings.pairs_per_class else asked
        raise InputError(
            f"images_1 and images_2 have no pair in common for {asked}; "
            f"give images of one thing the same word in obs['{keys.PAIR}'], as own_images do with paired: true"
        )
    n_train, n_test = settings.n_train, settings.n_test
    _enough_unpaired(unpaired, n_test)
    none = np.array([], int)
    first, second = unpaired
    train = first[n_test:][:n_train], second[n_test:][:n_train]
    return Rows((first[:n_test], second[:n_test]), (none, none), train)


def _common(first: AnnData, second: AnnData) -> Mapping[str, tuple[int, int]]:
    """Map the word of each object in both sets to its rows."""
    words = [list(images.obs[keys.PAIR]) if keys.PAIR in images.obs else [] for images in (first, second)]
    both = {word for word in set(words[0]) & set(words[1]) if word.lower() not in keys.UNLABELLED}
    places: list[dict[str, int]] = [{}, {}]
    for name, names, place in zip(("images_1", "images_2"), words, places):
        for row, word in enumerate(names):
            if word in both and place.setdefault(word, row) != row:
                raise InputError(f"{name}: pair '{word}' is there twice; give each pair one word")
    return {word: (places[0][word], places[1][word]) for word in both}


def _training(images: AnnData, pair_rows: np.ndarray, single: np.ndarray) -> AnnData:
    """The training input of a domain: the training pairs, and classes for the losses that name them."""
    part = without_labels(images[np.concatenate([pair_rows, single])], (keys.CELL_TYPE,))
    words = images.obs[keys.PAIR].iloc[pair_rows] if len(pair_rows) else []
    part.obs[keys.PAIR] = [*words, *[""] * len(single)]
    return part


def _truth(query: AnnData, target: AnnData, x2: AnnData, known: bool, seed: int) -> AnnData:
    """The images that only evaluation sees: the query with its known answers, and real images of domain 2."""
    most = max(1, JUDGING // (4 * x2.n_vars))
    real = x2[np.sort(np.random.default_rng([seed, 1]).permutation(x2.n_obs)[:most])].copy()
    shown = query.layers.pop(keys.OBJECT, None)
    target.layers.pop(keys.OBJECT, None)
    for part in (query, real, target):
        if keys.CELL_TYPE not in part.obs:
            part.obs[keys.CELL_TYPE] = ""
    answer = target if known else AnnData(np.full(target.shape, np.nan, np.float32))
    truth = image_truth(query, answer, real, target)
    if shown is not None:
        truth.layers[keys.OBJECT] = np.full(truth.shape, np.nan, np.float32)
        truth.layers[keys.OBJECT][: query.n_obs] = shown
    return truth
