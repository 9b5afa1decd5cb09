"""TraVeLGAN: Image-to-image Translation by Transformation Vector Learning (Amodio & Krishnaswamy, CVPR 2019)."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.travel import cosine_agreement, margin_violation, vector_gap
from magan.networks.architectures import DISCRIMINATOR_HIDDEN, GENERATOR_HIDDEN, SIAMESE_HIDDEN, Sizes, architecture_of
from magan.networks.translation import scores, symbols, translation, uninformed_loss
from magan.option_types import ArchitectureName, Count, GameName, Size, Weight, Width, Widths
from magan.recipe import Adam, CorrespondenceLoss, Phase, Recipe


def travelgan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: CorrespondenceLoss | None = None,
    adversarial: GameName = "non_saturating",
    travel_weight: Weight = 10.0,
    margin: Size = 10.0,
    squared_margin: bool = True,
    n_latent: Count = 1000,
    correspondence_weight: Weight = 1.0,
    architecture: ArchitectureName = "mlp",
    width: Width = 64,
    depth: Count | None = None,
    generator_hidden: Widths = GENERATOR_HIDDEN,
    discriminator_hidden: Widths = DISCRIMINATOR_HIDDEN,
    siamese_hidden: Widths = SIAMESE_HIDDEN,
) -> Recipe:
    """Build a translation without a cycle: the maps must preserve the vectors between samples, embedded by a network S.

    S is trained together with both generators, against the discriminators. In the logs ``travel_cosine`` is minus the
    cosine agreement, so negative values are good; ``margin_violation`` falls to 0 when the embeddings are spread out.

    Parameters
    ----------
    shapes
        Shape of a sample of each domain: ``{"x1": (M1,), "x2": (M2,)}``.
    correspondence
        Correspondence loss; None in the paper. Any of MAGAN's may be added.
    adversarial
        A key of ``ADVERSARIAL``.
    travel_weight
        Weight of all three siamese terms.
    margin, squared_margin
        Least distance of the embeddings of two real samples. The authors' code compares 10 with the squared distance,
        the paper's text with the distance.
    n_latent
        Dimension of the embedding space.
    architecture, width, depth
        ``architecture`` is a key of ``ARCHITECTURES``: "unet" is the paper's; "mlp" has MAGAN's generators and
        discriminators, so that arms differ only by their losses. ``width`` is the number of channels of the first
        convolution, ``depth`` the number of residual blocks or halvings (None: the paper's).
    generator_hidden, discriminator_hidden, siamese_hidden
        Widths of the hidden layers of "mlp".
    """
    game = ADVERSARIAL[adversarial]
    sizes = Sizes(generator_hidden, discriminator_hidden, siamese_hidden, width=width, depth=depth)
    kind = architecture_of(architecture, sizes)

    def generators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        S = networks["siamese"]
        x1, x2 = batch["x1"], batch["x2"]
        x12, x21 = G12(x1), G21(x2)
        s1, s12 = S(x1, x12)
        s21, s2 = S(x21, x2)
        violation = margin_violation(s1, margin, squared_margin) + margin_violation(s2, margin, squared_margin)
        terms = {
            "adversarial": game.generator(D2(x12)) + game.generator(D1(x21)),
            "margin_violation": travel_weight * violation,
            "travel": travel_weight * (vector_gap(s1, s12) + vector_gap(s2, s21)),
            "travel_cosine": -travel_weight * (cosine_agreement(s1, s12) + cosine_agreement(s2, s21)),
        }
        if correspondence:
            change = correspondence(G12, G21, {**batch, "x12": x12, "x21": x21})
            terms["correspondence"] = correspondence_weight * change
        return terms

    def discriminators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        return {
            "discriminator_1": 0.5 * game.discriminator(*scores(D1, x1, G21(x2).detach(), kind.by_minibatch)),
            "discriminator_2": 0.5 * game.discriminator(*scores(D2, x2, G12(x1).detach(), kind.by_minibatch)),
        }

    networks = translation(shapes, kind)
    networks["siamese"] = kind.siamese(shapes["x1"], shapes["x2"], n_latent)
    return Recipe(
        networks=networks,
        phases=(
            Phase("discriminator", trains=("discriminator_1", "discriminator_2"), objective=discriminators),
            Phase("generator", trains=("generator_12", "generator_21", "siamese"), objective=generators),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999)),
        uninformed_loss=uninformed_loss(game.uninformed_loss, 0.5),
    )
