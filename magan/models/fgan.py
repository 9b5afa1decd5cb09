"""f-GAN: Generative Neural Samplers by Variational Divergence Minimization (Nowozin, Cseke & Tomioka, NIPS 2016)."""

from collections.abc import Mapping

from magan.losses.f_divergence import DIVERGENCES, game
from magan.networks.gan_networks import discriminator, generator
from magan.option_types import Count, DivergenceName, SampleArchitectureName, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def fgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    divergence: DivergenceName = "kl",
    saturating: bool = False,
    n_noise: Count = 100,
    architecture: SampleArchitectureName = "auto",
    width: Width = 64,
    normalised: bool = True,
) -> Recipe:
    """Build a GAN whose discriminator estimates the chosen divergence and whose generator lowers it.

    In the logs ``discriminator/adversarial`` is minus the estimate.

    Parameters
    ----------
    shapes
        Shape of a sample: ``{"x": (C, H, W)}`` or ``{"x": (M,)}``.
    divergence
        A key of ``DIVERGENCES``: "kl", "reverse_kl", "pearson", "hellinger", "jeffrey", "js" or "gan".
    saturating
        Train G to lower the estimate, the paper's objective (6). Otherwise G raises the activated score of generated
        samples, as in the paper's section 3.2, which for "gan" is the non-saturating game.
    n_noise
        Length of z, uniform on [-1, 1).
    architecture, width
        See `magan.networks.gan_networks`.
    normalised
        Use batch normalisation in both networks, by the statistics of each minibatch. The paper's D is fully connected
        and has none. With a small convolutional D without normalisation, G makes the same image for every z.

    Raises
    ------
    ValueError
        The divergence or the architecture is unknown.
    """
    if divergence not in DIVERGENCES:
        raise ValueError(f"divergence '{divergence}' is unknown; there are {', '.join(DIVERGENCES)}")
    adversarial = game(DIVERGENCES[divergence], saturating)

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": adversarial.discriminator(D(batch["x"]), D(G(batch["z"]).detach()))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]
        return {"adversarial": adversarial.generator(D(G(batch["z"])))}

    return Recipe(
        networks={
            "generator": generator(n_noise, shapes["x"], architecture, width, normalised=normalised),
            "discriminator": discriminator(shapes["x"], architecture, width, normalised=normalised),
        },
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed")},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )
