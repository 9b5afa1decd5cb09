"""DiscoGAN: Learning to Discover Cross-Domain Relations (Kim et al., ICML 2017)."""

from collections.abc import Mapping

import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.losses.reconstruction import feature_matching as match
from magan.losses.reconstruction import squared_error
from magan.networks.architectures import DISCRIMINATOR_HIDDEN, GENERATOR_HIDDEN, Sizes, architecture_of
from magan.networks.translation import symbols, translation, uninformed_loss
from magan.option_types import ArchitectureName, Count, GameName, Share, Weight, Whole, Width, Widths
from magan.recipe import Adam, CorrespondenceLoss, Phase, Recipe


def discogan(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    correspondence: CorrespondenceLoss | None = None,
    adversarial: GameName = "non_saturating",
    reconstruction_weight: Weight = 1.0,
    correspondence_weight: Weight = 1.0,
    feature_matching: bool = False,
    reconstruction_rates: tuple[Share, Share] = (0.01, 0.5),
    warm_up_steps: Whole = 5000,
    n_generator: Count = 2,
    architecture: ArchitectureName = "mlp",
    width: Width = 64,
    depth: Count | None = None,
    generator_hidden: Widths = GENERATOR_HIDDEN,
    discriminator_hidden: Widths = DISCRIMINATOR_HIDDEN,
) -> Recipe:
    """Build a logistic game with a squared reconstruction loss; two generator updates per discriminator update.

    Parameters
    ----------
    shapes
        Shape of a sample of each domain: ``{"x1": (M1,), "x2": (M2,)}``.
    correspondence
        Correspondence loss; None in the paper. Any of MAGAN's may be added.
    adversarial
        A key of ``ADVERSARIAL``.
    reconstruction_weight
        Weight of the reconstruction loss, 1 in the paper; not used with ``feature_matching``.
    feature_matching
        Use the loss of the authors' code, which differs from the paper: it adds feature matching on the discriminators'
        hidden layers except the first, ``(0.1 adversarial + 0.9 matching) (1 - r) + r reconstruction``.
    reconstruction_rates, warm_up_steps
        r of the authors' code before and after ``warm_up_steps``. That code counts 10,000 iterations, of which two in
        three update the generators; a step here contains ``n_generator`` generator updates.
    n_generator
        Generator updates per step, each on a new minibatch.
    architecture, width, depth
        ``architecture`` is a key of ``ARCHITECTURES``: "encoder_decoder" is the paper's; "mlp" is MAGAN's, so that arms
        differ only by their losses. ``width`` is the number of channels of the first convolution, ``depth`` the number
        of residual blocks or halvings (None: the paper's).
    generator_hidden, discriminator_hidden
        Widths of the hidden layers of "mlp".
    """
    game = ADVERSARIAL[adversarial]
    kind = architecture_of(architecture, Sizes(generator_hidden, discriminator_hidden, width=width, depth=depth))
    before, after = reconstruction_rates

    def generators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        x12, x21 = G12(x1), G21(x2)
        (score_12, hidden_12), (score_21, hidden_21) = D2(x12), D1(x21)
        terms = {
            "adversarial": game.generator(score_12) + game.generator(score_21),
            "reconstruction": squared_error(G21(x12), x1) + squared_error(G12(x21), x2),
        }
        if feature_matching:
            (_, hidden_1), (_, hidden_2) = D1(x1), D2(x2)
            r = torch.where(carry["step"] < warm_up_steps, before, after)
            terms["matching"] = (
                0.9 * (1 - r) * (match(hidden_2[1:], hidden_12[1:]) + match(hidden_1[1:], hidden_21[1:]))
            )
            terms["adversarial"] = 0.1 * (1 - r) * terms["adversarial"]
            terms["reconstruction"] = r * terms["reconstruction"]
        else:
            terms["reconstruction"] = reconstruction_weight * terms["reconstruction"]
        if correspondence:
            change = correspondence(G12, G21, {**batch, "x12": x12, "x21": x21})
            terms["correspondence"] = correspondence_weight * change
        return terms

    def discriminators(networks, batch, carry):
        G12, G21, D1, D2 = symbols(networks)
        x1, x2 = batch["x1"], batch["x2"]
        return {
            "discriminator_1": game.discriminator(D1(x1)[0], D1(G21(x2).detach())[0]),
            "discriminator_2": game.discriminator(D2(x2)[0], D2(G12(x1).detach())[0]),
        }

    return Recipe(
        networks=translation(shapes, kind, features=True),
        phases=(  # in the authors' code the first of three iterations trains the discriminators
            Phase("discriminator", trains=("discriminator_1", "discriminator_2"), objective=discriminators),
            Phase("generator", trains=("generator_12", "generator_21"), objective=generators, repeats=n_generator),
        ),
        optimiser=Adam(learning_rate=2e-4, betas=(0.5, 0.999), weight_decay=1e-5),
        uninformed_loss=uninformed_loss(game.uninformed_loss),
    )
