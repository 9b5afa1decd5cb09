"""Minibatches with a replicate axis, reproducible seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from magan.domains.domain import Domain, decoded
from magan.domains.scaling import Scaling
from magan.errors import InputError
from magan.recipe import Batch, Noise

CHUNK = 128  # minibatches drawn at a time, so that a single copy takes them to a device
LARGE = 2**30  # bytes, as floats: a larger set stays in memory, and only its minibatches are copied to the device


@dataclass(frozen=True)
class Table:
    """Row-aligned arrays, and the rows that each replicate may draw.

    Replicates with different cells (of a held-out marker, of a batch) share a
    table: the rows of the folds follow each other. Every replicate has at least
    one row. A replicate with no more rows than a minibatch gets all its rows in
    every minibatch.
    """

    entries: Mapping[str, Tensor]  # name -> (N, ...); bytes are pixels
    rows: tuple[Tensor, ...]  # per replicate, (n_r,) int64


def of_folds(domains: Sequence[Domain], of_fold: Sequence[int], number: str, labels: Mapping[str, int]) -> Table:
    """The table of the samples of all folds, ``x<number>``; a replicate draws the rows of its fold.

    With ``labels`` (label -> number) it also has ``label<number>``, -1 where a label is not among ``labels``.
    """
    starts = np.cumsum([0, *(len(d) for d in domains)])
    entries = {f"x{number}": domains[0].values if len(domains) == 1 else torch.cat([d.values for d in domains])}
    if labels:
        numbers = [labels.get(word, -1) for d in domains for word in d.labels or ()]
        entries[f"label{number}"] = torch.tensor(numbers)
    return Table(entries, tuple(torch.arange(int(starts[f]), int(starts[f + 1])) for f in of_fold))


def batches(
    tables: Sequence[Table], noise: Mapping[str, Noise], *, batch_size: int, seeds: Sequence[int], device: str = "cpu"
) -> "Batches":
    """Endless random minibatches, each entry ``(R, batch_size, ...)``.

    Entries of a table are drawn by the same rows (an image and its label, a
    known pair). Different tables are drawn independently (two domains), with
    replacement. Replicate ``r`` has a random generator with the seed
    ``seeds[r]``, always on the CPU, so its minibatches depend neither on the
    other seeds nor on the device. Bytes become floats after their rows are
    drawn, see `magan.domains.domain.decoded`.
    """
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    resident = [Table({name: placed(x, device) for name, x in table.entries.items()}, table.rows) for table in tables]
    return Batches(resident, noise, batch_size, streams, device)


def placed(x: Tensor, device: str) -> Tensor:
    """The tensor on the device, or unchanged if it is larger than `LARGE`."""
    return x if x.numel() * 4 > LARGE else x.to(device)


def resident(domain: Domain, units: Scaling, device: str) -> Domain:
    """A training domain in the networks' units (images unchanged), `placed` on the device."""
    values = units.trained(domain.values) if domain.features else domain.values
    return replace(domain, values=placed(values, device))


def check_folds(folds: Sequence[tuple[Domain, Domain]], batch_size: int) -> None:
    """Refuse folds that no batched network can train on.

    Raises
    ------
    InputError
        The folds have different shapes, or a domain has fewer samples than a minibatch.
    """
    if len({(a.shape, b.shape) for a, b in folds}) > 1:
        raise InputError(
            f"folds have different shapes, {[(a.shape, b.shape) for a, b in folds]}; fit each shape separately"
        )
    for domain in (domain for pair in folds for domain in pair):
        if len(domain) < batch_size:
            raise InputError(
                f"domain '{domain.name}' has {len(domain)} samples, fewer than a minibatch of "
                f"{batch_size}; lower training.batch_size"
            )


class Batches:
    """An endless iterator of minibatches. Its position can be saved and restored in a later run."""

    def __init__(
        self,
        tables: Sequence[Table],
        noise: Mapping[str, Noise],
        batch_size: int,
        streams: Sequence[torch.Generator],
        device: str,
    ):
        self.tables, self.noise, self.batch_size = tables, noise, batch_size
        self.streams, self.device = streams, device
        self._draw()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        if self.place == CHUNK:
            self._draw()
        i, self.place = self.place, self.place + 1
        batch = {
            name: decoded(x[rows[x.device][i]].to(self.device))
            for table, rows in zip(self.tables, self.rows)
            for name, x in table.entries.items()
        }
        return batch | {name: draw[i] for name, draw in self.random.items()}

    def state(self) -> dict[str, Tensor]:
        """All that decides the next minibatches."""
        return {"streams": self.before, "place": torch.tensor([self.place])}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue at the `state` of an iterator with the same tables and noise."""
        for stream, saved in zip(self.streams, state["streams"]):
            stream.set_state(saved.clone())  # a generator needs memory that starts at its state
        self._draw()
        self.place = int(state["place"])

    def _draw(self) -> None:
        """The rows and the noise of the next ``CHUNK`` minibatches."""
        self.before, self.place = torch.stack([stream.get_state() for stream in self.streams]), 0
        self.rows = []
        for table in self.tables:
            rows = _rows(table, self.streams, self.batch_size)
            self.rows.append({place: rows.to(place) for place in {x.device for x in table.entries.values()}})
        self.random = {
            name: _noise(spec, self.streams, self.batch_size).to(self.device) for name, spec in self.noise.items()
        }


def _rows(table: Table, streams: Sequence[torch.Generator], batch_size: int) -> Tensor:
    """Row numbers, ``(CHUNK, R, batch)``."""
    drawn = []
    for rows, stream in zip(table.rows, streams):
        if len(rows) <= batch_size:
            drawn.append(rows.expand(CHUNK, -1))
        else:
            drawn.append(rows[torch.randint(len(rows), (CHUNK, batch_size), generator=stream)])
    return torch.stack(drawn, 1)


def noise_of(spec: Noise, n: int, seeds: Sequence[int]) -> Tensor:
    """Random inputs of ``n`` samples, from a random generator per seed: ``(R, n, *shape)``."""
    return torch.stack([_drawn(spec, (n,), torch.Generator().manual_seed(seed)) for seed in seeds])


def _noise(spec: Noise, streams: Sequence[torch.Generator], batch_size: int) -> Tensor:
    return torch.stack([_drawn(spec, (CHUNK, batch_size), stream) for stream in streams], 1)


def _drawn(spec: Noise, leading: tuple[int, ...], stream: torch.Generator) -> Tensor:
    draw = {"normal": torch.randn, "uniform": torch.rand, "signed": _signed}[spec.kind]
    return draw(*leading, *spec.shape, generator=stream)


def _signed(*shape: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(*shape, generator=generator) - 1
