"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., CVPR 2017)."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error
from magan.networks.architectures import Builder, deep_enough, images
from magan.networks.patchgan import Patch, layers_within
from magan.networks.unet import UNet, dropout_shapes
from magan.option_types import Count, GameName, Weight, Whole, Width
from magan.recipe import Adam, CorrespondenceLoss, Noise, Phase, Recipe

SKIPS = {"unet": True, "encoder_decoder": False}  # architecture: whether the decoder sees the encoder


def pix2pix(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: CorrespondenceLoss | None = None,
    adversarial: GameName = "non_saturating",
    adversarial_weight: Weight = 1.0,
    l1_weight: Weight = 100.0,
    conditional: bool = True,
    dropout: bool = True,
    architecture: Literal["unet", "encoder_decoder"] = "unet",
    width: Width = 64,
    depth: Count | None = None,
    patch_layers: Whole | None = None,
) -> Recipe:
    """Build a generator trained on pairs of images, by absolute error and by a game over patches.

    It maps only from domain 1 to domain 2 and learns only from known pairs: batches need the entries "pair1" and
    "pair2" of the correspondence ``pairs``. Both networks normalise by the minibatch; the paper's minibatch is one
    image.

    Parameters
    ----------
    shapes
        Shape of a sample of each domain, two images of equal size: ``{"x1": (C1, H, W), "x2": (C2, H, W)}``.
    correspondence
        Ignored: the losses below read the pairs directly.
    adversarial
        A key of ``ADVERSARIAL``. The discriminator's loss is halved.
    adversarial_weight, l1_weight
        Weights of the adversarial loss and of the absolute error, 1 and 100 in the paper. Weight 0 removes the
        discriminator or the error.
    conditional
        Give the discriminator both images of a pair as channels; otherwise only the image of domain 2.
    dropout
        Drop half of the values in the three innermost levels of the decoder, which is the paper's only noise. The paper
        also drops when it maps. Here a map is deterministic, with every level at its expected value.
    architecture
        "unet", or "encoder_decoder", which has no skips.
    width, depth
        Channels of the first convolution, and number of halvings (None: the paper's, down to a single pixel).
    patch_layers
        Layers of stride 2 in the discriminator: 0 to 5 give patches of 1, 16, 34, 70, 142 and 286 pixels. None gives
        the paper's 70, or the largest patch that fits into the image.

    Raises
    ------
    ValueError
        The domains are not images of equal size, the architecture is unknown, or both weights are 0.
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

    def draws(batch):  # there may be fewer pairs than samples in a minibatch
        return (batch[name][:, : batch["pair1"].shape[1]] for name in drops)

    def shown(x, y):
        return torch.cat([x, y], dim=2) if conditional else y

    def generators(networks, batch, carry):
        G = networks["generator_12"]
        x, y = known(batch)
        mapped = G(x, *draws(batch))
        terms = {}
        if adversarial_weight:
            terms["adversarial"] = adversarial_weight * game.generator(networks["discriminator"](shown(x, mapped)))
        if l1_weight:
            terms["absolute_error"] = l1_weight * absolute_error(mapped, y)
        return terms

    def discriminators(networks, batch, carry):
        G, D = networks["generator_12"], networks["discriminator"]
        x, y = known(batch)
        mapped = G(x, *draws(batch)).detach()
        # Real and generated pairs pass separately, so each minibatch is normalised by its statistics.
        return {"discriminator": 0.5 * game.discriminator(D(shown(x, y)), D(shown(x, mapped)))}

    networks: dict[str, Builder] = {"generator_12": partial(UNet, x1, x2, width, depth, skips=SKIPS[architecture])}
    phases = [Phase("generator", trains=("generator_12",), objective=generators)]
    if adversarial_weight:
        shape = (x1[0] * conditional + x2[0], *x2[1:])
        n_layers = layers_within(x2) if patch_layers is None else patch_layers
        networks["discriminator"] = partial(Patch, shape, width, n_layers, by_minibatch=True)
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
    """Return the pairs of a batch, ``(R, B, *shape)`` each.

    Raises
    ------
    ValueError
        The batch has no pairs.
    """
    if "pair1" not in batch:
        raise ValueError("pix2pix learns from known pairs and the batch has none; set correspondence: pairs")
    return batch["pair1"], batch["pair2"]
