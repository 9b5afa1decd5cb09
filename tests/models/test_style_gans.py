"""Growth, styles and lazy penalties as whole recipes."""

import pytest
import torch

from magan.losses.penalties import gradient_penalty
from magan.models.progressive import progressive
from magan.models.stylegan import stylegan
from magan.models.stylegan2 import stylegan2
from magan.networks.replicate import Replicated
from magan.networks.resizing import enlarged, framed, shrunk

SHAPE = (1, 14, 14)  # framed to 16, three levels
BUILDERS = {"progressive": progressive, "stylegan": stylegan, "stylegan2": stylegan2}
STYLED = ["stylegan", "stylegan2"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def made(name: str, n: int = 6, **options):
    """A small recipe, two replicates of its untrained networks, and a minibatch."""
    small = {"width": 2, "n_noise": 5} | ({"mapping_depth": 2} if name in STYLED else {})
    recipe = BUILDERS[name]({"x": SHAPE}, **(small | options))
    networks = {role: Replicated(build, [0, 1]) for role, build in recipe.networks.items()}
    draws = {"normal": torch.randn, "uniform": torch.rand}
    batch = {key: draws[noise.kind](2, n, *noise.shape) for key, noise in recipe.noise.items()}
    return recipe, networks, {**batch, "x": torch.rand(2, n, *SHAPE) * 2 - 1}


def objective(recipe, name: str):
    return next(phase for phase in recipe.phases if phase.name == name).objective


def at(step: int, **carry):
    return {"step": torch.full((1,), float(step)), **carry}


@pytest.mark.parametrize("name", ["progressive", "stylegan"])
def test_samples_are_of_the_level_that_training_had_reached(name):
    recipe, networks, batch = made(name, stable_steps=2, fade_steps=2)
    pixel = {"progressive": 4, "stylegan": 2}[name]  # of the first level, in pixels of the last
    for step, is_coarse in ((0, True), (100, False)):
        recipe.phases[0].after(networks, step)
        samples = recipe.sample(networks, batch)
        assert samples.shape == (2, 6, *SHAPE)
        inside = framed(samples, 16)[..., 4:12, 4:12]
        assert torch.allclose(inside, enlarged(shrunk(inside, pixel), pixel), atol=1e-6) == is_coarse


def test_critic_pays_wgan_gp_and_for_its_drift():
    recipe, networks, batch = made("progressive", stable_steps=1, fade_steps=1, drift_weight=0.5)
    judge, make, faded = networks["discriminator"], networks["generator"], torch.ones(2, 1)
    terms = objective(recipe, "discriminator")(networks, batch, at(2))  # stable at 8 x 8
    real, fake = judge(shrunk(framed(batch["x"], 16)), faded), judge(make(batch["z"], faded), faded)
    torch.testing.assert_close(terms["adversarial"], (fake - real).mean((1, 2)))
    torch.testing.assert_close(terms["drift"], 0.5 * real.square().mean((1, 2)))
    mix = batch["alpha"][..., None, None, None]
    between = mix * shrunk(framed(batch["x"], 16)) + (1 - mix) * make(batch["z"], faded)
    expected = 10 * gradient_penalty(lambda x: judge(x, faded), between)
    torch.testing.assert_close(terms["penalty"], expected, rtol=1e-4, atol=1e-5)


def test_the_penalty_of_stylegan_is_half_gamma_times_the_squared_slope_at_real_images():
    recipe, networks, batch = made("stylegan", penalty_weight=3.0, stable_steps=1, fade_steps=0)
    terms = objective(recipe, "discriminator")(networks, batch, at(50))
    faded, real = torch.ones(2, 2), framed(batch["x"], 16)
    slope = gradient_penalty(lambda x: networks["discriminator"](x, faded), real, target=0)
    torch.testing.assert_close(terms["penalty"], 1.5 * slope)


def test_a_lazy_penalty_counts_as_often_as_it_is_left_out():
    recipe, networks, batch = made("stylegan2", penalty_every=4, penalty_weight=3.0)
    always, _, _ = made("stylegan2", penalty_every=1, penalty_weight=3.0)
    slope = gradient_penalty(networks["discriminator"], framed(batch["x"], 16), target=0)
    usual = objective(always, "discriminator")(networks, batch, at(1))["penalty"]
    torch.testing.assert_close(usual, 1.5 * slope)
    lazy = [objective(recipe, "discriminator")(networks, batch, at(step)) for step in range(8)]
    assert [step for step, terms in enumerate(lazy) if "penalty" in terms] == [0, 4]
    torch.testing.assert_close(sum(terms["penalty"] for terms in lazy if "penalty" in terms) / 8, usual)


def test_path_lengths_are_held_at_their_running_mean_which_begins_with_the_first():
    recipe, networks, batch = made("stylegan2", path_every=2, path_weight=3.0)
    generate, keep = objective(recipe, "generator"), recipe.phases[1].keep
    assert "path" not in generate(networks, batch, at(1, **recipe.carry))
    first = keep(networks, batch, at(0, **recipe.carry))["path_length"]
    assert first.shape == (2,) and (first > 0).all()
    begun = generate(networks, batch, at(0, **recipe.carry))["path"]
    torch.testing.assert_close(begun, generate(networks, batch, at(0, path_length=first))["path"])
    # mean of (length - a)^2 is its least, the variance, plus (mean - a)^2
    moved = generate(networks, batch, at(0, path_length=first + 0.5))["path"]
    torch.testing.assert_close(moved - begun, torch.full((2,), 2 * 3.0 * 0.25), rtol=1e-4, atol=1e-4)
    later = keep(networks, batch, at(2, path_length=first + 1))["path_length"]
    torch.testing.assert_close(later, 0.99 * (first + 1) + 0.01 * first)
    assert keep(networks, batch, at(3, path_length=first))["path_length"] is first


@pytest.mark.parametrize("name", STYLED)
def test_full_truncation_makes_one_image_and_none_makes_each_its_own(name):
    spread = []
    for psi in (0.0, 0.5, 1.0):
        recipe, networks, batch = made(name, truncation=psi)
        recipe.phases[0].after(networks, 10**6)
        spread.append(recipe.sample(networks, batch).std(1).mean().item())
    assert spread[0] < 1e-6 < spread[1] < spread[2]


@pytest.mark.parametrize("name", STYLED)
def test_mixed_samples_are_trained_on_both_styles(name):
    for rate, depends in ((0.0, False), (1.0, True)):
        recipe, networks, batch = made(name, mixing_rate=rate, **{"path_weight": 0.0} if name == "stylegan2" else {})
        generate = objective(recipe, "generator")
        usual = generate(networks, batch, at(1, **recipe.carry))["adversarial"]
        other = {**batch, "z_other": torch.randn_like(batch["z_other"])}
        assert torch.equal(generate(networks, other, at(1, **recipe.carry))["adversarial"], usual) != depends


@pytest.mark.parametrize("name", BUILDERS)
def test_a_table_is_refused(name):
    with pytest.raises(ValueError, match=rf"^{name} needs images, not samples of shape \(4,\); use \w+ for tables$"):
        BUILDERS[name]({"x": (4,)})
