"""Auto-Encoding Variational Bayes (Kingma & Welling, ICLR 2014)."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from magan.losses.information import gaussian_kl
from magan.losses.reconstruction import bernoulli
from magan.networks.counter_rng import seeds, uniform
from magan.networks.mlp import MLP
from magan.option_types import Count, Widths
from magan.recipe import Adam, Batch, Networks, Noise, Phase, Recipe


def vae(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    hidden: Widths = (400,),
    n_noise: Count = 20,
) -> Recipe:
    """Build a decoder of standard normal codes, and an encoder that estimates the distribution of a sample's code.

    Both minimise ``-E log p(x | z) + KL(q(z | x) || N(0, 1))``, an upper bound of ``-log p(x)`` in nats, with
    ``z = mean + sd eps``. Pixels are binary: at each use of an image every pixel is drawn with its brightness as
    probability (Salakhutdinov & Murray 2008). A generated sample shows the decoder's probabilities. `elbo` evaluates
    the bound on test images.

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    hidden
        Widths of the encoder's hidden layers; the decoder has the reverse order.
    n_noise
        Length of z.

    Raises
    ------
    ValueError
        Samples are not images.
    """
    shape = shapes["x"]
    if len(shape) != 3:
        raise ValueError(f"vae needs images, whose pixels are chances, not samples of {shape}; use aae for tables")

    def bounded(networks, batch, carry):
        Q, P = networks["encoder"], networks["decoder"]
        x = tossed(batch["x"], batch["coins"])
        mean, log_variance = Q(2 * x - 1).chunk(2, -1)
        z = mean + (log_variance / 2).exp() * batch["z"]
        return {"reconstruction": bernoulli(P(z), x), "divergence": gaussian_kl(mean, log_variance)}

    return Recipe(
        networks={
            "encoder": partial(MLP, shape, (2 * n_noise,), tuple(hidden)),
            "decoder": partial(MLP, (n_noise,), shape, tuple(hidden)[::-1]),
        },
        phases=(Phase("bound", trains=("encoder", "decoder"), objective=bounded),),
        optimiser=Adam(learning_rate=1e-3, betas=(0.9, 0.999)),
        noise={"z": Noise((n_noise,)), "coins": Noise((2,), "uniform")},
        sample=lambda networks, batch: 2 * networks["decoder"](batch["z"]).sigmoid() - 1,
        measure=lambda networks, batch: {"elbo": elbo(networks, batch)},
    )


def tossed(x: Tensor, numbers: Tensor) -> Tensor:
    """Draw binary images, 1 with probability ``(x + 1) / 2``, from seeds of uniform ``numbers``, ``(R, B, 2)``."""
    return (uniform(seeds(numbers, x.shape[1], 0), x.shape[2:]) < (x + 1) / 2).to(x)


def elbo(networks: Networks, batch: Batch) -> Tensor:
    """Return the lower bound of ``log p(x)`` of every image, ``(R, B)`` in nats, from one draw of z and of pixels."""
    x = tossed(batch["x"], batch["coins"])
    mean, log_variance = networks["encoder"](2 * x - 1).chunk(2, -1)
    logits = networks["decoder"](mean + (log_variance / 2).exp() * batch["z"])
    # Losses are means over a replicate's samples, so treat every sample as a replicate.
    logits, x, mean, log_variance = (part.flatten(0, 1)[:, None] for part in (logits, x, mean, log_variance))
    return -(bernoulli(logits, x) + gaussian_kl(mean, log_variance)).unflatten(0, batch["x"].shape[:2])
