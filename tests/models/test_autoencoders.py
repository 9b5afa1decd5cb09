"""Models that learn codes of images."""

import numpy as np
import pytest
import torch

from magan.losses.adversarial import ADVERSARIAL
from magan.models.aae import aae
from magan.models.autoencoder import autoencoder
from magan.models.vae import elbo, tossed, vae
from magan.networks.replicate import Replicated

SHAPE = (1, 4, 4)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def networks_of(recipe):
    return {role: Replicated(build, [0, 1]) for role, build in recipe.networks.items()}


def objectives(recipe):
    return {phase.name: phase.objective for phase in recipe.phases}


def batch_of(recipe, n: int = 5):
    draws = {"normal": torch.randn, "uniform": torch.rand}
    noise = {key: draws[own.kind](2, n, *own.shape) for key, own in recipe.noise.items()}
    return {**noise, "x": torch.rand(2, n, *SHAPE) * 2 - 1}


@pytest.mark.parametrize("make", [autoencoder, vae, aae])
def test_encoder_and_decoder_mirror_each_other(make):
    recipe = make({"x": (1, 28, 28)})
    sizes = [[p.shape[0] for name, p in recipe.networks[role]().named_parameters() if "weight" in name] for role in
             ("encoder", "decoder")]  # fmt: skip
    code = recipe.networks["decoder"]().shape_in
    hidden = {autoencoder: [512, 256], vae: [400], aae: [1000, 1000]}[make]
    assert sizes == [[784, *hidden], [*code, *hidden[::-1]]]
    assert code == {autoencoder: (32,), vae: (20,), aae: (8,)}[make]


def test_an_autoencoder_rebuilds_what_it_is_shown():
    recipe = autoencoder({"x": SHAPE}, hidden=(6,), n_code=3)
    networks, batch = networks_of(recipe), batch_of(recipe)
    rebuilt = networks["decoder"](networks["encoder"](batch["x"]))
    assert torch.equal(recipe.sample(networks, batch), rebuilt)
    paid = objectives(recipe)["reconstruction"](networks, batch, {})["squared"]
    np.testing.assert_allclose(
        paid.detach(), ((rebuilt - batch["x"]).detach().numpy() ** 2).mean((1, 2, 3, 4)), rtol=1e-5
    )


def test_a_pixel_is_white_as_often_as_it_is_bright():
    x = torch.tensor([-1.0, -0.5, 0.0, 0.8, 1.0]).reshape(1, 1, 1, 1, 5).expand(1, 20_000, 1, 1, 5)
    coins = tossed(x, torch.rand(1, 20_000, 2))
    assert set(coins.unique().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(coins.mean((0, 1, 2, 3)), [0, 0.25, 0.5, 0.9, 1], atol=0.01)


def test_the_bound_of_every_image_is_what_training_minimises():
    recipe = vae({"x": SHAPE}, hidden=(6,), n_noise=3)
    networks, batch = networks_of(recipe), batch_of(recipe)
    terms = objectives(recipe)["bound"](networks, batch, {})
    bound = elbo(networks, batch)
    assert bound.shape == (2, 5)
    torch.testing.assert_close(-bound.mean(1), terms["reconstruction"] + terms["divergence"])
    assert torch.equal(recipe.measure(networks, batch)["elbo"], bound)
    x = tossed(batch["x"], batch["coins"]).numpy()
    said = networks["encoder"](2 * torch.from_numpy(x) - 1).detach().numpy()
    mean, log_variance = said[..., :3], said[..., 3:]
    code = mean + np.exp(log_variance / 2) * batch["z"].numpy()
    chance = networks["decoder"](torch.from_numpy(code)).sigmoid().detach().numpy()
    log_chance = (x * np.log(chance) + (1 - x) * np.log(1 - chance)).sum((2, 3, 4))
    divergence = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(-1)
    np.testing.assert_allclose(bound.detach(), log_chance - divergence, rtol=1e-4)


def test_the_bound_lies_below_the_log_probability():
    """Codes that say nothing: p(x) is known, and the bound is it exactly where the encoder says N(0, 1)."""
    recipe = vae({"x": SHAPE}, hidden=(6,), n_noise=3)
    networks, batch = networks_of(recipe), batch_of(recipe)
    with torch.no_grad():
        for value in networks["decoder"].state().values():
            value.zero_()  # every pixel is a fair coin
        guessed = elbo(networks, batch)
        for value in networks["encoder"].state().values():
            value.zero_()
        exact = elbo(networks, batch)
    torch.testing.assert_close(exact, torch.full((2, 5), -16 * np.log(2)).float())
    assert (guessed <= exact).all() and (guessed < exact - 0.1).any()


def test_a_vaes_sample_shows_chances():
    recipe = vae({"x": SHAPE}, hidden=(6,), n_noise=3)
    networks, batch = networks_of(recipe), batch_of(recipe)
    torch.testing.assert_close((recipe.sample(networks, batch) + 1) / 2, networks["decoder"](batch["z"]).sigmoid())


def test_to_the_adversary_of_codes_draws_of_the_prior_are_real():
    recipe = aae({"x": SHAPE}, hidden=(6,), n_noise=3, prior_deviation=5.0)
    networks, batch = networks_of(recipe), batch_of(recipe)
    judge, code, game = networks["discriminator"], networks["encoder"](batch["x"]), ADVERSARIAL["non_saturating"]
    terms = {name: objective(networks, batch, {}) for name, objective in objectives(recipe).items()}
    expected = game.discriminator(judge(5 * batch["z"]), judge(code))
    torch.testing.assert_close(terms["discriminator"]["adversarial"], expected)
    torch.testing.assert_close(terms["encoder"]["adversarial"], game.generator(judge(code)))
    assert torch.equal(recipe.sample(networks, batch), networks["decoder"](5 * batch["z"]))


def test_a_vae_of_a_table_is_refused():
    with pytest.raises(ValueError, match=r"vae needs images, whose pixels are chances, not samples of \(4,\); use aae"):
        vae({"x": (4,)})
