"""What each paper says of its own GAN: its order of updates, its optimisers, its rules."""

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

from magan.domains.minibatches import Table, batches
from magan.models import GENERATING
from magan.networks.gan_networks import onehot
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam, RMSprop
from magan.training.fit import Watch, fit, optimiser_of, update

IMAGES = {"x": (1, 8, 8), "label": (3,)}
NAMES = ("gan", "mm_gan", "ns_gan", "lsgan", "wgan", "wgan_gp", "dragan", "began", "fgan", "dcgan", "cgan", "infogan")


def build(name: str, **options):
    known = inspect.signature(GENERATING[name]).parameters
    small = {option: value for option, value in {"width": 4, "n_noise": 6}.items() if option in known}
    return GENERATING[name](IMAGES, **(small | options))


def table(n_replicates: int = 1, n: int = 40) -> Table:
    x = torch.rand(n, *IMAGES["x"], generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Table({"x": x, "label": torch.arange(n) % 3}, (torch.arange(n),) * n_replicates)


def drawn(recipe, n_replicates: int = 1):
    return batches([table(n_replicates)], recipe.noise, batch_size=8, seeds=range(n_replicates))


def networks_of(recipe, n_replicates: int = 1) -> dict[str, Replicated]:
    return {
        role: Replicated(make, [role_seed(seed, role) for seed in range(n_replicates)])
        for role, make in recipe.networks.items()
    }


def train(recipe, steps: int, seeds=(0,)):
    told = {}
    nets = fit(recipe, drawn(recipe, len(seeds)), seeds=seeds, steps=steps, watch=Watch(told.__setitem__, every=1))
    return nets, told


# Optimiser of each phase, updates of D for one of G
PUBLISHED = {
    "gan": (Adam(2e-4, (0.5, 0.999)), Adam(2e-4, (0.5, 0.999)), 1),
    "wgan": (RMSprop(5e-5), RMSprop(5e-5), 5),
    "wgan_gp": (Adam(1e-4, (0.5, 0.9)), Adam(1e-4, (0.5, 0.9)), 5),
    "dragan": (Adam(1e-4, (0.5, 0.9)), Adam(1e-4, (0.5, 0.9)), 1),
    "began": (Adam(1e-4, (0.5, 0.999)), Adam(1e-4, (0.5, 0.999)), 1),
    "fgan": (Adam(2e-4, (0.5, 0.999)), Adam(2e-4, (0.5, 0.999)), 1),
    "dcgan": (Adam(2e-4, (0.5, 0.999)), Adam(2e-4, (0.5, 0.999)), 1),
    "cgan": (Adam(2e-4, (0.5, 0.999)), Adam(2e-4, (0.5, 0.999)), 1),
    "infogan": (Adam(2e-4, (0.5, 0.999)), Adam(1e-3, (0.5, 0.999)), 1),
}
DEFAULTS = {
    "gan": {"adversarial": "non_saturating", "n_discriminator": 1, "n_noise": 64},
    "mm_gan": {"adversarial": "minimax"},
    "ns_gan": {"adversarial": "non_saturating"},
    "lsgan": {"adversarial": "least_squares"},
    "wgan": {"bound": 0.01, "n_discriminator": 5, "n_warm": 100, "n_noise": 100},
    "wgan_gp": {"penalty_weight": 10.0, "n_discriminator": 5, "n_noise": 128, "normalised": False},
    "dragan": {"penalty_weight": 10.0, "n_discriminator": 1},
    "began": {"gamma": 0.5, "balance_rate": 1e-3, "n_noise": 64},
    "fgan": {"saturating": False, "n_noise": 100},
    "dcgan": {"n_noise": 100, "width": 64},
    "cgan": {"adversarial": "non_saturating", "n_noise": 100},
    "infogan": {"n_categories": 10, "n_continuous": 2, "n_noise": 62, "categorical_weight": 1.0, "width": 64},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_discriminator_moves_first_with_the_published_optimisers(name):
    recipe = build(name)
    discriminator, generator = recipe.phases
    assert (discriminator.name, generator.name) == ("discriminator", "generator")
    assert generator.trains == ("generator",) and "generator" not in discriminator.trains
    repeats = discriminator.repeats(30) if callable(discriminator.repeats) else discriminator.repeats
    used = tuple(phase.optimiser or recipe.optimiser for phase in recipe.phases)
    assert (*used, repeats) == PUBLISHED[name]
    assert generator.repeats == 1


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_papers(name):
    parameters = inspect.signature(GENERATING[name]).parameters
    assert {option: parameters[option].default for option in DEFAULTS[name]} == DEFAULTS[name]


@pytest.mark.parametrize("name", ["mm_gan", "lsgan"])
def test_a_game_by_name_is_the_gan_that_plays_it(name):
    one, _ = train(build(name), 2)
    two, _ = train(build("gan", adversarial=DEFAULTS[name]["adversarial"]), 2)
    usual, _ = train(build("gan"), 2)
    for key, value in one["generator"].state().items():
        assert torch.equal(value, two["generator"].state()[key])
    assert not torch.equal(one["generator"].weights()["last.0.weight"], usual["generator"].weights()["last.0.weight"])


def test_wgan_gives_its_discriminator_a_hundred_updates_first_and_every_500th_step():
    repeats = build("wgan").phases[0].repeats
    steps = [step for step in range(1600) if repeats(step) != 5]
    assert steps == [*range(25), 500, 1000, 1500] and all(repeats(step) == 100 for step in steps)
    assert {build("wgan", n_warm=5).phases[0].repeats(step) for step in range(600)} == {5}


def test_wgan_clips_its_discriminator_after_every_update_and_nothing_else():
    nets, _ = train(build("wgan", n_warm=2, bound=0.003), 2, seeds=(0, 1))
    assert max(value.abs().max() for value in nets["discriminator"].state().values()) <= 0.003
    assert max(value.abs().max() for value in nets["generator"].state().values()) > 0.003
    assert nets["discriminator"].state()["last.weight"].abs().max() == pytest.approx(0.003)


def test_wgan_may_be_trained_as_lucic_et_al_did():
    assert build("wgan", optimiser="adam").optimiser == Adam(5e-5, (0.5, 0.999))


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_a_discriminator_whose_slope_is_penalised_looks_at_each_sample_alone(name):
    recipe = build(name)
    discriminator = networks_of(recipe)["discriminator"]
    x = next(drawn(recipe))["x"]
    torch.testing.assert_close(discriminator(x)[:, :3], discriminator(x[:, :3]))


def penalised(name: str, slope: float) -> float:
    """What a D of constant slope pays: scores are ``slope`` times the first pixel."""
    recipe = build(name, penalty_weight=7.0)
    networks = {**networks_of(recipe), "discriminator": lambda x: slope * x.flatten(2)[..., :1]}
    return recipe.phases[0].objective(networks, next(drawn(recipe)), recipe.carry)["penalty"].item()


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_the_slope_is_drawn_to_one(name):
    assert [penalised(name, slope) for slope in (1.0, 3.0)] == pytest.approx([0, 7 * 2**2], abs=1e-5)


def test_wgan_gp_penalises_between_and_dragan_around_real_samples():
    seen = {}
    for name in ("wgan_gp", "dragan"):
        recipe, points = build(name), []

        def discriminator(x, points=points):
            points.append(x.detach())
            return x.flatten(2).square().sum(2, keepdim=True)

        batch, networks = next(drawn(recipe)), networks_of(recipe)
        recipe.phases[0].objective({**networks, "discriminator": discriminator}, batch, recipe.carry)
        fake = networks["generator"](batch["z"])
        seen[name] = (batch, batch["x"], fake.detach(), points)
    batch, real, fake, points = seen["wgan_gp"]
    a = batch["alpha"].numpy()[..., None, None, None]
    between = a * real.numpy() + (1 - a) * fake.numpy()
    assert any(np.allclose(x, between, atol=1e-6) for x in points)
    batch, real, _, points = seen["dragan"]
    around = real.numpy() + 0.5 * real.numpy().std() * batch["perturbation"].numpy()
    assert any(np.allclose(x, around, atol=1e-6) for x in points)


def test_began_pays_its_errors_of_reconstruction_weighed_by_k():
    recipe = build("began")
    batch = next(drawn(recipe))
    nets = {"generator": lambda z: 0 * batch["x"], "encoder": lambda x: x, "decoder": lambda code: 0.5 * code + 0.25}
    real = (0.5 * batch["x"] - 0.25).abs().mean().item()  # |x - (x / 2 + 1 / 4)|
    carry = {"k": torch.tensor([0.3])}
    terms = recipe.phases[0].objective(nets, batch, carry)
    assert terms["real"].item() == pytest.approx(real) and terms["fake"].item() == pytest.approx(-0.3 * 0.25)
    assert recipe.phases[1].objective(nets, batch, carry)["adversarial"].item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    "k, real, fake, after",
    [
        (0.2, 0.8, 0.1, 0.2 + 0.01 * (0.5 * 0.8 - 0.1)),
        (0.0, 0.2, 0.9, 0.0),  # would be negative
        (1.0, 0.9, 0.1, 1.0),  # would be above 1
    ],
)
def test_began_moves_k_towards_its_balance_and_keeps_it_in_the_unit_interval(k, real, fake, after):
    recipe = build("began", balance_rate=0.01)
    terms = {"discriminator/real": torch.tensor([real]), "generator/adversarial": torch.tensor([fake])}
    carry = recipe.advance({"k": torch.tensor([k])}, terms)
    assert carry["k"].item() == pytest.approx(after)
    assert carry["convergence"].item() == pytest.approx(real + abs(0.5 * real - fake))


def test_began_starts_with_k_of_zero_and_tells_k_and_its_convergence_of_each_seed():
    recipe = build("began", balance_rate=0.1)
    _, told = train(recipe, 3, seeds=(0, 1))
    assert not told[0]["discriminator/fake"].any()
    k = np.zeros(2)
    for terms in told.values():
        real, fake = terms["discriminator/real"].numpy(), terms["generator/adversarial"].numpy()
        k = np.clip(k + 0.1 * (0.5 * real - fake), 0, 1)
        np.testing.assert_allclose(terms["carry/k"], k, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(terms["carry/convergence"], real + np.abs(0.5 * real - fake), rtol=1e-5)


def test_fgan_of_the_gan_divergence_is_the_non_saturating_game():
    option = {"normalised": False, "n_noise": 6}
    one, told = train(build("fgan", divergence="gan", **option), 2)
    two, usual = train(build("gan", **option), 2)
    assert told[1]["discriminator/adversarial"].item() == pytest.approx(usual[1]["discriminator/adversarial"].item())
    for key, value in one["generator"].state().items():
        torch.testing.assert_close(value, two["generator"].state()[key], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("divergence", ["kl", "reverse_kl", "pearson", "hellinger", "jeffrey", "js", "gan"])
@pytest.mark.parametrize("saturating", [False, True])
def test_fgan_trains_by_every_divergence(divergence, saturating):
    nets, told = train(build("fgan", divergence=divergence, saturating=saturating), 3)
    assert all(value.isfinite().all() for terms in told.values() for value in terms.values())
    assert all(value.isfinite().all() for net in nets.values() for value in net.state().values())


def kinds(network: nn.Module, kind) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_dcgan_follows_the_rules_of_its_architecture():
    recipe = GENERATING["dcgan"]({"x": (1, 28, 28)})
    G, D = recipe.networks["generator"](), recipe.networks["discriminator"]()  # noqa: N806
    for network, convolution in ((G, nn.ConvTranspose2d), (D, nn.Conv2d)):
        assert all(layer.stride == (2, 2) for layer in kinds(network, convolution))
        assert len(kinds(network, nn.Linear)) == 1  # z as maps; the score
        assert not kinds(network, (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout))
    assert len(kinds(G, nn.BatchNorm2d)) == len(kinds(G, nn.ConvTranspose2d)) == 2  # not after the last
    assert len(kinds(D, nn.BatchNorm2d)) == len(kinds(D, nn.Conv2d)) - 1 == 1  # not after the first
    assert kinds(G, nn.ReLU) and kinds(G, nn.Tanh) and not kinds(G, nn.LeakyReLU)
    assert {layer.negative_slope for layer in kinds(D, nn.LeakyReLU)} == {0.2} and not kinds(D, nn.ReLU)
    weights = torch.cat([layer.weight.flatten() for layer in kinds(D, nn.Conv2d) + kinds(G, nn.ConvTranspose2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.05) and abs(weights.mean().item()) < 1e-3


def test_dcgan_of_a_table_is_refused():
    message = r"dcgan needs images, not samples of shape \(5,\); use gan for tables"
    with pytest.raises(ValueError, match=message):
        GENERATING["dcgan"]({"x": (5,)})


def test_a_conditional_gan_tells_both_networks_the_class():
    recipe = build("cgan")
    batch, told = next(drawn(recipe)), {}

    def listening(role, network):
        def call(*inputs):
            told.setdefault(role, []).append(inputs[1])
            return network(*inputs)

        return call

    networks = {role: listening(role, network) for role, network in networks_of(recipe).items()}
    for phase in recipe.phases:
        phase.objective(networks, batch, recipe.carry)
    assert len(told["generator"]) == 2 and len(told["discriminator"]) == 3
    for given in (*told["generator"], *told["discriminator"]):
        torch.testing.assert_close(given, onehot(batch["label"], 3))


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_the_class_changes_what_both_networks_of_a_conditional_gan_say(role):
    recipe = build("cgan", normalised=False)
    batch = next(drawn(recipe))
    first = batch["z"] if role == "generator" else batch["x"]
    said = [networks_of(recipe)[role](first, onehot(torch.full((1, 8), k), 3)) for k in range(2)]
    assert not torch.allclose(*said, rtol=0, atol=1e-7)


def test_a_conditional_gan_without_classes_is_refused():
    with pytest.raises(ValueError, match="cgan needs classes; give images with classes, or use gan"):
        GENERATING["cgan"]({"x": (1, 8, 8)})


def info(**options):
    return build("infogan", n_categories=3, **options)


def test_the_codes_of_infogan_reach_its_generator_and_q_reads_the_category_of_every_sample():
    """With a G that writes its codes into pixels and a Q that finds them, the bound is the code's whole entropy."""
    recipe = info()
    batch = next(drawn(recipe))

    def generator(z, category, continuous):
        return torch.cat([category, continuous, torch.zeros(1, 8, 59)], -1).unflatten(-1, (1, 8, 8))

    def discriminator(x):
        return x.flatten(2)[..., :1], [x.flatten(2)[..., :5]]

    def reader(hidden):
        return torch.cat([50 * hidden[..., :3], hidden[..., 3:]], -1)

    networks = {"generator": generator, "discriminator": discriminator, "reader": reader}
    for phase in recipe.phases:
        terms = phase.objective(networks, batch, recipe.carry)
        assert terms["category"].item() == pytest.approx(-math.log(3), abs=1e-6)
        assert terms["continuous"].item() == pytest.approx(-2 * (math.log(2) - 0.5 * math.log(2 * math.pi)), abs=1e-6)


def test_information_is_subtracted_from_both_losses_and_weighted():
    batch = next(drawn(info()))
    for phase in range(2):
        usual, weighted = (
            recipe.phases[phase].objective(networks_of(recipe), batch, recipe.carry)
            for recipe in (info(), info(categorical_weight=3.0, continuous_weight=0.5))
        )
        torch.testing.assert_close(weighted["category"], 3 * usual["category"])
        torch.testing.assert_close(weighted["continuous"], 0.5 * usual["continuous"])


def test_q_learns_with_the_discriminator_and_shares_all_of_it_but_the_last_layer():
    recipe = info()
    networks = networks_of(recipe)
    assert recipe.phases[0].trains == ("discriminator", "reader")
    hidden = networks["discriminator"](next(drawn(recipe))["x"])[1][-1]
    assert networks["reader"](hidden).shape == (1, 8, 3 + 2)
    before = networks["discriminator"].state()["maps.0.0.weight"].clone()
    only_information = {**networks, "generator": lambda z, *codes: networks["generator"](z, *codes)}
    terms = recipe.phases[0].objective(only_information, next(drawn(recipe)), recipe.carry)
    (slope,) = torch.autograd.grad(terms["category"].sum(), networks["discriminator"].weights()["maps.0.0.weight"])
    assert slope.any() and torch.equal(before, networks["discriminator"].state()["maps.0.0.weight"])


def test_categories_in_training_are_uniform_and_a_sample_has_the_category_of_its_label():
    recipe, given = info(n_continuous=1), []

    def generator(z, category, continuous):
        given.append(category.argmax(-1))
        return torch.zeros(*z.shape[:2], 1, 8, 8)

    nets = {**networks_of(recipe), "generator": generator}
    source = drawn(recipe)
    for _ in range(100):
        recipe.phases[1].objective(nets, next(source), recipe.carry)
    counts = torch.cat(given).flatten().bincount(minlength=3)
    assert counts.sum() == 800 and (counts - 800 / 3).abs().max() < 60  # four standard deviations
    batch = next(source)
    recipe.sample(nets, {**batch, "label": torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7]])})
    assert given[-1].tolist() == [[0, 1, 2, 0, 1, 2, 0, 1]]
    recipe.sample(nets, {name: value for name, value in batch.items() if name != "label"})
    torch.testing.assert_close(given[-1], (batch["category"][..., 0] * 3).long())


@pytest.mark.parametrize(
    "name, option, message",
    [
        ("wgan", {"optimiser": "sgd"}, "optimiser 'sgd' of wgan is unknown; there are rmsprop, adam"),
        ("fgan", {"divergence": "total"}, "divergence 'total' is unknown; there are kl, reverse_kl"),
        ("cgan", {"adversarial": "hinge"}, "adversarial 'hinge' is unknown; there are minimax"),
        ("gan", {"adversarial": "hinge"}, "adversarial 'hinge' is unknown; there are minimax"),
    ],
)
def test_a_word_no_model_knows_is_refused_with_those_it_knows(name, option, message):
    with pytest.raises(ValueError, match=message):
        build(name, **option)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("dcgan", "cgan", "infogan")])
def test_tables_of_numbers_are_learned_by_fully_connected_networks(name):
    recipe = GENERATING[name]({"x": (4,)}, width=2)
    source = batches([Table({"x": torch.randn(20, 4)}, (torch.arange(20),))], recipe.noise, batch_size=8, seeds=[0])
    nets = {role: Replicated(make, [0]) for role, make in recipe.networks.items()}
    carry = {**recipe.carry, "step": torch.zeros(1)}
    for phase in recipe.phases:
        terms = update(phase, nets, optimiser_of(phase, nets, recipe.optimiser), next(source), carry)
        assert all(value.isfinite().all() for value in terms.values())
    assert recipe.sample(nets, next(source)).shape == (1, 8, 4)
