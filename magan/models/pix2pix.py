"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., CVPR 2017)."""

from collections.abc import Mapping
from functools import partial

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error
from magan.networks.architectures import deep_enough, images
from magan.networks.patchgan import Patch, layers_within
from magan.networks.unet import UNet, dropout_shapes
from magan.recipe import Adam, Correspondence, Noise, Phase, Recipe

SKIPS = {"unet": True, "encoder_decoder": False}  # architecture: whether the decoder sees the encoder


def pix2pix(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: Correspondence | None = None,
    adversarial: str = "non_saturating",
    adversarial_weight: float = 1.0,
    l1_weight: float = 100.0,
    conditional: bool = True,
    dropout: bool = True,
    architecture: str = "unet",
    width: int = 64,
    depth: int | None = None,
    patch_layers: int | None = None,
) -> Recipe:
    """Pairs of images: one is mapped onto the other, by absolute error and by a game over patches.

    It maps one way only, from domain 1 to domain 2, and learns from nothing but known pairs: its batches need the
    entries "pair1" and "pair2" of the correspondence ``pairs``. Both networks normalise by the minibatch; the
    paper's is of one image.

    Parameters
    ----------
    shapes
        Of one sample of each domain, two images of one size: ``{"x1": (C1, H, W), "x2": (C2, H, W)}``.
    correspondence
        Not read: the pairs themselves are what is learned from, by the losses below.
    adversarial
        A key of ``ADVERSARIAL``. The discriminator's side counts half.
    adversarial_weight, l1_weight
        1 and 100 in the paper. Without the first there is no discriminator, without the second no error.
    conditional
        The discriminator sees the pair, laid on one another; if not, the image of domain 2 alone.
    dropout
        Half of the maps drop out in the three innermost levels of the decoder: the paper's only noise. It keeps
        dropping when it maps; here a map is deterministic, with every level at its expected value.
    architecture
        "unet", or "encoder_decoder": the same without skips.
    width, depth
        Maps of the first convolution, and halvings (None: the paper's, down to a single pixel).
    patch_layers
        Of the discriminator: 0 to 5 give patches of 1, 16, 34, 70, 142 and 286 pixels. None is the paper's 70, or
        what the image holds.

    Raises
    ------
    ValueError
        The domains are not images of one size, the architecture is unknown, or nothing is left to minimise.
    """
    if architecture not in SKIPS:
        raise ValueError(f"architecture '{architecture}' is unknown to pix2pix; there are {', '.join(SKIPS)}")
    if not adversarial_weight and not l1_weight:
        raise ValueError("adversarial_weight and l1_weight are both 0; give one of them")
    x1, x2 = images(shapes["x1"], shapes["x2"])
    depth = deep_enough(x1, depth, bottleneck=1)
    drops = {f"dropout_{i}": Noise(shape, "uniform") for i, shape in enumerate(dropout_shapes(x1, width, depth))}
    drops = drops if dropout else {}
    game = ADVERSARIAL[adversarial]

    def draws(batch):  # as many as there are pairs, should they be fewer than a minibatch
        return (batch[name][:, : batch["pair1"].shape[1]] for name in drops)

    def seen(x, y):
        return torch.cat([x, y], dim=2) if conditional else y

    def generators(networks, batch, carry):
        G = networks["generator_12"]
        x, y = known(batch)
        mapped = G(x, *draws(batch))
        terms = {}
        if adversarial_weight:
            terms["adversarial"] = adversarial_weight * game.generator(networks["discriminator"](seen(x, mapped)))
        if l1_weight:
            terms["absolute_error"] = l1_weight * absolute_error(mapped, y)
        return terms

    def discriminators(networks, batch, carry):
        G, D = networks["generator_12"], networks["discriminator"]
        x, y = known(batch)
        mapped = G(x, *draws(batch)).detach()
        # Real and generated pairs pass apart, so that each are normalised by their own statistics.
        return {"discriminator": 0.5 * game.discriminator(D(seen(x, y)), D(seen(x, mapped)))}

    networks = {"generator_12": partial(UNet, x1, x2, width, depth, skips=SKIPS[architecture])}
    phases = [Phase("generator", trains=("generator_12",), objective=generators)]
    if adversarial_weight:
        judged = (x1[0] * conditional + x2[0], *x2[1:])
        n_layers = layers_within(x2) if patch_layers is None else patch_layers
        networks["discriminator"] = partial(Patch, judged, width, n_layers, by_minibatch=True)
        phases.insert(0, Phase("discriminator", trains=("discriminator",), objective=discriminators))
    return Recipe(
        networks=networks,
        phases=tuple(phases),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        noise=drops,
        uninformed_loss={"discriminator/discriminator": game.uninformed_loss and 0.5 * game.uninformed_loss}
        if adversarial_weight
        else {},
    )


def known(batch):
    """The pairs of a batch, ``(R, B, *shape)`` each.

    Raises
    ------
    ValueError
        The batch has none.
    """
    if "pair1" not in batch:
        raise ValueError("pix2pix learns from known pairs and the batch has none; set correspondence: pairs")
    return batch["pair1"], batch["pair2"]
