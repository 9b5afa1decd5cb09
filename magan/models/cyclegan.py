"""CycleGAN: Unpaired Image-to-Image Translation (Zhu et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import absolute_error
from magan.networks.translation import DISCRIMINATOR_HIDDEN, GENERATOR_HIDDEN, scores, symbols, translation
from magan.recipe import Adam, Correspondence, Phase, Recipe


def cyclegan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: Correspondence | None = None,
    adversarial: str = "least_squares",
    cycle_weight: float = 10.0,
    identity_weight: float = 0.0,
    correspondence_weight: float = 1.0,
    generator_hidden: Sequence[int] = GENERATOR_HIDDEN,
    discriminator_hidden: Sequence[int] = DISCRIMINATOR_HIDDEN,
) -> Recipe:
    """A least-squares game and an absolute cycle, weighted 10.

    Parameters
    ----------
    shapes
        Of one sample of each domain: ``{"x1": (M1,), "x2": (M2,)}``.
    correspondence
        None in the paper; any of MAGAN's may be added.
    adversarial
        A key of ``ADVERSARIAL``.
    cycle_weight
        The paper's lambda.
    identity_weight
        Of ``|G12(x2) - x2| + |G21(x1) - x1|``. The paper adds it for paintings
        only, with half the cycle's weight; it needs domains of one shape.
    generator_hidden, discriminator_hidden
        Widths of the hidden layers: MAGAN's, so that the arms differ by their
        losses alone. The paper's image networks are convolutional.

    Raises
    ------
    ValueError
        An identity loss is asked for between domains of different shapes.

    Notes
    -----
    The image pool of the authors' code, which softens a minibatch of one
    image, has no counterpart at minibatches of tens of cells and is left out.
    """
    if identity_weight and shapes["x1"] != shapes["x2"]:
        raise ValueError(
            f"identity_weight needs domains of one shape, not {shapes['x1']} and {shapes['x2']}; set it to 0"
        )
    game = ADVERSARIAL[adversarial]

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
            kept = correspondence(G12, G21, {**batch, "x12": x12, "x21": x21})
            terms["correspondence"] = correspondence_weight * kept
        return terms

    def discriminators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        return {
            "discriminator_1": game.discriminator(*scores(D1, x1, G21(x2).detach())),
            "discriminator_2": game.discriminator(*scores(D2, x2, G12(x1).detach())),
        }

    return Recipe(
        networks=translation(shapes, generator_hidden, discriminator_hidden),
        phases=(
            Phase("generator", trains=("generator_12", "generator_21"), objective=generators),
            Phase("discriminator", trains=("discriminator_1", "discriminator_2"), objective=discriminators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
    )
