"""Minibatches with a replicate axis, reproducible seed by seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magan.recipe import Batch, Noise

CHUNK = 128  # minibatches drawn at a time, so that they reach a device in one copy


@dataclass(frozen=True)
class Table:
    """Row-aligned arrays, and which of their rows each replicate may draw.

    Replicates on different cells (a held-out marker, a batch of its own) share
    one table: their rows lie one after another. Every replicate has at least
    one row; one with no more rows than a minibatch is given them all, always.
    """

    entries: Mapping[str, Tensor]  # name -> (N, ...)
    rows: tuple[Tensor, ...]  # per replicate, (n_r,) int64


def batches(
    tables: Sequence[Table], noise: Mapping[str, Noise], *, batch_size: int, seeds: Sequence[int], device: str = "cpu"
) -> Iterator[Batch]:
    """Endless random minibatches, each entry ``(R, batch_size, ...)``.

    Entries of one table are drawn by the same rows (an image and its label, a
    known pair); different tables are drawn independently (two domains), with
    replacement. Replicate ``r`` draws from its own generator, seeded with
    ``seeds[r]`` and always on the CPU, so what it sees does not depend on the
    seeds beside it nor on the device.
    """
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    resident = [{name: x.to(device) for name, x in table.entries.items()} for table in tables]
    while True:
        drawn = [_rows(table, streams, batch_size).to(device) for table in tables]
        random = {name: _noise(spec, streams, batch_size).to(device) for name, spec in noise.items()}
        for i in range(CHUNK):
            batch = {name: x[rows[i]] for entries, rows in zip(resident, drawn) for name, x in entries.items()}
            yield batch | {name: draw[i] for name, draw in random.items()}


def _rows(table: Table, streams: Sequence[torch.Generator], batch_size: int) -> Tensor:
    """Row numbers, ``(CHUNK, R, batch)``."""
    drawn = []
    for rows, stream in zip(table.rows, streams):
        if len(rows) <= batch_size:
            drawn.append(rows.expand(CHUNK, -1))
        else:
            drawn.append(rows[torch.randint(len(rows), (CHUNK, batch_size), generator=stream)])
    return torch.stack(drawn, 1)


def _noise(spec: Noise, streams: Sequence[torch.Generator], batch_size: int) -> Tensor:
    draw = {"normal": torch.randn, "uniform": torch.rand}[spec.kind]
    return torch.stack([draw(CHUNK, batch_size, *spec.shape, generator=stream) for stream in streams], 1)
