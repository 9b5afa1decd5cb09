"""Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks (Denton et al., NIPS 2015)."""

from collections.abc import Mapping
from functools import partial

from magan.losses.adversarial import ADVERSARIAL
from magan.networks.convolution import halvings
from magan.networks.counter_rng import seeds, uniform
from magan.networks.gan_networks import discriminator, generator
from magan.networks.laplacian import DetailGenerator
from magan.networks.resizing import enlarged, pyramid
from magan.recipe import Adam, Noise, Phase, Recipe


def lapgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    n_noise: int = 100,
    width: int = 64,
) -> Recipe:
    """A GAN of images at a quarter of their size, then for each doubling a conditional GAN of what the doubling lacks.

    Digits of 28 pixels are a pyramid of 7, 14 and 28. At each size G sees a real image that was halved and doubled, and
    noise, and makes the lost detail; D judges the detail added to the blurred image. Sizes train side by side and share
    nothing; `sample` goes from the coarsest to the finest, each size on what the one before made.

    Parameters
    ----------
    shapes
        Of one image: ``{"x": (C, H, W)}``.
    n_noise
        Length of the coarsest generator's z; each finer one has a plane of noise. Both are uniform on [-1, 1).
    width
        Maps of each network's first layer.

    Raises
    ------
    ValueError
        Samples are no images, or their sides are odd.
    """
    if len(shapes["x"]) != 3:
        raise ValueError(f"lapgan needs images, not samples of shape {shapes['x']}; use gan for tables")
    game, shape, n = ADVERSARIAL["non_saturating"], shapes["x"], halvings(shapes["x"])
    sizes = [(shape[0], shape[1] // 2**k, shape[2] // 2**k) for k in range(n + 1)]  # finest first
    names = [str(size[1]) for size in sizes]

    def plane(batch, k: int):
        return 2 * uniform(seeds(batch["planes"], batch["planes"].shape[1], k), (1, *sizes[k][1:])) - 1

    def pairs(networks, batch):
        """Of each size, the real image and a generated one, whose coarser part is real; finest first."""
        coarsest, details = pyramid(batch["x"], n)
        real, made = [coarsest], [networks[f"generator_{names[n]}"](batch["z"])]
        for k in reversed(range(n)):
            blurred = enlarged(real[0], smooth=True)
            real.insert(0, blurred + details[k])
            made.insert(0, blurred + networks[f"generator_{names[k]}"](plane(batch, k), blurred))
        return list(zip(names, real, made))

    def discriminators(networks, batch, carry):
        return {
            f"adversarial_{name}": game.discriminator(D(real), D(made.detach()))
            for name, real, made in pairs(networks, batch)
            for D in [networks[f"discriminator_{name}"]]
        }

    def generators(networks, batch, carry):
        return {
            f"adversarial_{name}": game.generator(networks[f"discriminator_{name}"](made))
            for name, _, made in pairs(networks, batch)
        }

    def sample(networks, batch):
        x = networks[f"generator_{names[n]}"](batch["z"])
        for k in reversed(range(n)):
            blurred = enlarged(x, smooth=True)
            x = blurred + networks[f"generator_{names[k]}"](plane(batch, k), blurred)
        return x.clamp(-1, 1)

    networks = {f"generator_{name}": partial(DetailGenerator, shape[0], width) for name in names[:n]}
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
