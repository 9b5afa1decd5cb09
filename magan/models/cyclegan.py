"""CycleGAN: Unpaired Image-to-Image Translation (Zhu et al., ICCV 2017)."""

from collections.abc import Mapping

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error
from magan.networks.architectures import DISCRIMINATOR_HIDDEN, GENERATOR_HIDDEN, Sizes, architecture_of
from magan.networks.image_pool import exchange
from magan.networks.translation import scores, symbols, translation, uninformed_loss
from magan.option_types import ArchitectureName, Count, GameName, Weight, Whole, Width, Widths
from magan.recipe import Adam, CorrespondenceLoss, Noise, Phase, Recipe


def cyclegan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: CorrespondenceLoss | None = None,
    adversarial: GameName = "least_squares",
    cycle_weight: Weight = 10.0,
    identity_weight: Weight = 0.0,
    correspondence_weight: Weight = 1.0,
    n_pool: Whole = 0,
    architecture: ArchitectureName = "mlp",
    width: Width = 64,
    depth: Count | None = None,
    generator_hidden: Widths = GENERATOR_HIDDEN,
    discriminator_hidden: Widths = DISCRIMINATOR_HIDDEN,
) -> Recipe:
    """Build two generators and two discriminators: a least-squares game and an absolute cycle loss of weight 10.

    Parameters
    ----------
    shapes
        Shape of a sample of each domain: ``{"x1": (M1,), "x2": (M2,)}``.
    correspondence
        Correspondence loss; None in the paper. Any of MAGAN's may be added.
    adversarial
        A key of ``ADVERSARIAL``.
    cycle_weight
        The paper's lambda.
    identity_weight
        Weight of ``|G12(x2) - x2| + |G21(x1) - x1|``. The paper uses it only for paintings, with half the cycle's
        weight. It needs domains of equal shape.
    n_pool
        Size of the pool of past generated samples. When the pool is full, half of the discriminators' generated
        samples come from it. The paper has 50, for minibatches of one image. See
        `magan.networks.image_pool.exchange`.
    architecture, width, depth
        ``architecture`` is a key of ``ARCHITECTURES``: "resnet" is the paper's; "mlp" is MAGAN's, so that arms differ
        only by their losses. ``width`` is the number of channels of the first convolution, ``depth`` the number of
        residual blocks or halvings (None: the paper's).
    generator_hidden, discriminator_hidden
        Widths of the hidden layers of "mlp".

    Raises
    ------
    ValueError
        ``identity_weight`` is not 0 and the domains have different shapes.
    """
    if identity_weight and shapes["x1"] != shapes["x2"]:
        raise ValueError(
            f"identity_weight needs domains of one shape, not {shapes['x1']} and {shapes['x2']}; set it to 0"
        )
    game = ADVERSARIAL[adversarial]
    kind = architecture_of(architecture, Sizes(generator_hidden, discriminator_hidden, width=width, depth=depth))

    def generators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        x12, x21 = G12(x1), G21(x2)
        terms = {
            "adversarial": game.generator(D2(x12)) + game.generator(D1(x21)),
            "cycle": cycle_weight * (absolute_error(G21(x12), x1) + absolute_error(G12(x21), x2)),
        }
        if identity_weight:
            terms["identity"] = identity_weight * (absolute_error(G12(x2), x2) + absolute_error(G21(x1), x1))
        if correspondence:
            change = correspondence(G12, G21, {**batch, "x12": x12, "x21": x21})
            terms["correspondence"] = correspondence_weight * change
        return terms

    def discriminators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        x21, x12 = G21(x2).detach(), G12(x1).detach()
        if n_pool:
            x21, x12 = (shown for shown, _ in exchanged(x21, x12, batch, carry))
        return {
            "discriminator_1": game.discriminator(*scores(D1, x1, x21, kind.by_minibatch)),
            "discriminator_2": game.discriminator(*scores(D2, x2, x12, kind.by_minibatch)),
        }

    def exchanged(x21, x12, batch, carry):
        n_seen = carry["step"] * x21.shape[1]
        return [
            exchange(carry[f"pool_{d}"], fake, n_seen, batch[f"coin_{d}"], batch[f"place_{d}"])
            for d, fake in ((1, x21), (2, x12))
        ]

    @torch.no_grad()
    def keep(networks, batch, carry):
        if not n_pool:
            return carry
        G12, G21, _, _ = symbols(networks)
        pools = (pool for _, pool in exchanged(G21(batch["x2"]), G12(batch["x1"]), batch, carry))
        return {**carry, **dict(zip(("pool_1", "pool_2"), pools))}

    return Recipe(
        networks=translation(shapes, kind),
        phases=(
            Phase("generator", trains=("generator_12", "generator_21"), objective=generators),
            Phase("discriminator", trains=("discriminator_1", "discriminator_2"), objective=discriminators, keep=keep),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        uninformed_loss=uninformed_loss(game.uninformed_loss),
        noise={f"{what}_{d}": Noise((), "uniform") for what in ("coin", "place") for d in (1, 2)} if n_pool else {},
        carry={f"pool_{d}": torch.zeros(1, n_pool, *shapes[f"x{d}"]) for d in (1, 2)} if n_pool else {},
    )
