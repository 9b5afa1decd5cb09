"""What pix2pix minimises, against its paper's formulas in numpy, and what it refuses."""

import numpy as np
import pytest
import torch

from magan.models import ALIGNING
from magan.networks.replicate import Replicated

SHAPES = {"x1": (1, 12, 12), "x2": (2, 12, 12)}
SEEDS, B = (0, 1), 3
pix2pix = ALIGNING["pix2pix"]


def setting(**options):
    """A recipe, its networks in double precision, and a batch."""
    recipe = pix2pix(SHAPES, width=2, **options)
    networks = {role: Replicated(make, SEEDS).double() for role, make in recipe.networks.items()}
    draw = torch.Generator().manual_seed(0)
    batch = {f"pair{d}": torch.randn(len(SEEDS), B, *SHAPES[f"x{d}"], generator=draw).double() for d in (1, 2)}
    batch |= {k: torch.rand(len(SEEDS), B, *noise.shape, generator=draw) for k, noise in recipe.noise.items()}
    return recipe, networks, batch


def terms(recipe, phase: str, networks, batch):
    return next(p.objective for p in recipe.phases if p.name == phase)(networks, batch, recipe.carry)


def cross_entropy(score: torch.Tensor, label: int) -> np.ndarray:
    belief = 1 / (1 + np.exp(-score.detach().flatten(1).numpy()))
    return -np.mean(np.log(belief if label else 1 - belief), axis=1)


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("architecture", ["unet", "encoder_decoder"])
def test_it_minimises_a_hundred_times_the_absolute_error_and_a_game_on_the_pair(architecture, conditional):
    recipe, networks, batch = setting(architecture=architecture, conditional=conditional)
    x, y = batch["pair1"], batch["pair2"]
    mapped = networks["generator_12"](x, *(batch[f"dropout_{i}"] for i in range(len(recipe.noise)))).detach()
    generator, discriminator = (terms(recipe, phase, networks, batch) for phase in ("generator", "discriminator"))
    real, fake = ((torch.cat([x, z], 2) if conditional else z) for z in (y, mapped))
    D = networks["discriminator"]  # noqa: N806
    error = 100 * np.abs(y.numpy() - mapped.numpy()).mean((1, 2, 3, 4))
    np.testing.assert_allclose(generator["absolute_error"].detach(), error)
    np.testing.assert_allclose(generator["adversarial"].detach(), cross_entropy(D(fake), 1))
    expected = (cross_entropy(D(real), 1) + cross_entropy(D(fake), 0)) / 2
    np.testing.assert_allclose(discriminator["discriminator"].detach(), expected)
    assert generator.keys() == {"absolute_error", "adversarial"} and discriminator.keys() == {"discriminator"}


def test_either_part_can_be_left_out_and_with_the_game_its_discriminator():
    recipe, networks, batch = setting(adversarial_weight=0.0)
    assert set(recipe.networks) == {"generator_12"} and [phase.name for phase in recipe.phases] == ["generator"]
    assert terms(recipe, "generator", networks, batch).keys() == {"absolute_error"}
    assert terms(*_of("generator", *setting(l1_weight=0.0))).keys() == {"adversarial"}
    with pytest.raises(ValueError, match="adversarial_weight and l1_weight are both 0; give one of them"):
        pix2pix(SHAPES, adversarial_weight=0.0, l1_weight=0.0)


def _of(phase, recipe, networks, batch):
    return recipe, phase, networks, batch


def test_noise_is_the_dropout_of_the_three_innermost_levels_and_nothing_else():
    large = {name: (3, 256, 256) for name in SHAPES}
    shapes = [noise.shape for noise in pix2pix(large).noise.values()]
    assert shapes == [(512, 2, 2), (512, 4, 4), (512, 8, 8)]
    assert {noise.kind for noise in pix2pix(large).noise.values()} == {"uniform"}
    assert not pix2pix(SHAPES, dropout=False).noise


def test_other_draws_drop_other_maps_in_training_and_a_map_without_them_is_one():
    recipe, networks, batch = setting()
    G, x = networks["generator_12"], batch["pair1"]  # noqa: N806
    one, other = (G(x, *(draw(batch[name]) for name in recipe.noise)) for draw in (lambda u: u, lambda u: 1 - u))
    assert (one - other).abs().max() > 1e-4
    assert torch.equal(G(x), G(x))


def test_draws_are_as_many_as_the_pairs_where_these_are_fewer_than_a_minibatch():
    recipe, networks, batch = setting()
    few = batch | {name: batch[name][:, :2] for name in ("pair1", "pair2")}
    draws = (batch[f"dropout_{i}"][:, :2] for i in range(len(recipe.noise)))
    expected = 100 * (networks["generator_12"](few["pair1"], *draws) - few["pair2"]).abs().flatten(1).mean(1)
    torch.testing.assert_close(terms(recipe, "generator", networks, few)["absolute_error"], expected)


def test_the_discriminator_sends_no_gradient_to_the_generator():
    recipe, networks, batch = setting()
    terms(recipe, "discriminator", networks, batch)["discriminator"].sum().backward()
    assert all(p.grad is None for p in networks["generator_12"].parameters())


@pytest.mark.parametrize("patch_layers, side", [(None, 4), (0, 12), (1, 4), (2, 1)])
def test_the_patch_is_of_the_size_asked_for_or_what_the_image_holds(patch_layers, side):
    _, networks, batch = setting(patch_layers=patch_layers)
    pair = torch.cat([batch["pair1"], batch["pair2"]], 2)
    assert networks["discriminator"](pair).shape[-2:] == (side, side)


def test_what_it_cannot_learn_from_is_refused_in_a_sentence():
    recipe, networks, batch = setting()
    unpaired = {"x1": batch["pair1"], "x2": batch["pair2"]}
    message = "pix2pix learns from known pairs and the batch has none; set correspondence: pairs"
    with pytest.raises(ValueError, match=message):
        terms(recipe, "generator", networks, unpaired)
    with pytest.raises(ValueError, match="architecture 'mlp' is unknown to pix2pix; there are unet, encoder_decoder"):
        pix2pix(SHAPES, architecture="mlp")
    with pytest.raises(ValueError, match=r"a sample of \(4,\) is no image of at least 8 x 8 pixels"):
        pix2pix({"x1": (4,), "x2": (4,)})
