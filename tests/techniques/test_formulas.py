"""Every technique against what its paper or its closed form says, on players of a weight or two."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from magan.domains.minibatches import Table, batches
from magan.losses.adversarial import ADVERSARIAL
from magan.models import MODELS
from magan.networks.mlp import MLP
from magan.networks.replicate import Replicated
from magan.recipe import Adam, Noise, Phase, Recipe
from magan.techniques import TECHNIQUES
from magan.training.fit import Optimisation, fit

B = 6
STEP = {"step": torch.zeros(1)}


class Shift(nn.Module):
    """``z + g``."""

    broadcasts = True

    def __init__(self):
        super().__init__()
        self.g = nn.Parameter(torch.tensor([0.3]))

    def forward(self, z):
        return z + self.g.unsqueeze(-2)


def game(adversarial: str, hidden=()) -> Recipe:
    """A shift against a linear discriminator, or one with hidden layers, of numbers."""
    rules = ADVERSARIAL[adversarial]

    def discriminators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]  # noqa: N806
        return {"adversarial": rules.discriminator(D(batch["x"]), D(G(batch["z"]).detach()))}

    def generators(networks, batch, carry):
        G, D = networks["generator"], networks["discriminator"]  # noqa: N806
        return {"adversarial": rules.generator(D(G(batch["z"])))}

    return Recipe(
        networks={"generator": Shift, "discriminator": partial(MLP, (1,), (1,), hidden, final_bias=bool(hidden))},
        phases=(
            Phase("discriminator", trains=("discriminator",), objective=discriminators),
            Phase("generator", trains=("generator",), objective=generators),
        ),
        optimiser=Adam(1e-2, (0.5, 0.9)),
        noise={"z": Noise((1,))},
        sample=lambda networks, batch: networks["generator"](batch["z"]),
    )


def drawn(recipe: Recipe, seeds=(7,)) -> tuple[dict, dict]:
    networks = {role: Replicated(make, list(seeds)) for role, make in recipe.networks.items()}
    x = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)) + 1
    table = Table({"x": x}, (torch.arange(50),) * len(seeds))
    return networks, next(batches([table], recipe.noise, batch_size=B, seeds=list(seeds)))


def terms(recipe: Recipe, phase: str, networks, batch, carry=STEP) -> dict[str, torch.Tensor]:
    (own,) = [p for p in recipe.phases if p.name == phase]
    return own.objective(networks, batch, carry)


def whole(recipe: Recipe, phase: str, networks, batch, carry=STEP) -> torch.Tensor:
    return sum(terms(recipe, phase, networks, batch, carry).values())


def scores(networks, batch) -> tuple[torch.Tensor, torch.Tensor]:
    D = networks["discriminator"]  # noqa: N806
    return D(batch["x"])[..., 0], D(networks["generator"](batch["z"]))[..., 0]


def test_label_smoothing_is_the_cross_entropy_with_real_labels_of_nine_tenths():
    recipe = TECHNIQUES["label_smoothing"](game("non_saturating", (4,)))
    networks, batch = drawn(recipe)
    real, fake = scores(networks, batch)
    expected = cross_entropy(real, torch.full_like(real, 0.9)) + cross_entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(whole(recipe, "discriminator", networks, batch)[0], expected)


def test_in_the_least_squares_game_label_smoothing_draws_real_scores_to_nine_tenths():
    recipe = TECHNIQUES["label_smoothing"](game("least_squares", (4,)))
    networks, batch = drawn(recipe)
    real, fake = scores(networks, batch)
    weights = list(networks["discriminator"].weights().values())
    expected = ((real - 0.9) ** 2).mean() / 2 + (fake**2).mean() / 2
    found = whole(recipe, "discriminator", networks, batch).sum()
    for a, b in zip(torch.autograd.grad(found, weights), torch.autograd.grad(expected, weights)):
        torch.testing.assert_close(a, b)


def test_noisy_labels_are_the_cross_entropy_with_some_labels_wrong():
    recipe = TECHNIQUES["noisy_labels"](game("non_saturating", (4,)), rate=0.4)
    networks, batch = drawn(recipe)
    real, fake = scores(networks, batch)
    wrong = (batch["noisy_labels"] < 0.4).float()
    assert 0 < wrong.mean() < 1
    expected = cross_entropy(real, 1 - wrong[..., 0]) + cross_entropy(fake, wrong[..., 1])
    torch.testing.assert_close(whole(recipe, "discriminator", networks, batch)[0], expected)


def test_no_label_is_wrong_at_rate_zero():
    recipe, usual = TECHNIQUES["noisy_labels"](game("non_saturating", (4,)), rate=0.0), game("non_saturating", (4,))
    networks, batch = drawn(recipe)
    one, two = (whole(r, "discriminator", networks, batch) for r in (recipe, usual))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", ["label_smoothing", "noisy_labels"])
def test_labels_cannot_be_changed_where_samples_are_changed_before_they_are_judged(name):
    recipe = TECHNIQUES[name](TECHNIQUES["instance_noise"](game("non_saturating")))
    networks, batch = drawn(recipe)
    inside = TECHNIQUES["instance_noise"](TECHNIQUES[name](game("non_saturating")))
    assert whole(inside, "discriminator", networks, batch).isfinite().all()
    with pytest.raises(ValueError, match=f"{name} needs a discriminator that judges samples as they are; leave it out"):
        whole(TECHNIQUES[name](moved_first(game("non_saturating"))), "discriminator", networks, batch)


def moved_first(recipe: Recipe) -> Recipe:
    """The game on samples that are moved before they are judged."""
    (first, second) = recipe.phases

    def objective(networks, batch, carry):
        return first.objective(networks, {**batch, "x": batch["x"]}, carry)

    def moved(networks, batch, carry):
        D = networks["discriminator"]  # noqa: N806
        return objective({**networks, "discriminator": lambda x: D(x + 0)}, batch, carry)

    return Recipe(
        recipe.networks,
        (Phase("discriminator", trains=("discriminator",), objective=moved), second),
        recipe.optimiser,
        recipe.noise,
    )


def test_feature_matching_compares_the_means_of_what_the_last_layer_reads():
    recipe = TECHNIQUES["feature_matching"](game("non_saturating", (4,)), weight=3.0)
    networks, batch = drawn(recipe)
    found = terms(recipe, "generator", networks, batch)
    assert set(found) == {"feature_matching"}
    weights = {name.removeprefix("network."): w[0] for name, w in networks["discriminator"].weights().items()}
    seen = [
        torch.relu(x[0] @ weights["layers.0.weight"] + weights["layers.0.bias"])
        for x in (batch["x"], networks["generator"](batch["z"]))
    ]
    expected = 3 * ((seen[0].mean(0) - seen[1].mean(0)) ** 2).mean()
    torch.testing.assert_close(found["feature_matching"][0], expected)


def test_feature_matching_keeps_the_other_losses_of_a_generator():
    recipe = TECHNIQUES["feature_matching"](MODELS["infogan"]({"x": (1, 8, 8)}, width=2))
    networks = {role: Replicated(make, [0]) for role, make in recipe.networks.items()}
    batch = next(
        batches([Table({"x": torch.zeros(9, 1, 8, 8)}, (torch.arange(9),))], recipe.noise, batch_size=4, seeds=[0])
    )
    assert set(terms(recipe, "generator", networks, batch)) == {"feature_matching", "category", "continuous"}
    assert set(terms(recipe, "discriminator", networks, batch)) == {"adversarial", "category", "continuous"}


def test_instance_noise_has_its_size_at_first_half_of_it_half_way_and_then_none():
    recipe = TECHNIQUES["instance_noise"](game("wasserstein"), size=0.5, steps=100)
    networks, batch = drawn(recipe, seeds=range(300))
    with torch.no_grad():
        networks["discriminator"].weights()["layers.0.weight"].fill_(float(B))
    clean = game("wasserstein")
    for step, size in ((0, 0.5), (50, 0.25), (100, 0.0), (200, 0.0)):
        carry = {"step": torch.tensor([float(step)])}
        gap = whole(recipe, "discriminator", networks, batch, carry) - whole(clean, "discriminator", networks, batch)
        # D(x) = B x, so that the loss is moved by the sum of B draws less the sum of B others.
        expected = size * np.sqrt(2 * B)
        assert abs(gap.std() - expected) <= 0.15 * expected + 1e-6
        assert abs(gap.mean()) <= 4 * expected / np.sqrt(300) + 1e-5


def test_dropout_of_a_generator_is_also_in_its_samples():
    recipe = TECHNIQUES["dropout"](MODELS["gan"]({"x": (3,)}, width=4), of="generator")
    networks = {role: Replicated(make, [0]) for role, make in recipe.networks.items()}
    noise = next(batches([], recipe.noise, batch_size=4, seeds=[0]))
    others = {**noise, "dropout": noise["dropout"].flip(1)}
    assert not torch.equal(recipe.sample(networks, noise), recipe.sample(networks, others))


@pytest.mark.parametrize(
    "options, message", [({"of": "critic"}, "dropout of 'critic' is unknown"), ({"rate": 1.0}, "rate")]
)
def test_dropout_refuses_what_it_cannot_do(options, message):
    with pytest.raises(ValueError, match=message):
        TECHNIQUES["dropout"](game("non_saturating"), **options)


def replayed(share: float, size: int = 12, n: int = 5) -> list[torch.Tensor]:
    """Generated samples that the discriminator is shown at each of n updates of a generator that gives 0, 1, 2, ..."""
    recipe = TECHNIQUES["experience_replay"](game("wasserstein"), size=size, share=share)
    draw, carry, shown = batches([], recipe.noise, batch_size=B, seeds=[7]), {}, []
    (phase, _) = recipe.phases
    for step in range(n):
        batch = {**next(draw), "x": torch.zeros(1, B, 1), "z": torch.zeros(1, B, 1)}
        seen = []

        def judge(x, seen=seen):
            seen.append(x[0, :, 0])
            return x

        own = {"discriminator": judge, "generator": lambda z, step=step: z + step}
        phase.objective(own, batch, carry)
        carry = phase.keep(own, batch, carry)
        shown.append(seen[1])
    return shown


def test_replay_shows_past_samples_and_present_ones():
    shown = replayed(share=0.5, n=40)
    assert torch.equal(shown[0], torch.zeros(B))  # there is no past yet
    ages = torch.cat([step - own for step, own in enumerate(shown)][10:])
    assert (ages >= 0).all()
    assert 0.3 < (ages == 0).float().mean() < 0.7
    assert ages.max() >= 3


def test_replay_with_a_share_of_one_shows_the_past_alone():
    for step, own in enumerate(replayed(share=1.0)[1:], start=1):
        assert (own < step).all()


def test_replay_with_a_share_of_none_shows_the_present_alone():
    assert all(torch.equal(own, torch.full((B,), float(step))) for step, own in enumerate(replayed(share=0.0)))


def test_replay_leaves_the_generators_own_loss_to_its_present_samples():
    recipe, usual = (make(game("non_saturating", (4,))) for make in (TECHNIQUES["experience_replay"], lambda r: r))
    networks, batch = drawn(recipe)
    carry = {**STEP, "replay_generator": torch.full((1, 2000, 1), 99.0)}
    one, two = (whole(r, "generator", networks, batch, carry) for r in (recipe, usual))
    torch.testing.assert_close(one, two)


def test_a_pool_smaller_than_a_minibatch_is_refused():
    with pytest.raises(ValueError, match="keeps 3 samples, fewer than a minibatch of 6; raise size"):
        replayed(share=0.5, size=3)


def test_replay_refuses_a_discriminator_that_judges_by_a_label():
    recipe = TECHNIQUES["experience_replay"](MODELS["cgan"]({"x": (3,), "label": (2,)}, width=2))
    table = Table({"x": torch.zeros(9, 3), "label": torch.zeros(9, dtype=torch.long)}, (torch.arange(9),))
    with pytest.raises(ValueError, match="keeps samples without their conditions; leave it out"):
        fit(recipe, batches([table], recipe.noise, batch_size=4, seeds=[0]), seeds=[0], steps=1)


def test_historical_averaging_pays_for_the_distance_from_the_mean_so_far():
    recipe = TECHNIQUES["historical_averaging"](game("wasserstein"), weight=2.0)
    networks, batch = drawn(recipe)
    held, discriminator = [], recipe.phases[0]
    weight = networks["discriminator"].weights()["layers.0.weight"]
    for step, value in enumerate([1.0, 4.0, 4.0, 7.0]):
        with torch.no_grad():
            weight.fill_(value)
        carry = {"step": torch.tensor([float(step)])}
        held.append(terms(recipe, "discriminator", networks, batch, carry)["historical_averaging"].item())
        discriminator.after(networks, step)
    # The means of the steps before: 1, 2.5 and 3.
    np.testing.assert_allclose(held, [0.0, 2 * 3.0**2, 2 * 1.5**2, 2 * 4.0**2], rtol=1e-6)


def test_historical_averaging_holds_each_player_by_its_own_weights():
    recipe = TECHNIQUES["historical_averaging"](game("wasserstein"))
    networks, batch = drawn(recipe)
    for role in ("generator", "discriminator"):
        for mean, value in zip(networks[f"{role}_history"].state().values(), networks[role].state().values()):
            mean.copy_(value)
    with torch.no_grad():
        networks["generator"].weights()["g"].add_(2.0)
    carry = {"step": torch.ones(1)}
    assert terms(recipe, "discriminator", networks, batch, carry)["historical_averaging"].item() == 0
    assert terms(recipe, "generator", networks, batch, carry)["historical_averaging"].item() == pytest.approx(4.0)


def slope_of_g(recipe: Recipe, networks, batch) -> float:
    g = networks["generator"].weights()["g"]
    return torch.autograd.grad(whole(recipe, "generator", networks, batch).sum(), g)[0].item()


@pytest.mark.parametrize("n_steps", [0, 1, 3])
def test_unrolling_differentiates_through_the_discriminators_answers(n_steps):
    rate = 0.2
    recipe = TECHNIQUES["unrolled"](game("wasserstein"), n_steps=n_steps, rate=rate)
    networks, batch = drawn(recipe)
    d = networks["discriminator"].weights()["layers.0.weight"].item()
    g, x, z = networks["generator"].weights()["g"].item(), batch["x"].mean().item(), batch["z"].mean().item()
    # D pays d (z + g - x) on average: every answer takes rate (z + g - x) from d. G pays -d (z + g).
    ahead = d - n_steps * rate * (z + g - x)
    assert whole(recipe, "generator", networks, batch).item() == pytest.approx(-ahead * (z + g), abs=1e-5)
    assert slope_of_g(recipe, networks, batch) == pytest.approx(-ahead + n_steps * rate * (z + g), abs=1e-5)


def test_unrolling_leaves_the_discriminator_where_it_is():
    recipe = TECHNIQUES["unrolled"](game("non_saturating", (4,)))
    networks, batch = drawn(recipe)
    before = {name: value.clone() for name, value in networks["discriminator"].state().items()}
    slope_of_g(recipe, networks, batch)
    assert all(torch.equal(value, before[name]) for name, value in networks["discriminator"].state().items())
    assert all(w.grad is None for w in networks["discriminator"].weights().values())


def test_spectral_normalisation_keeps_a_trained_discriminators_slope_to_one():
    recipe = TECHNIQUES["spectral_normalisation"](game("wasserstein", (8, 8)))
    table = Table({"x": torch.randn(50, 1) + 3}, (torch.arange(50),))
    networks = fit(
        recipe,
        batches([table], recipe.noise, batch_size=B, seeds=[0]),
        seeds=[0],
        steps=150,
        optimisation=Optimisation(learning_rate=1e-2),
    )
    x = torch.linspace(-3, 3, 201).reshape(1, -1, 1).requires_grad_()
    (slope,) = torch.autograd.grad(networks["discriminator"](x).sum(), x)
    assert 0.5 < slope.abs().max() <= 1.02
