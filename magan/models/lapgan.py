"""Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks (Denton et al., NIPS 2015)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.architectures import Builder
from magan.networks.convolution import halvings
from magan.networks.counter_rng import seeds, uniform
from magan.networks.gan_networks import discriminator, generator
from magan.networks.laplacian import DetailGenerator
from magan.networks.resizing import enlarged, pyramid
from magan.option_types import Count, Width
from magan.recipe import Adam, Noise, Phase, Recipe


def lapgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_noise: Count = 100,
    width: Width = 64,
) -> Recipe:
    """Build a GAN of images at a quarter of their size, and a conditional GAN of the lost detail for each doubling.

    Digits of 28 pixels have the sizes 7, 14 and 28. At each size above the coarsest, G reads noise and a real image
    that was halved and doubled, and generates the lost detail; D scores the sum of both. All sizes train at the same
    time and share no weights. `sample` proceeds from the coarsest to the finest size; each size refines the image of
    the size before.

    Parameters
    ----------
    shapes
        Shape of an image: ``{"x": (C, H, W)}``.
    n_noise
        Length of the coarsest generator's z; each finer generator reads a plane of noise. Both are uniform on [-1, 1).
    width
        Channels of each network's first layer.

    Raises
    ------
    ValueError
        Samples are not images, or their sides are odd.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"lapgan needs images, not samples of shape {shapes['x']}; use gan for tables")
    game, shape, n = ADVERSARIAL["non_saturating"], shapes["x"], halvings(shapes["x"])
    sizes = [(shape[0], shape[1] // 2**k, shape[2] // 2**k) for k in range(n + 1)]  # finest first
    names = [str(size[1]) for size in sizes]

    def plane(batch, k: int):
        return 2 * uniform(seeds(batch["planes"], batch["planes"].shape[1], k), (1, *sizes[k][1:])) - 1

    def pairs(networks, batch):
        """Return (name, real, generated) of each size, finest first; the coarser part of a generated image is real."""
        coarsest, details = pyramid(batch["x"], n)
        real, generated = [coarsest], [networks[f"generator_{names[n]}"](batch["z"])]
        for k in reversed(range(n)):
            blurred = enlarged(real[0], smooth=True)
            real.insert(0, blurred + details[k])
            generated.insert(0, blurred + networks[f"generator_{names[k]}"](plane(batch, k), blurred))
        return list(zip(names, real, generated))

    def discriminators(networks, batch, carry):
        return {
            f"adversarial_{name}": game.discriminator(D(real), D(generated.detach()))
            for name, real, generated in pairs(networks, batch)
            for D in [networks[f"discriminator_{name}"]]
        }

    def generators(networks, batch, carry):
        return {
            f"adversarial_{name}": game.generator(networks[f"discriminator_{name}"](generated))
            for name, _, generated in pairs(networks, batch)
        }

    def sample(networks, batch):
        x = networks[f"generator_{names[n]}"](batch["z"])
        for k in reversed(range(n)):
            blurred = enlarged(x, smooth=True)
            x = blurred + networks[f"generator_{names[k]}"](plane(batch, k), blurred)
        return x.clamp(-1, 1)

    networks: dict[str, Builder] = {
        f"generator_{name}": partial(DetailGenerator, shape[0], width) for name in names[:n]
    }
    networks[f"generator_{names[n]}"] = generator(n_noise, sizes[n], "auto", width)
    networks |= {f"discriminator_{name}": discriminator(size, "auto", width) for name, size in zip(names, sizes)}
    return Recipe(
        networks=networks,
        phases=tuple(
            Phase(kind, trains=tuple(f"{kind}_{name}" for name in names), objective=objective)
            for kind, objective in (("discriminator", discriminators), ("generator", generators))
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise={"z": Noise((n_noise,), "signed"), "planes": Noise((2,), "uniform")},
        uninformed_loss={f"discriminator/adversarial_{name}": game.uninformed_loss for name in names},
        sample=sample,
    )
