"""The units networks are trained in, and the way back to arcsinh units.

A scaling is fitted to the training samples of one domain (and its partner) and
says three things: the training samples in its units, any other samples in its
units, and values in its units as measurements again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr, ndtri  # scipy.stats.norm without its checks, which take most of its time
from scipy.stats import rankdata
from torch import Tensor

from magan.domains.domain import Domain
from magan.domains.monotone_map import monotone_map
from magan.errors import InputError

N_QUANTILES = 2048  # of each marker's distribution that are kept


@dataclass(frozen=True)
class Affine:
    """``(x - mean) / sd``, feature by feature."""

    mean: Tensor  # (*shape)
    sd: Tensor  # (*shape)

    def trained(self, values: Tensor) -> Tensor:
        return self.scaled(values)

    def scaled(self, values: Tensor) -> Tensor:
        return (values - self.mean).div_(self.sd)

    def unscaled(self, values: Tensor) -> Tensor:
        return torch.addcmul(self.mean, values, self.sd)


@dataclass(frozen=True)
class Ranks:
    """Normal scores: each marker's quantiles become those of a standard normal distribution.

    Between two domains in normal scores the identity is the quantile map of
    every marker, and a discriminator can tell them apart by the joint
    distribution alone. Values beyond the training range are carried on at a
    slope of one standard deviation.
    """

    quantiles: Tensor  # (Q, M), rising
    sd: Tensor  # (M,)

    def trained(self, values: Tensor) -> Tensor:
        """Normal scores of the training cells; ties, as of cells that read zero, are broken at random.

        Otherwise one domain's share of zeros would give it away.
        """
        order = np.random.default_rng(0).permutation(len(values))
        scores = np.empty(values.shape, np.float32)
        scores[order] = ndtri((rankdata(values.numpy()[order], method="ordinal", axis=0) - 0.5) / len(values))
        return torch.from_numpy(scores)

    def scaled(self, values: Tensor) -> Tensor:
        """Normal scores by the kept quantiles; a tie gets the middle of its ranks."""
        out, n = np.empty(values.shape, np.float32), len(self.quantiles)
        for column, (knots, sd) in enumerate(zip(self.quantiles.double().numpy().T.copy(), self.sd.tolist())):
            x = values[:, column].double().numpy()
            low, behind = np.searchsorted(knots, x), np.searchsorted(knots, knots, "right")
            at = np.minimum(low, n - 1)
            above = np.maximum(at, 1)
            start = knots[above - 1]
            within = above - 1 + np.clip((x - start) / np.maximum(knots[above] - start, 1e-12), 0, 1)
            place = np.where(knots[at] == x, (low + behind[at] - 1) / 2, within)
            beyond = (np.minimum(x - knots[0], 0) + np.maximum(x - knots[-1], 0)) / sd
            out[:, column] = ndtri((place + 0.5) / n) + beyond
        return torch.from_numpy(out)

    def unscaled(self, values: Tensor) -> Tensor:
        """The quantiles that normal scores stand for: ``(..., M) -> (..., M)``."""
        n = len(self.quantiles)
        edge = ndtri((n - 0.5) / n)
        out = np.empty(values.shape, np.float32)
        for column, (knots, sd) in enumerate(zip(self.quantiles.double().numpy().T.copy(), self.sd.tolist())):
            z = values[..., column].double().numpy()
            place = np.clip(ndtr(z) * n - 0.5, 0, n - 1)
            below = np.minimum(np.fmax(place, 0).astype(np.int64), n - 2)  # NaN, of a map that broke, stays NaN
            inside = knots[below] + (place - below) * (knots[below + 1] - knots[below])
            out[..., column] = inside + sd * (np.maximum(z - edge, 0) + np.minimum(z + edge, 0))
        return torch.from_numpy(out)


Scaling = Affine | Ranks


def pooled(own: Domain, other: Domain) -> Affine:
    """By mean and standard deviation over both domains where both have the marker: a batch effect stays."""
    mean, sd = [], []
    for column, marker in enumerate(own.features):
        cells = own.values[:, column]
        if marker in other.features:
            cells = torch.cat([cells, other.values[:, other.features.index(marker)]])
        mean.append(cells.mean())
        sd.append(_spread(cells, marker))
    return Affine(torch.stack(mean), torch.stack(sd))


def each(own: Domain, other: Domain) -> Affine:
    """By mean and standard deviation of the domain's own: the identity is then the z-score map."""
    return Affine(own.values.mean(0), _spreads(own))


def whole(own: Domain, other: Domain) -> Affine:
    """By the mean of each feature and one standard deviation of all of them, the domain's own.

    Features keep their weights: of a reduction, as by principal components, the first ones hold the cells apart
    and the last are mostly noise.
    """
    spread = _spreads(own).square().mean().sqrt()
    return Affine(own.values.mean(0), spread.expand(own.shape).clone())


def ranks(own: Domain, other: Domain) -> Ranks:
    """By ranks within the domain: the identity is then the quantile map."""
    grid = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    values = np.quantile(own.values.double().numpy(), grid, axis=0, method="hazen")
    return Ranks(torch.from_numpy(values.astype(np.float32)), _spreads(own))


def monotone(own: Domain, other: Domain) -> Ranks:
    """By ranks in the other domain, reached along a monotone map that is shrunken where the two hardly differ.

    Only for domain 1, the one to be mapped, beside `ranks` for domain 2. The identity is then that map, see
    `magan.domains.monotone_map.monotone_map`, and not the quantile map with all its noise. A marker that the other
    domain lacks is scored by its own ranks.
    """
    alone, target = ranks(own, other), ranks(other, own)
    quantiles = alone.quantiles.clone()
    for column, marker in enumerate(own.features):
        if marker in other.features:
            partner = other.features.index(marker)
            mapped = monotone_map(own.values[:, column].numpy(), other.values[:, partner].numpy())
            goal = target.quantiles[:, partner].double().numpy()
            quantiles[:, column] = torch.from_numpy(_origins(goal, *mapped, alone.quantiles[:, column].numpy()))
    return Ranks(quantiles, alone.sd)


def _origins(goal: np.ndarray, knots: np.ndarray, images: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Where the values ``goal (Q,)`` come from, of a sample with the quantiles ``own (Q,)``.

    What the goal reads lowest, as zeros are, comes from as large a share of the sample: a batch with fewer exact zeros
    would give itself away by them.
    """
    rising = images + 1e-6 * np.arange(len(images))  # has an inverse where the map is flat
    beyond = np.minimum(goal - rising[0], 0) + np.maximum(goal - rising[-1], 0)
    origins, lowest = np.interp(goal, rising, knots) + beyond, goal <= goal[0]
    return np.where(lowest, own, np.maximum(origins, own[lowest].max())).astype(np.float32)


def none(own: Domain, other: Domain) -> Affine:
    """As measured."""
    return Affine(torch.zeros(own.shape), torch.ones(own.shape))


def scalings(name: str, x1: Domain, x2: Domain) -> tuple[Scaling, Scaling]:
    """The scalings of both domains by name; images are always as they are.

    Raises
    ------
    InputError
        A marker is constant in the training cells.
    """
    if not x1.features:
        return none(x1, x2), none(x2, x1)
    return SCALINGS[name](x1, x2), (ranks if name == "monotone" else SCALINGS[name])(x2, x1)


def tensors(one: Scaling) -> dict[str, Tensor]:
    """What a file must hold of a scaling; see `from_tensors`."""
    return dict(vars(one))


def from_tensors(values: Mapping[str, Tensor]) -> Scaling:
    """The scaling that `tensors` took apart."""
    return Ranks(**values) if "quantiles" in values else Affine(**values)


def _spreads(domain: Domain) -> Tensor:
    return torch.stack([_spread(domain.values[:, i], marker) for i, marker in enumerate(domain.features)])


def _spread(cells: Tensor, marker: str) -> Tensor:
    sd = cells.std()
    if not sd > 0:
        raise InputError(f"marker '{marker}' is constant in the training cells; leave it out")
    return sd


SCALINGS = {"pooled": pooled, "each": each, "whole": whole, "ranks": ranks, "monotone": monotone, "none": none}
