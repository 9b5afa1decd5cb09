"""What holds of every technique; a new one is covered by being in TECHNIQUES."""

import inspect
from collections import Counter
from dataclasses import replace

import pytest
import torch

from magan.domains.minibatches import Table, batches
from magan.models import MODELS
from magan.networks.replicate import Replicated, role_seed
from magan.techniques import TECHNIQUES, applied
from magan.training.fit import fit, nonfinite_replicates, optimiser_of, update

SHAPES = {"points": {"x": (3,)}, "images": {"x": (1, 8, 8)}, "domains": {"x1": (3,), "x2": (4,)}}
OF = {"points": "gan", "images": "gan", "domains": "cyclegan"}
N, B = 40, 8
SMALL = {
    "minibatch_discrimination": {"n_kernels": 4, "n_dimensions": 2},
    "experience_replay": {"size": 20},
    "noisy_labels": {"rate": 0.3},
}
# option: another value than the default's or SMALL's
OTHER = {
    ("label_smoothing", "label"): 0.7,
    ("noisy_labels", "rate"): 0.6,
    ("feature_matching", "weight"): 3.0,
    ("minibatch_discrimination", "n_kernels"): 5,
    ("minibatch_discrimination", "n_dimensions"): 3,
    ("dropout", "rate"): 0.2,
    ("dropout", "of"): "generator",
    ("instance_noise", "size"): 0.5,
    ("instance_noise", "steps"): 2,
    ("experience_replay", "size"): 30,
    ("experience_replay", "share"): 0.9,
    ("historical_averaging", "weight"): 9.0,
    ("unrolled", "n_steps"): 2,
    ("unrolled", "rate"): 0.3,
}
# phases whose loss differs from the plain recipe's at the first update of equal weights
AT_ONCE = {
    "label_smoothing": {"discriminator"},
    "noisy_labels": {"discriminator"},
    "feature_matching": {"generator"},
    "minibatch_discrimination": set(),  # it starts as the network alone
    "dropout": {"discriminator", "generator"},
    "spectral_normalisation": {"discriminator", "generator"},
    "instance_noise": {"discriminator", "generator"},
    "experience_replay": set(),  # there is no past yet
    "historical_averaging": set(),
    "unrolled": {"generator"},
}
NAMES = sorted(TECHNIQUES)


def plain(on: str):
    small = {"generator_hidden": (6,), "discriminator_hidden": (6, 5)} if on == "domains" else {"width": 2}
    return MODELS[OF[on]](SHAPES[on], **small)


def recipe_of(name: str, on: str, **options):
    return applied(plain(on), {name: {**SMALL.get(name, {}), **options}})


def tables(on: str, n_replicates: int, dtype=torch.float32):
    generator, rows = torch.Generator().manual_seed(0), (torch.arange(N),) * n_replicates
    draws = {key: torch.randn(N, *shape, generator=generator, dtype=dtype) for key, shape in SHAPES[on].items()}
    return [Table({key: x.clamp(-1, 1)}, rows) for key, x in draws.items()]


def train(recipe, on: str, seeds, steps: int, dtype=torch.float32):
    networks = {role: lambda make=make: make().to(dtype) for role, make in recipe.networks.items()}
    draw = batches(tables(on, len(seeds), dtype), recipe.noise, batch_size=B, seeds=seeds)
    draw = ({key: x.to(dtype) if x.is_floating_point() else x for key, x in batch.items()} for batch in draw)
    return fit(replace(recipe, networks=networks), draw, seeds=seeds, steps=steps)


def states(networks) -> dict[str, torch.Tensor]:
    return {f"{role}.{key}": value for role, net in networks.items() for key, value in net.state().items()}


def losses(recipe, on: str) -> dict[str, float]:
    """The whole loss of every phase for untrained networks, whose weights depend on role and seed alone."""
    networks = {role: Replicated(make, [role_seed(7, role)]) for role, make in recipe.networks.items()}
    whole = tables(on, 1)
    noise = {key: spec for key, spec in recipe.noise.items()}
    own = plain(on).noise  # drawn first, so that both recipes get the same
    batch = next(batches(whole, {**own, **{k: v for k, v in noise.items() if k not in own}}, batch_size=B, seeds=[7]))
    carry = {**recipe.carry, "step": torch.zeros(1)}
    return {phase.name: sum(phase.objective(networks, batch, carry).values()).item() for phase in recipe.phases}


@pytest.mark.parametrize("on", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_training_seeds_together_equals_training_them_alone(name, on):
    recipe = recipe_of(name, on)
    together = states(train(recipe, on, [3, 5], 6, torch.float64))
    for r, seed in enumerate([3, 5]):
        for key, value in states(train(recipe, on, [seed], 6, torch.float64)).items():
            torch.testing.assert_close(together[key][r], value[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("on", ["points", "domains"])
@pytest.mark.parametrize("name", NAMES)
def test_a_technique_changes_the_loss_of_the_players_it_is_for_and_of_no_other(name, on):
    before, after = losses(plain(on), on), losses(recipe_of(name, on), on)
    changed = {phase for phase in before if abs(before[phase] - after[phase]) > 1e-6}
    assert changed == AT_ONCE[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_phase_moves_no_network_that_it_does_not_train(name):
    recipe = recipe_of(name, "points")
    networks = {role: Replicated(make, [role_seed(7, role)]) for role, make in recipe.networks.items()}
    draw = batches(tables("points", 1), recipe.noise, batch_size=B, seeds=[7])
    for phase in recipe.phases:
        before = {key: value.clone() for key, value in states(networks).items()}
        carry = {**recipe.carry, "step": torch.zeros(1)}
        update(phase, networks, optimiser_of(phase, networks, recipe.optimiser), next(draw), carry)
        moved = {key.split(".")[0] for key, value in states(networks).items() if not torch.equal(value, before[key])}
        assert moved == set(phase.trains)


@pytest.mark.parametrize("name", NAMES)
def test_a_technique_changes_what_is_trained(name):
    usual, other = (states(train(r, "points", [3], 5)) for r in (plain("points"), recipe_of(name, "points")))
    generator = [key for key in usual if key.startswith("generator.")]
    assert any(not torch.allclose(usual[key], other.get(key, usual[key] + 1), rtol=0, atol=1e-7) for key in generator)


@pytest.mark.parametrize(
    "name, option",
    [
        (name, option)
        for name in NAMES
        for option in inspect.signature(TECHNIQUES[name]).parameters
        if option != "recipe"
    ],
)
def test_every_option_changes_what_is_trained(name, option):
    usual, other = (
        train(r, "points", [3], 5)["generator"](torch.ones(1, 4, 64), *[torch.arange(4)[None]] * takes_seeds)
        for r, takes_seeds in (
            (recipe_of(name, "points"), False),
            (recipe_of(name, "points", **{option: OTHER[name, option]}), (name, option) == ("dropout", "of")),
        )
    )
    assert not torch.allclose(usual, other, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_a_replicate_given_nan_leaves_its_neighbour_as_it_was(name):
    recipe, seeds = recipe_of(name, "points"), [3, 5]
    (table,) = tables("points", 2)
    whole = fit(recipe, batches([table], recipe.noise, batch_size=B, seeds=seeds), seeds=seeds, steps=5)
    x = table.entries["x"]
    sick = Table({"x": torch.cat([x, torch.full_like(x, torch.nan)])}, (table.rows[0], table.rows[1] + N))
    networks = fit(recipe, batches([sick], recipe.noise, batch_size=B, seeds=seeds), seeds=seeds, steps=5)
    assert nonfinite_replicates(networks).tolist() == [False, True]
    for key, value in states(networks).items():
        assert torch.equal(value[0], states(whole)[key][0])


def test_all_techniques_go_together_in_whatever_order_they_are_named():
    options = {name: SMALL.get(name, {}) for name in TECHNIQUES}
    forwards = states(train(applied(plain("points"), options), "points", [3], 3))
    backwards = states(train(applied(plain("points"), dict(reversed(options.items()))), "points", [3], 3))
    assert all(value.isfinite().all() for value in forwards.values())
    assert all(torch.equal(value, backwards[key]) for key, value in forwards.items())


def test_techniques_leave_the_recipe_they_are_given_as_it_was():
    recipe = plain("points")
    before = (dict(recipe.networks), recipe.phases, dict(recipe.noise))
    applied(recipe, {name: SMALL.get(name, {}) for name in TECHNIQUES})
    assert (dict(recipe.networks), recipe.phases, dict(recipe.noise)) == before


def test_an_unknown_technique_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="technique 'label_smothing' is unknown; there are label_smoothing, "):
        applied(plain("points"), {"label_smothing": {}})


@pytest.mark.parametrize("name", NAMES)
def test_a_model_without_a_discriminator_is_refused(name):
    with pytest.raises(ValueError, match=r"the model has no (generator|discriminator), which the technique changes"):
        applied(MODELS["autoencoder"](SHAPES["images"], hidden=(4,), n_code=2), {name: {}})


def test_each_technique_asks_for_random_inputs_of_its_own():
    asked = Counter(key for name in NAMES for key in set(recipe_of(name, "points").noise) - set(plain("points").noise))
    assert set(asked.values()) == {1}
