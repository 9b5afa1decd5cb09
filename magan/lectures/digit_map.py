"""Digits on a page: a two-dimensional layout of an autoencoder's codes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier

from magan.domains.minibatches import Table, batches
from magan.lectures import result_table
from magan.lectures.images import chosen, classes, pixels
from magan.models import GENERATING
from magan.option_types import Count, Widths
from magan.training.fit import fit

NEIGHBOURS = 10


def digit_map(
    seeds: Sequence[int],
    images: AnnData,
    *,
    n_train: Count = 4000,
    n_test: Count = 1000,
    steps: Count = 2000,
    batch_size: Count = 64,
    hidden: Widths = (256, 128),
    n_code: Count = 16,
) -> pd.DataFrame:
    """Encode test digits by an autoencoder trained without labels, and lay the codes out by t-SNE.

    Quantities of each seed: "agreement", the share of digits whose 10 nearest neighbours on the page (without the digit
    itself) vote for their class. Arms are "t-SNE" and "components", the first two principal components of the pixels.
    "first" and "second" are the coordinates of the first seed, in the order of the digits, with their "class"; the arm
    "components" has no seed.
    """
    training, test = chosen(images, n_train), chosen(images, n_test, "test")
    x, (_, labels) = pixels(training), classes(test)
    recipe = GENERATING["autoencoder"]({"x": tuple(x.shape[1:])}, hidden=tuple(hidden), n_code=n_code)
    table = Table({"x": x}, (torch.arange(len(x)),) * len(seeds))
    draws = batches([table], recipe.noise, batch_size=batch_size, seeds=seeds)
    encoder = fit(recipe, draws, seeds=seeds, steps=steps)["encoder"]
    tested = pixels(test)
    with torch.no_grad():
        codes = encoder(tested.expand(len(seeds), *tested.shape)).numpy()
    order = np.arange(len(labels))
    flat = PCA(2, random_state=0).fit_transform(tested.flatten(1).numpy())
    parts = [result_table.points("class", labels, x=order)]
    parts.append(result_table.points("agreement", [neighbour_agreement(flat, labels.numpy())], arm="components"))
    parts += [
        result_table.points(name, flat[:, i], x=order, arm="components") for i, name in enumerate(("first", "second"))
    ]
    for seed, code in zip(seeds, codes):
        places = TSNE(random_state=seed, init="pca", perplexity=min(30, len(code) // 4)).fit_transform(code)
        parts.append(
            result_table.points("agreement", [neighbour_agreement(places, labels.numpy())], seeds=[seed], arm="t-SNE")
        )
        if seed == seeds[0]:
            parts += [
                result_table.points(name, places[:, i], seeds=[seed], x=order, arm="t-SNE")
                for i, name in enumerate(("first", "second"))
            ]
    return result_table.table(parts)


def check_claims(points: pd.DataFrame) -> pd.DataFrame:
    """Check the claim: t-SNE of codes has more neighbours of the same class than the two principal components have."""
    page, plain = (
        result_table.by_seed(points, "agreement", "t-SNE"),
        result_table.values(points, "agreement", "components")["value"].item(),
    )
    claim = f"more than {plain:.2f}, of two principal components"
    return result_table.numbers(
        [result_table.number("share whose neighbours have the same class", page, claim, page.mean() > plain)]
    )


def neighbour_agreement(places: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of points ``(n, 2)`` whose 10 nearest neighbours mostly have the same label."""
    model = KNeighborsClassifier(NEIGHBOURS).fit(places, labels)
    nearest = model.kneighbors(return_distance=False)  # excludes the point itself
    votes = np.stack([(labels[nearest] == k).sum(1) for k in range(int(labels.max()) + 1)], 1)
    return float((votes.argmax(1) == labels).mean())
