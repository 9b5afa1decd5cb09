"""Daily batches: a map is learned from the cells of a batch and of those acquired just before and after it.

A day with few samples does not tell its drift from a difference between its donors. Samples of several days, taken
together, do, where the drift is slow and donors come in any order.
"""

import re
from collections.abc import Sequence

import anndata
from anndata import AnnData

from magan import keys


def in_order(names: Sequence[str]) -> list[str]:
    """Return the names of batches in the order of acquisition that they tell: numbers in them count as numbers."""
    return sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"([0-9]+)", name)])


def around(name: str, names: Sequence[str], neighbours: int) -> list[str]:
    """Return a batch with so many batches before it and after it, fewer at either end."""
    order = in_order(names)
    place = order.index(name)
    return order[max(place - neighbours, 0) : place + neighbours + 1]


def pooled(training: AnnData, name: str, names: Sequence[str], neighbours: int) -> AnnData:
    """Return the training cells of a batch and of its neighbours, as cells of this batch; samples keep their names."""
    of_batch = training.obs[keys.BATCH].astype(str)
    cells = anndata.concat(
        [training[(of_batch == batch).to_numpy()] for batch in around(name, names, neighbours)], merge="same"
    )
    cells.obs[keys.BATCH] = name
    cells.uns = dict(training.uns)
    return cells


def sentence(names: Sequence[str], neighbours: int) -> str:
    """Say in which order batches are taken, and what this leaves."""
    order = in_order(names)
    listed = ", ".join(order) if len(order) <= 6 else f"{', '.join(order[:3])}, ..., {order[-1]}"
    return (
        f"The map of a batch is learned from its cells and those of {neighbours} batches before and after it, in the "
        f"order {listed}: a slow drift is removed, and what differs from a batch to the next stays."
    )
