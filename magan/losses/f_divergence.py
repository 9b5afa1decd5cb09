"""Games whose discriminator estimates an f-divergence (Nowozin, Cseke & Tomioka 2016).

With P the real distribution, Q the generated one, u = p/q and f convex, f(1) = 0 up to a constant,

    D_f(P || Q) = E_Q f(u) >= E_P g(V(x)) - E_Q f*(g(V(x))),

with equality where g(V) = f'(u). The output activation g takes any score V to the domain of f*, so that
scores stay raw; real and generated scores balance at V with g(V) = f'(1), the threshold.
"""

from collections.abc import Callable
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from magan.losses.adversarial import Adversarial

Elementwise = Callable[[Tensor], Tensor]
NEWTON_STEPS = 6  # from where they start, five reach double precision


class Divergence(NamedTuple):
    """One row of the paper's tables, all elementwise."""

    f: Elementwise  # u > 0
    slope: Elementwise  # f'(u), u > 0
    conjugate: Elementwise  # f*(t) = sup_u (u t - f(u))
    activation: Elementwise  # t = g(v)
    activated: Elementwise  # f*(g(v)), written so that it neither overflows nor cancels where it need not


def wright_omega(y: Tensor) -> Tensor:
    """The w with ``w + log w = y``, which is Lambert's ``W(e^y)`` without forming ``e^y``.

    Newton's iteration for ``s = log w`` on ``s + e^s = y``, a convex function met from above. The
    iterations carry no gradient; one last step at the solution carries the exact first derivative ``w / (1 + w)``.
    """
    with torch.no_grad():
        s = torch.where(y > 1, y.clamp(min=1).log(), y)
        for _ in range(NEWTON_STEPS):
            s = s - (s + s.exp() - y) / (1 + s.exp())
    return (s - (s + s.exp() - y) / (1 + s.exp())).exp()


def jeffrey_conjugate(t: Tensor) -> Tensor:
    """``w + 1/w + t - 2`` with ``w = W(e^(1-t))``."""
    w = wright_omega(1 - t)
    return w + 1 / w + t - 2


def game(divergence: Divergence, saturating: bool = False) -> Adversarial:
    """The discriminator maximises the bound; the generator raises g(V(G(z))), or lowers the bound itself.

    Lowering the bound is the paper's objective (6) as it stands and saturates once the discriminator wins;
    raising g instead is its section 3.2, and for "gan" the non-saturating game.
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
        conjugate=lambda t: t**2 / 4 + t,  # of f on all real u, as in the paper
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
