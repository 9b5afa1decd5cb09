"""A set of samples to be aligned, as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor

from magan import keys
from magan.cytometry.arcsinh import dense, preprocessed
from magan.errors import InputError


@dataclass(frozen=True)
class Domain:
    """A set of samples to be aligned: cells by markers, or images.

    Markers are in arcsinh units. Pixels are in [-1, 1], or bytes that `decoded` maps to [-1, 1].
    """

    name: str
    values: Tensor  # (n, *shape) float32, or uint8
    features: tuple[str, ...] = ()  # markers, in column order; () for images
    labels: tuple[str, ...] | None = None  # (n,); a loss that is not named for labels does not see them
    pairs: tuple[str, ...] | None = None  # (n,); the same word in two domains marks a known pair, "" marks none

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample."""
        return tuple(self.values.shape[1:])

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> "Domain":
        """The samples ``rows``, with their labels and pairs."""
        labels, pairs = (words and tuple(words[i] for i in rows) for words in (self.labels, self.pairs))
        return Domain(self.name, self.values[torch.from_numpy(rows)], self.features, labels, pairs)


def from_anndata(adata: AnnData, name: str) -> Domain:
    """The preprocessed markers of cells, or the pixels of images, as a `Domain`. Bytes stay bytes.

    Raises
    ------
    InputError
        Cells without ``layers["preprocessed"]``, or a value that is not finite.
    """
    labels = _strings(adata, keys.CELL_TYPE)
    pairs = _strings(adata, keys.PAIR)
    if keys.IMAGE in adata.uns:
        shape = tuple(int(n) for n in adata.uns[keys.IMAGE]["shape"])
        kind = np.uint8 if adata.X.dtype == np.uint8 else np.float32
        values = torch.from_numpy(np.ascontiguousarray(dense(adata.X), dtype=kind)).reshape(-1, *shape)
        return Domain(name, values if kind is np.uint8 else 2 * values - 1, (), labels, pairs)
    return Domain(name, torch.from_numpy(preprocessed(adata, name)), tuple(adata.var_names), labels, pairs)


def decoded(values: Tensor) -> Tensor:
    """Values as networks read them: bytes become pixels in [-1, 1], floats stay the same.

    The pixels equal, bit by bit, the pixels of the same images as floats in [0, 1]. They come from a table, because
    division by 255 on a GPU differs in the last bit.
    """
    if values.dtype != torch.uint8:
        return values
    return _levels(values.device).index_select(0, values.flatten().int()).reshape(values.shape)


@cache
def _levels(device: torch.device) -> Tensor:
    """Byte -> pixel in [-1, 1], ``(256,)``."""
    return torch.from_numpy(2 * (np.arange(256, dtype=np.float32) / np.float32(255)) - 1).to(device)


def to_array(values: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Samples ``(n, *shape)`` in the units of AnnData: ``(n, M)`` markers, or pixels clipped to [0, 1]."""
    array = values.flatten(1).cpu().numpy()
    return ((array + 1) / 2).clip(0, 1) if len(shape) > 1 else array


def lists_of_folds(
    x1: AnnData | Sequence[AnnData], x2: AnnData | Sequence[AnnData], names: Sequence[str]
) -> tuple[list[AnnData], list[AnnData]]:
    """Domains 1 and domains 2 of all folds; a single domain is a list with a single entry.

    Raises
    ------
    InputError
        The lists differ in length, or ``names`` are given and differ in number.
    """
    first, second = (list(x) if isinstance(x, Sequence) else [x] for x in (x1, x2))
    if len(first) != len(second):
        raise InputError(f"{len(first)} domains and {len(second)} partners; give folds as two lists of equal length")
    if names and len(names) != len(first):
        raise InputError(f"{len(names)} names for {len(first)} folds; give one to each")
    return first, second


def batch_of(domains: Sequence[AnnData]) -> str:
    """The batch of all cells, or "" if they are of several batches."""
    batches = {name for x in domains if keys.BATCH in x.obs for name in x.obs[keys.BATCH].astype(str).unique()}
    return batches.pop() if len(batches) == 1 else ""


def _strings(adata: AnnData, key: str) -> tuple[str, ...] | None:
    return tuple(adata.obs[key].astype(str)) if key in adata.obs else None
