"""Adversarial games whose discriminator estimates an f-divergence (Nowozin, Cseke & Tomioka 2016).

With P the real distribution, Q the generated distribution, u = p/q and f convex, f(1) = 0 up to a constant,

    D_f(P || Q) = E_Q f(u) >= E_P g(V(x)) - E_Q f*(g(V(x))),

with equality where g(V) = f'(u). The output activation g maps any score V into the domain of f*, so scores stay raw.
Real and generated samples are equally likely at the score V with g(V) = f'(1), the threshold.
"""

from collections.abc import Callable
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.adversarial import Adversarial

Elementwise = Callable[[Tensor], Tensor]
NEWTON_STEPS = 6  # five steps reach double precision from the starting value


class Divergence(NamedTuple):
    """One f-divergence (a row of the paper's tables) as elementwise functions."""

    f: Elementwise  # u > 0
    slope: Elementwise  # f'(u), u > 0
    conjugate: Elementwise  # f*(t) = sup_u (u t - f(u))
    activation: Elementwise  # t = g(v)
    activated: Elementwise  # f*(g(v)), written to avoid overflow and cancellation


def wright_omega(y: Tensor) -> Tensor:
    """Return w with ``w + log w = y``: Lambert's ``W(e^y)``, computed without ``e^y``.

    Newton's iteration solves ``s + e^s = y`` for ``s = log w``; the function is convex and the iterates decrease to the
    root. The iterations carry no gradient. One last step at the solution carries the exact first derivative
    ``w / (1 + w)``.
    """
    with torch.no_grad():
        s = torch.where(y > 1, y.clamp(min=1).log(), y)
        for _ in range(NEWTON_STEPS):
            s = s - (s + s.exp() - y) / (1 + s.exp())
    return (s - (s + s.exp() - y) / (1 + s.exp())).exp()


def jeffrey_conjugate(t: Tensor) -> Tensor:
    """Return ``w + 1/w + t - 2`` with ``w = W(e^(1-t))``."""
    w = wright_omega(1 - t)
    return w + 1 / w + t - 2


def game(divergence: Divergence, saturating: bool = False) -> Adversarial:
    """Return the game of a divergence: D maximises the bound, G raises g(V(G(z))) or lowers the bound.

    With ``saturating`` G lowers the bound, which is the paper's objective (6); its gradient vanishes when D separates
    real from generated samples. Otherwise G raises g, which is the paper's section 3.2 and, for "gan", the
    non-saturating game.
    """
    activation, activated = divergence.activation, divergence.activated
    return Adversarial(
        real=lambda v: -activation(v),
        fake=activated,
        fooled=(lambda v: -activated(v)) if saturating else (lambda v: -activation(v)),
    )


DIVERGENCES = {
    "kl": Divergence(
        f=lambda u: u * u.log(),
        slope=lambda u: 1 + u.log(),
        conjugate=lambda t: (t - 1).exp(),
        activation=lambda v: v,
        activated=lambda v: (v - 1).exp(),
    ),
    "reverse_kl": Divergence(
        f=lambda u: -u.log(),
        slope=lambda u: -1 / u,
        conjugate=lambda t: -1 - (-t).log(),
        activation=lambda v: -(-v).exp(),
        activated=lambda v: v - 1,
    ),
    "pearson": Divergence(
        f=lambda u: (u - 1) ** 2,
        slope=lambda u: 2 * (u - 1),
        conjugate=lambda t: t**2 / 4 + t,  # conjugate of f over all real u, as in the paper
        activation=lambda v: v,
        activated=lambda v: v**2 / 4 + v,
    ),
    "hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1) ** 2,
        slope=lambda u: 1 - 1 / u.sqrt(),
        conjugate=lambda t: t / (1 - t),
        activation=lambda v: 1 - (-v).exp(),
        activated=lambda v: v.expm1(),
    ),
    "jeffrey": Divergence(
        f=lambda u: (u - 1) * u.log(),
        slope=lambda u: u.log() + 1 - 1 / u,
        conjugate=jeffrey_conjugate,
        activation=lambda v: v,
        activated=jeffrey_conjugate,
    ),
    "js": Divergence(  # twice the usual Jensen-Shannon divergence
        f=lambda u: u * u.log() - (u + 1) * ((1 + u) / 2).log(),
        slope=lambda u: (2 * u / (1 + u)).log(),
        conjugate=lambda t: -(2 - t.exp()).log(),
        activation=lambda v: log(2) - softplus(-v),
        activated=lambda v: softplus(v) - log(2),
    ),
    "gan": Divergence(  # JS minus log 4
        f=lambda u: u * u.log() - (u + 1) * (u + 1).log(),
        slope=lambda u: (u / (1 + u)).log(),
        conjugate=lambda t: -(-t.expm1()).log(),
        activation=lambda v: -softplus(-v),
        activated=softplus,
    ),
}
