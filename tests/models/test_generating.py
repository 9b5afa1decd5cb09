"""What holds of every entry of GENERATING; a new one is covered by being there."""

import inspect
import tempfile
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from records import assert_recorded, numbers

from magan import keys
from magan.config import Training
from magan.domains.minibatches import Table, batches
from magan.models import GENERATING
from magan.networks.replicate import Replicated, role_seed
from magan.recipe import Recipe
from magan.synthesizer import Synthesizer
from magan.training.fit import fit, optimiser_of, update
from magan.training.resume import Resume

NAMES = sorted(GENERATING)
SEEDS, STEPS, BATCH = (3, 5), 50, 8
FOLDER = tempfile.TemporaryDirectory()  # of trainings kept halfway; removed at the end
SMALL = {"width": 4, "n_noise": 6, "hidden": (8,), "n_blocks": 1, "mapping_depth": 1, "n_latent": 3, "n_warm": 2}


@dataclass(frozen=True)
class Needs:
    """What a model is trained on, where it is not small images of three classes, and its options."""

    shape: tuple[int, ...] = (1, 8, 8)
    options: dict = field(default_factory=dict)


NEEDS = {
    "wgan": Needs(options={"n_discriminator": 2}),
    "wgan_gp": Needs(options={"n_discriminator": 2}),
    "next_frame": Needs(shape=(3, 8, 8)),  # channels are frames
    "progressive": Needs(options={"stable_steps": 10, "fade_steps": 10}),  # so that it grows
    "stylegan": Needs(options={"stable_steps": 10, "fade_steps": 10}),
}


def options_of(name: str) -> dict:
    """Networks a few neurons wide."""
    known = inspect.signature(GENERATING[name]).parameters
    needed = NEEDS.get(name, Needs()).options
    return {option: value for option, value in SMALL.items() if option in known} | needed


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    return {"x": NEEDS.get(name, Needs()).shape, "label": (3,)}


def build(name: str) -> Recipe:
    return GENERATING[name](shapes_of(name), **options_of(name))


def images(name: str, n: int = 40) -> AnnData:
    shape = NEEDS.get(name, Needs()).shape
    pixels = np.random.default_rng(0).random((n, int(np.prod(shape)))).astype(np.float32)
    obs = pd.DataFrame({keys.CELL_TYPE: ["a", "b", "c", "a"] * (n // 4)}, index=[str(i) for i in range(n)])
    return AnnData(pixels, obs=obs, uns={keys.IMAGE: {"shape": list(shape)}})


def table(name: str, n_replicates: int, n: int = 40) -> Table:
    x = torch.rand(n, *shapes_of(name)["x"], generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Table({"x": x, "label": torch.arange(n) % 3}, (torch.arange(n),) * n_replicates)


class Halfway(Resume):
    """Keeps a training as it was when step 30 had been taken, and never goes on."""

    def begin(self, state, batches, device):
        pass

    def keep(self, state, batches):
        if state.step == 31:
            self._write(state, batches)


@dataclass
class Trained:
    model: Synthesizer
    told: list


def fitted(name: str, kept) -> tuple[Synthesizer, list]:
    told, training = [], Training(steps=STEPS, batch_size=BATCH)
    model = Synthesizer(name, options=options_of(name), training=training, seeds=SEEDS, device="cpu")
    model.fit(images(name), record=lambda *one: told.append(one), every=10, resume=lambda group: kept)
    return model, told


def kept_of(name: str) -> str:
    return f"{FOLDER.name}/{name}.safetensors"


@cache
def trained(name: str) -> Trained:
    return Trained(*fitted(name, Halfway(kept_of(name), {"model": name})))


def states(networks) -> dict[str, torch.Tensor]:
    return {f"{role}.{key}": value for role, net in networks.items() for key, value in net.state().items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_trained_model_makes_a_finite_sample_in_range_for_each_row(name):
    query = images(name, 12)
    made = trained(name).model.sample(query)
    assert list(made.obs_names) == list(query.obs_names) and list(made.layers) == ["seed_3", "seed_5"]
    for values in made.layers.values():
        assert values.shape == query.shape and np.isfinite(values).all()
        assert values.min() >= 0 and values.max() <= 1 and values.std() > 0
    assert not np.array_equal(made.layers["seed_3"], made.layers["seed_5"])


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_does_not_depend_on_the_rows_beside_it(name):
    query = images(name, 12)
    other = query.copy()
    other.obs[keys.CELL_TYPE] = query.obs[keys.CELL_TYPE].iloc[0]  # one class alone
    other.X[1:] = 0
    for one, beside in zip(*(trained(name).model.sample(q).layers.values() for q in (query, other))):
        np.testing.assert_allclose(one[0], beside[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_generator_that_sees_images_normalises_by_the_minibatch(name):
    model = trained(name).model  # standing statistics are of blank images
    norms = {
        role
        for role, network in model.networks_.items()
        if any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.template.modules())
    }
    assert not ("x" in model.conditioned_on(images(name)) and any("generator" in role for role in norms))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_read_back_makes_the_same_samples_to_the_bit(name, tmp_path):
    trained(name).model.save(tmp_path / "model.safetensors")
    again = Synthesizer.load(tmp_path / "model.safetensors", device="cpu").sample(images(name, 12))
    for layer, values in trained(name).model.sample(images(name, 12)).layers.items():
        np.testing.assert_array_equal(again.layers[layer], values)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_resumed_halfway_ends_with_the_same_bytes(name):
    whole = trained(name)
    model, told = fitted(name, Resume(kept_of(name), {"model": name}))
    for key, value in states(model.networks_).items():
        assert torch.equal(value, states(whole.model.networks_)[key])
    assert [step for step, *_ in told] == [0, 10, 20, 30, 40, 49]
    for (_, _, one), (_, _, other) in zip(told, whole.told):
        assert list(one) == list(other)
        assert all(np.array_equal(value, other[term], equal_nan=True) for term, value in one.items())


def untrained(name: str) -> dict[str, Replicated]:
    makers = build(name).networks.items()
    return {role: Replicated(make, [role_seed(seed, role) for seed in SEEDS]) for role, make in makers}


def trained_alone(name: str, seeds, steps: int = 5):
    recipe = build(name)
    drawn = batches([table(name, len(seeds))], recipe.noise, batch_size=BATCH, seeds=seeds)
    return states(fit(recipe, drawn, seeds=seeds, steps=steps))


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_alone_equals_itself_among_others(name):
    among = trained_alone(name, [3, 5])
    for key, value in trained_alone(name, [5]).items():
        torch.testing.assert_close(among[key][1], value[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_phase_moves_exactly_the_networks_it_trains_and_pays_what_is_recorded(name):
    recipe = build(name)
    networks = untrained(name)
    drawn = batches([table(name, 2)], recipe.noise, batch_size=BATCH, seeds=SEEDS)
    carry, lines = {**recipe.carry, "step": torch.zeros(1)}, []
    for phase in recipe.phases:
        before = {key: value.clone() for key, value in states(networks).items()}
        optimiser = optimiser_of(phase, networks, phase.optimiser or recipe.optimiser)
        terms = update(phase, networks, optimiser, next(drawn), carry)
        assert all(value.shape == (2,) for value in terms.values())
        moved = {key.split(".")[0] for key, value in states(networks).items() if not torch.equal(value, before[key])}
        assert moved == set(phase.trains)
        lines += [f"{phase.name} {term} {numbers(value)}" for term, value in terms.items()]
    with torch.no_grad():
        made = recipe.sample(networks, next(drawn)).flatten(1)
    lines += [f"sample {numbers(torch.stack([made.mean(1), made.std(1), made[:, 0]]))}"]
    assert_recorded(f"model_{name}", lines, close=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_moves_every_network(name):
    after = states(trained(name).model.networks_)
    moved = {key.split(".")[0] for key, value in states(untrained(name)).items() if not torch.equal(value, after[key])}
    assert moved == set(build(name).networks)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_blind_discriminator_pays_is_a_term_of_the_recipe(name):
    _, _, terms = trained(name).told[0]
    assert set(build(name).uninformed_loss) <= set(terms)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_by_the_builder(name):
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        GENERATING[name](shapes_of(name), widht=4)
