"""MAGAN: Aligning Biological Manifolds (Amodio & Krishnaswamy, ICML 2018)."""

from collections.abc import Mapping

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.penalties import gradient_penalty
from magan.losses.reconstruction import squared_error
from magan.networks.architectures import DISCRIMINATOR_HIDDEN, GENERATOR_HIDDEN, Sizes, architecture_of
from magan.networks.translation import scores, symbols, translation, uninformed_loss
from magan.option_types import ArchitectureName, Count, GameName, Size, Weight, Width, Widths
from magan.recipe import Adam, CorrespondenceLoss, Noise, Phase, Recipe


def magan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: CorrespondenceLoss | None = None,
    adversarial: GameName = "non_saturating",
    cycle_weight: Weight = 1.0,
    correspondence_weight: Weight = 1.0,
    reconstructions_are_real: bool = False,
    gradient_weight: Weight = 0.0,
    cycle_noise: Size = 0.0,
    residual: bool = False,
    architecture: ArchitectureName = "mlp",
    width: Width = 64,
    depth: Count | None = None,
    generator_hidden: Widths = GENERATOR_HIDDEN,
    discriminator_hidden: Widths = DISCRIMINATOR_HIDDEN,
) -> Recipe:
    """Build two generators, two discriminators, and a correspondence loss on what the maps must preserve.

    Parameters
    ----------
    shapes
        Shape of a sample of each domain: ``{"x1": (M1,), "x2": (M2,)}``.
    correspondence
        Correspondence loss on both maps; None is the paper's arm without correspondence.
    adversarial
        A key of ``ADVERSARIAL``.
    cycle_weight, correspondence_weight
        Both are 1, as is the weight of the adversarial term. The authors' code averages its six generator terms and its
        four discriminator terms; here they are summed. With Adam the common factors 1/6 and 1/4 have no effect.
    reconstructions_are_real
        Train the discriminators to score the reconstructions ``x121`` and ``x212`` as real, as in the paper, at the
        game's cost of a real sample. The authors' code first sent both to one discriminator, and since 2020 sends
        neither. The default is off, as in the present code.
    gradient_weight
        Weight of R1, the squared slope of each discriminator at the real samples of its domain (Mescheder et al. 2018).
        It prevents a discriminator from winning by a detail of a few cells. Not in the paper.
    cycle_noise
        Standard deviation, in the networks' units, of Gaussian noise on a mapped sample before it is mapped back. It
        prevents the cycle from hiding a value in tiny differences (Chu et al. 2017). Not in the paper.
    residual
        Use generators ``x + f(x)`` that start as the identity, so a map changes only what the losses require. It needs
        domains of equal shape. Not in the paper.
    architecture, width, depth
        ``architecture`` is a key of ``ARCHITECTURES``; the convolutional architectures are not in the paper. ``width``
        is the number of channels of the first convolution, ``depth`` the number of residual blocks or halvings (None:
        as in the architecture's paper).
    generator_hidden, discriminator_hidden
        Widths of the hidden layers of "mlp"; defaults are the authors'.

    Raises
    ------
    ValueError
        ``residual`` is set for domains of different shapes, or ``gradient_weight`` for discriminators that normalise by
        the minibatch.
    """
    game = ADVERSARIAL[adversarial]
    sizes = Sizes(generator_hidden, discriminator_hidden, residual=residual, width=width, depth=depth)
    kind = architecture_of(architecture, sizes)
    if gradient_weight and kind.by_minibatch:
        raise ValueError(
            f"gradient_weight needs a discriminator that judges each sample alone, unlike that of {architecture}; "
            "use architecture: mlp or resnet"
        )

    def generators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        x12, x21 = G12(x1), G21(x2)
        n12, n21 = (cycle_noise * batch[name] if cycle_noise else 0.0 for name in ("noise_12", "noise_21"))
        terms = {
            "adversarial": game.generator(D2(x12)) + game.generator(D1(x21)),
            "cycle": cycle_weight * (squared_error(G21(x12 + n12), x1) + squared_error(G12(x21 + n21), x2)),
        }
        if correspondence:
            change = correspondence(G12, G21, {**batch, "x12": x12, "x21": x21})
            terms["correspondence"] = correspondence_weight * change
        return terms

    def discriminators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        x12, x21 = G12(x1).detach(), G21(x2).detach()
        terms = {
            "discriminator_1": game.discriminator(*scores(D1, x1, x21, kind.by_minibatch)),
            "discriminator_2": game.discriminator(*scores(D2, x2, x12, kind.by_minibatch)),
        }
        if reconstructions_are_real:
            x121, x212 = G21(x12).detach(), G12(x21).detach()
            terms["reconstructions"] = game.real_cost(D1(x121)) + game.real_cost(D2(x212))
        if gradient_weight:
            slopes = gradient_penalty(D1, x1, target=0.0) + gradient_penalty(D2, x2, target=0.0)
            terms["gradient"] = gradient_weight * slopes
        return terms

    return Recipe(
        networks=translation(shapes, kind),
        phases=(  # the generators step first, as in the authors' code
            Phase("generator", trains=("generator_12", "generator_21"), objective=generators),
            Phase("discriminator", trains=("discriminator_1", "discriminator_2"), objective=discriminators),
        ),
        optimiser=Adam(learning_rate=1e-3, betas=(0.5, 0.99)),
        uninformed_loss=uninformed_loss(game.uninformed_loss),
        noise={"noise_12": Noise(shapes["x2"]), "noise_21": Noise(shapes["x1"])} if cycle_noise else {},
    )
