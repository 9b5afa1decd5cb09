"""What holds of every entry of ALIGNING; a new one is covered by being there."""

import inspect
from dataclasses import replace
from functools import partial
from math import prod

import pytest
import torch
from records import assert_recorded, numbers

from magan.domains.minibatches import Table, batches
from magan.losses.correspondence import shared_markers
from magan.models import ALIGNING
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Adam
from magan.training.fit import fit, nonfinite_replicates, optimiser_of, update

NAMES = sorted(ALIGNING)
SHAPES = {
    "markers": {"x1": (3,), "x2": (4,)},
    "images": {"x1": (1, 8, 8), "x2": (1, 8, 8)},
    "one panel": {"x1": (4,), "x2": (4,)},
    "convolved": {"x1": (1, 12, 12), "x2": (2, 12, 12)},
}
ARCHITECTURES = {  # of "convolved": the papers'
    "magan": "resnet",
    "cyclegan": "resnet",
    "discogan": "encoder_decoder",
    "travelgan": "unet",
    "pix2pix": "unet",
}
CASES = [(name, on) for name in NAMES for on in SHAPES if name != "pix2pix" or on == "convolved"]
HOME = {name: "convolved" if name == "pix2pix" else "markers" for name in NAMES}
N = 40  # samples a domain


def options_of(name: str) -> list[str]:
    return [option for option in inspect.signature(ALIGNING[name]).parameters if option != "shapes"]


def build(name: str, on: str, **options):
    """A model with networks a few neurons wide."""
    small = {option: (8, 6) for option in options_of(name) if option.endswith("_hidden")}
    small |= {"n_latent": 5} if "n_latent" in options_of(name) else {}
    if on == "convolved":
        small |= {"architecture": ARCHITECTURES[name], "width": 4, "depth": 2}
    return ALIGNING[name](SHAPES[on], **(small | options))


def tables(shapes, n_replicates: int, dtype: torch.dtype = torch.float32) -> list[Table]:
    generator, rows = torch.Generator().manual_seed(0), (torch.arange(N),) * n_replicates
    draws = {
        key: torch.randn(N, *shape, generator=generator, dtype=dtype).clamp(-1, 1) for key, shape in shapes.items()
    }
    pairs = Table({"pair1": draws["x1"].flip(0), "pair2": draws["x2"]}, rows)
    return [*(Table({key: values}, rows) for key, values in draws.items()), pairs]


def first_kept(G12, G21, batch):  # noqa: N803
    """The first value of a sample must not change."""
    x1, x12, x2, x21 = (batch[key].flatten(2)[..., :1] for key in ("x1", "x12", "x2", "x21"))
    return shared_markers(x1, x12) + shared_markers(x2, x21)


def train(name: str, *, seeds, steps: int, on: str, dtype: torch.dtype = torch.float32, **options):
    recipe = build(name, on, **options)
    networks = {role: lambda make=make: make().to(dtype) for role, make in recipe.networks.items()}
    draw = batches(tables(SHAPES[on], len(seeds), dtype), recipe.noise, batch_size=8, seeds=seeds)
    return fit(replace(recipe, networks=networks), draw, seeds=seeds, steps=steps)


def states(networks) -> dict[str, torch.Tensor]:
    return {f"{role}.{key}": value for role, net in networks.items() for key, value in net.state().items()}


def weights(networks) -> dict[str, torch.Tensor]:
    """Without what a normalisation notes of the samples that pass."""
    return {f"{role}.{key}": value for role, net in networks.items() for key, value in net.named_parameters()}


@pytest.mark.parametrize("name, on", CASES)
def test_a_model_maps_each_domain_into_the_other(name, on):
    shapes = SHAPES[on]
    networks = {role: Replicated(make, seeds=[0, 1]) for role, make in build(name, on).networks.items()}
    maps = {"generator_12": ("x1", "x2"), "generator_21": ("x2", "x1")}
    for role in maps.keys() & networks.keys():
        source, target = maps[role]
        mapped = networks[role](torch.zeros(2, 5, *shapes[source]))
        assert mapped.shape == (2, 5, *shapes[target])


@pytest.mark.parametrize("name, on", [case for case in CASES if case[1] != "one panel"])
def test_a_phase_moves_exactly_the_networks_it_trains_and_pays_what_is_recorded(name, on):
    seeds = [0, 1]
    recipe = build(name, on, correspondence=first_kept)
    networks = {
        role: Replicated(make, [role_seed(seed, role) for seed in seeds]) for role, make in recipe.networks.items()
    }
    draw = batches(tables(SHAPES[on], 2), recipe.noise, batch_size=8, seeds=seeds)
    lines = []
    for phase in recipe.phases:
        before = {key: value.detach().clone() for key, value in weights(networks).items()}
        carry = {**recipe.carry, "step": torch.zeros(1)}
        terms = update(phase, networks, optimiser_of(phase, networks, recipe.optimiser), next(draw), carry)
        assert all(value.shape == (2,) for value in terms.values())
        moved = {key.split(".")[0] for key, value in weights(networks).items() if not torch.equal(value, before[key])}
        assert moved == set(phase.trains)
        lines += [f"{phase.name} {term} {numbers(value)}" for term, value in terms.items()]
    sums = {role: sum(w.abs().sum() for w in network.parameters()) for role, network in networks.items()}
    lines += [f"{role} weights {numbers(value.detach())}" for role, value in sums.items()]
    assert_recorded(f"model_{name}_{on.replace(' ', '_')}", lines, close=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_is_trained_by_some_phase(name):
    recipe = build(name, HOME[name])
    assert {role for phase in recipe.phases for role in phase.trains} == set(recipe.networks)


@pytest.mark.parametrize("name, on", [case for case in CASES if case[1] in ("markers", "convolved")])
def test_two_runs_with_a_seed_are_equal_to_the_bit(name, on):
    one, two = (states(train(name, seeds=[3, 5], steps=10, on=on)) for _ in range(2))
    assert all(torch.equal(value, two[key]) for key, value in one.items())


# Both sides round differently. Where a direction of the weights changes no loss (the bias of a siamese unit that
# is active for every sample) Adam turns that noise into steps, so single precision is compared early; so are
# normalised convolutions, whose weights may be scaled by anything.
@pytest.mark.parametrize(
    "dtype, steps, rtol, atol",
    [(torch.float64, 40, 0, 1e-9), (torch.float32, 10, 1e-4, 1e-5)],
    ids=["double", "single"],
)
@pytest.mark.parametrize("name, on", [case for case in CASES if case[1] != "one panel"])
def test_training_seeds_together_equals_training_them_alone(name, dtype, steps, rtol, atol, on):
    steps = steps // 3 if on == "convolved" else steps
    with_precision = partial(train, name, steps=steps, on=on, dtype=dtype, correspondence=first_kept)
    together = states(with_precision(seeds=[3, 5]))
    for r, seed in enumerate([3, 5]):
        for key, value in states(with_precision(seeds=[seed])).items():
            torch.testing.assert_close(together[key][r], value[0], rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_differ(name):
    for value in weights(train(name, seeds=[3, 5], steps=2, on=HOME[name])).values():
        assert not torch.equal(value[0], value[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_replicate_given_nan_leaves_its_neighbours_as_they_were(name):
    seeds, recipe = [3, 4, 5], build(name, HOME[name])
    domains = tables(SHAPES[HOME[name]], 3)
    whole = fit(recipe, batches(domains, recipe.noise, batch_size=8, seeds=seeds), seeds=seeds, steps=10)
    sick = []
    for table in domains:  # the second replicate draws the same rows of a copy that is all NaN
        entries = {key: torch.cat([x, torch.full_like(x, torch.nan)]) for key, x in table.entries.items()}
        sick.append(Table(entries, (table.rows[0], table.rows[1] + N, table.rows[2])))
    networks = fit(recipe, batches(sick, recipe.noise, batch_size=8, seeds=seeds), seeds=seeds, steps=10)
    assert nonfinite_replicates(networks).tolist() == [False, True, False]
    for key, value in states(networks).items():
        assert torch.equal(value[[0, 2]], states(whole)[key][[0, 2]])


# option: another value than the default's or `build`'s
OTHER = {
    "correspondence": first_kept,
    "adversarial": "minimax",
    "cycle_weight": 3.0,
    "correspondence_weight": 3.0,
    "reconstructions_are_real": True,
    "gradient_weight": 1.0,
    "cycle_noise": 0.5,
    "residual": True,
    "identity_weight": 1.0,
    "reconstruction_weight": 3.0,
    "feature_matching": True,
    "reconstruction_rates": (0.3, 0.5),
    "warm_up_steps": 1,
    "n_generator": 1,
    "travel_weight": 3.0,
    "margin": 0.1,
    "squared_margin": False,
    "n_latent": 6,
    "generator_hidden": (7,),
    "discriminator_hidden": (7,),
    "siamese_hidden": (7,),
    "n_pool": 3,
    "architecture": "encoder_decoder",
    "width": 3,
    "depth": 1,
    "adversarial_weight": 3.0,
    "l1_weight": 3.0,
    "conditional": False,
    "dropout": False,
    "patch_layers": 0,
}
# option: what must be on for it to matter
ONLY_WITH = {
    "correspondence_weight": {"correspondence": first_kept},
    "reconstruction_rates": {"feature_matching": True},
    "warm_up_steps": {"feature_matching": True},
}
OF_IMAGES = ("architecture", "width", "depth")
UNREAD = [("pix2pix", "correspondence")]  # it learns from the pairs themselves
OPTIONS = [(name, option) for name in NAMES for option in options_of(name)]


@pytest.mark.parametrize("name, option", [one for one in OPTIONS if one not in UNREAD])
def test_every_option_changes_the_map(name, option):
    on = "convolved" if option in OF_IMAGES or name == "pix2pix" else "one panel"
    x = torch.linspace(-1, 1, 5 * prod(SHAPES[on]["x1"])).reshape(1, 5, *SHAPES[on]["x1"])
    given = {"architecture": "unet"} if option == "architecture" else ONLY_WITH.get(option, {})
    steps = 20 if option == "n_pool" else 4  # what the discriminators see takes time to tell
    usual = train(name, seeds=[3], steps=steps, on=on, **given)
    other = train(name, seeds=[3], steps=steps, on=on, **(given | {option: OTHER[option]}))
    assert not torch.allclose(usual["generator_12"](x), other["generator_12"](x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_by_the_builder(name):
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'cycel_weight'"):
        ALIGNING[name](SHAPES["markers"], cycel_weight=1.0)


def test_an_identity_loss_between_different_shapes_is_refused():
    message = r"identity_weight needs domains of one shape, not \(3,\) and \(4,\); set it to 0"
    with pytest.raises(ValueError, match=message):
        ALIGNING["cyclegan"](SHAPES["markers"], identity_weight=1.0)


OPTIMISERS = {
    "magan": Adam(1e-3, (0.5, 0.99)),
    "cyclegan": Adam(2e-4, (0.5, 0.999)),
    "discogan": Adam(2e-4, (0.5, 0.999), weight_decay=1e-5),
    "travelgan": Adam(2e-4, (0.5, 0.999)),
    "pix2pix": Adam(2e-4, (0.5, 0.999)),
}
DEFAULTS = {
    "magan": {"adversarial": "non_saturating", "cycle_weight": 1.0, "correspondence_weight": 1.0},
    "cyclegan": {"adversarial": "least_squares", "cycle_weight": 10.0, "identity_weight": 0.0, "width": 64},
    "discogan": {"adversarial": "non_saturating", "reconstruction_rates": (0.01, 0.5), "n_generator": 2},
    "travelgan": {"travel_weight": 10.0, "margin": 10.0, "squared_margin": True, "n_latent": 1000},
    "pix2pix": {"adversarial": "non_saturating", "l1_weight": 100.0, "conditional": True, "dropout": True, "width": 64},
}


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_the_papers(name):
    parameters = inspect.signature(ALIGNING[name]).parameters
    assert {option: parameters[option].default for option in DEFAULTS[name]} == DEFAULTS[name]
    if name != "pix2pix":
        assert parameters["architecture"].default == "mlp"
        assert parameters["generator_hidden"].default == (200, 100, 50)
        assert parameters["discriminator_hidden"].default == (800, 400, 200, 100, 50)
    assert build(name, HOME[name]).optimiser == OPTIMISERS[name]


def test_phases_follow_the_authors_order():
    order = {name: [phase.name for phase in build(name, HOME[name]).phases] for name in NAMES}
    generators_first = [name for name, phases in order.items() if phases == ["generator", "discriminator"]]
    assert generators_first == ["cyclegan", "magan"]
