"""One-dimensional Gaussian mixtures for each replicate: samples, densities and divergences by quadrature."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.integrate import trapezoid
from torch import Tensor

GRID = np.linspace(-15, 15, 6001)  # the mixtures of the experiments have negligible mass outside
LEAST = 1e-300  # least density, so that a ratio is defined where both densities underflow


class Mixtures(NamedTuple):
    """R mixtures of K components, each ``(R, K)``."""

    means: np.ndarray
    sds: np.ndarray
    weights: np.ndarray

    def density(self, x: np.ndarray) -> np.ndarray:
        """Return the density of each mixture at ``x (n,)``, ``(R, n)``."""
        z = (x[None, None] - self.means[..., None]) / self.sds[..., None]
        parts = np.exp(-(z**2) / 2) / (self.sds[..., None] * np.sqrt(2 * np.pi))
        return (self.weights[..., None] * parts).sum(1)

    def draw(self, uniform: Tensor, normal: Tensor) -> Tensor:
        """Return samples ``(R, B, 1)``, computed from uniform and normal numbers ``(R, B)``."""
        means, sds, edges = (
            torch.tensor(x, dtype=normal.dtype) for x in (self.means, self.sds, self.weights.cumsum(1))
        )
        # The last edge may round to below 1.
        which = (uniform[..., None] >= edges[:, None, :-1]).sum(-1)
        return (means.gather(1, which) + sds.gather(1, which) * normal).unsqueeze(-1)


def mixtures(of: Sequence[Sequence[tuple[float, float, float]]]) -> Mixtures:
    """Build mixtures from (mean, standard deviation, weight) of every component; all have equally many components."""
    parts = np.asarray(of, dtype=np.float64)
    return Mixtures(parts[..., 0], parts[..., 1], parts[..., 2])


def integral(values: np.ndarray, x: np.ndarray = GRID) -> np.ndarray:
    """Integrate over the last axis by the trapezoidal rule."""
    return trapezoid(values, x, axis=-1)


def jensen_shannon(p: np.ndarray, q: np.ndarray, x: np.ndarray = GRID) -> np.ndarray:
    """Return ``KL(p || m) / 2 + KL(q || m) / 2``, ``m = (p + q) / 2``, in nats, of densities ``(..., n)``."""
    m = (p + q) / 2
    of_p, of_q = (s * np.log(np.maximum(s, LEAST) / np.maximum(m, LEAST)) for s in (p, q))
    return integral((of_p + of_q) / 2, x)


def f_divergence(f: Callable[[Tensor], Tensor], p: np.ndarray, q: np.ndarray, x: np.ndarray = GRID) -> np.ndarray:
    """Return ``E_q f(p / q)`` of densities ``(..., n)``, for f from `magan.losses.f_divergence`."""
    ratio = np.maximum(p, LEAST) / np.maximum(q, LEAST)
    return integral(np.maximum(q, LEAST) * f(torch.from_numpy(ratio)).numpy(), x)
