"""The units that networks are trained in, and the inverse map to arcsinh units.

A scaling is fitted to the training samples of a domain and its partner. It has
three methods: ``trained`` scales the training samples, ``scaled`` scales new
samples, and ``unscaled`` returns values to arcsinh units.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr, ndtri  # scipy.stats.norm without its slow checks
from scipy.stats import rankdata
from torch import Tensor

from magan.domains.domain import Domain
from magan.domains.monotone_map import monotone_map
from magan.errors import InputError

N_QUANTILES = 2048  # of the distribution of each marker


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
    every marker, and only the joint distribution distinguishes the domains.
    Beyond the training range the scores are linear, with a slope of one standard
    deviation.
    """

    quantiles: Tensor  # (Q, M), rising
    sd: Tensor  # (M,)

    def trained(self, values: Tensor) -> Tensor:
        """Normal scores of the training cells; ties, such as exact zeros, are broken at random.

        Otherwise the share of zeros would reveal the domain.
        """
        order = np.random.default_rng(0).permutation(len(values))
        scores = np.empty(values.shape, np.float32)
        scores[order] = ndtri((rankdata(values.numpy()[order], method="ordinal", axis=0) - 0.5) / len(values))
        return torch.from_numpy(scores)

    def scaled(self, values: Tensor) -> Tensor:
        """Normal scores by the quantiles of the training cells; a tie gets the middle of its ranks."""
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
        """The quantiles of normal scores: ``(..., M) -> (..., M)``."""
        n = len(self.quantiles)
        edge = ndtri((n - 0.5) / n)
        out = np.empty(values.shape, np.float32)
        for column, (knots, sd) in enumerate(zip(self.quantiles.double().numpy().T.copy(), self.sd.tolist())):
            z = values[..., column].double().numpy()
            place = np.clip(ndtr(z) * n - 0.5, 0, n - 1)
            below = np.minimum(np.fmax(place, 0).astype(np.int64), n - 2)  # NaN, from a map that broke, stays NaN
            inside = knots[below] + (place - below) * (knots[below + 1] - knots[below])
            out[..., column] = inside + sd * (np.maximum(z - edge, 0) + np.minimum(z + edge, 0))
        return torch.from_numpy(out)


Scaling = Affine | Ranks


def pooled(domain: Domain, partner: Domain) -> Affine:
    """Scale by mean and standard deviation over both domains, where both have the marker. A batch effect stays."""
    mean, sd = [], []
    for column, marker in enumerate(domain.features):
        cells = domain.values[:, column]
        if marker in partner.features:
            cells = torch.cat([cells, partner.values[:, partner.features.index(marker)]])
        mean.append(cells.mean())
        sd.append(_spread(cells, marker))
    return Affine(torch.stack(mean), torch.stack(sd))


def each(domain: Domain, partner: Domain) -> Affine:
    """Scale by mean and standard deviation of the domain. The identity is then the z-score map."""
    return Affine(domain.values.mean(0), _spreads(domain))


def whole(domain: Domain, partner: Domain) -> Affine:
    """Scale by the mean of each feature and the root of their mean variance, both of the domain.

    Features keep their relative variance. After a reduction, such as principal components, the first features
    separate the cells and the last are mostly noise.
    """
    spread = _spreads(domain).square().mean().sqrt()
    return Affine(domain.values.mean(0), spread.expand(domain.shape).clone())


def ranks(domain: Domain, partner: Domain) -> Ranks:
    """Scale by ranks within the domain. The identity is then the quantile map."""
    grid = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    values = np.quantile(domain.values.double().numpy(), grid, axis=0, method="hazen")
    return Ranks(torch.from_numpy(values.astype(np.float32)), _spreads(domain))


def monotone(domain: Domain, partner: Domain) -> Ranks:
    """Scale by ranks in the partner domain, after a monotone map that is shrunken where the two hardly differ.

    It scales domain 1, which is mapped; `ranks` scales domain 2. The identity is then the monotone map, see
    `magan.domains.monotone_map.monotone_map`, and not the quantile map with its noise. A marker that the partner
    lacks is scaled by its ranks in the domain.
    """
    alone, target = ranks(domain, partner), ranks(partner, domain)
    quantiles = alone.quantiles.clone()
    for column, marker in enumerate(domain.features):
        if marker in partner.features:
            place = partner.features.index(marker)
            mapped = monotone_map(domain.values[:, column].numpy(), partner.values[:, place].numpy())
            goal = target.quantiles[:, place].double().numpy()
            quantiles[:, column] = torch.from_numpy(_origins(goal, *mapped, alone.quantiles[:, column].numpy()))
    return Ranks(quantiles, alone.sd)


def _origins(goal: np.ndarray, knots: np.ndarray, images: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The values that a monotone map sends to ``goal (Q,)``, of a sample with ``quantiles (Q,)``.

    The lowest value of the goal, such as zero, comes from an equal share of the sample. Otherwise the share of exact
    zeros would reveal the batch.
    """
    rising = images + 1e-6 * np.arange(len(images))  # strictly rising, so that a flat map has an inverse
    beyond = np.minimum(goal - rising[0], 0) + np.maximum(goal - rising[-1], 0)
    origins, lowest = np.interp(goal, rising, knots) + beyond, goal <= goal[0]
    return np.where(lowest, quantiles, np.maximum(origins, quantiles[lowest].max())).astype(np.float32)


def none(domain: Domain, partner: Domain) -> Affine:
    """Leave values as measured."""
    return Affine(torch.zeros(domain.shape), torch.ones(domain.shape))


def scalings(name: str, x1: Domain, x2: Domain) -> tuple[Scaling, Scaling]:
    """The scalings of both domains by name; images are never scaled.

    Raises
    ------
    InputError
        A marker is constant in the training cells.
    """
    if not x1.features:
        return none(x1, x2), none(x2, x1)
    return SCALINGS[name](x1, x2), (ranks if name == "monotone" else SCALINGS[name])(x2, x1)


def tensors(scaling: Scaling) -> dict[str, Tensor]:
    """The tensors of a scaling, for a file; see `from_tensors`."""
    return dict(vars(scaling))


def from_tensors(values: Mapping[str, Tensor]) -> Scaling:
    """The scaling with the given tensors."""
    return Ranks(**values) if "quantiles" in values else Affine(**values)


def _spreads(domain: Domain) -> Tensor:
    return torch.stack([_spread(domain.values[:, i], marker) for i, marker in enumerate(domain.features)])


def _spread(cells: Tensor, marker: str) -> Tensor:
    sd = cells.std()
    if not sd > 0:
        raise InputError(f"marker '{marker}' is constant in the training cells; leave it out")
    return sd


SCALINGS = {"pooled": pooled, "each": each, "whole": whole, "ranks": ranks, "monotone": monotone, "none": none}
