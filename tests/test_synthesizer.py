from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from magan import keys
from magan import synthesizer as module
from magan.aligner import Aligner
from magan.config import Training
from magan.errors import InputError
from magan.models import GENERATING
from magan.networks.replicate import role_seed
from magan.synthesizer import Synthesizer
from magan.training.diagnostics import DIVERSITY


def entry_of(builder):
    """An entry of a registry whose function is at hand."""
    return SimpleNamespace(load=lambda: builder, needs=())


def images(n: int = 40, seed: int = 0, classes=("b", "a", "c", "a")) -> AnnData:
    pixels = np.random.default_rng(seed).random((n, 16)).astype(np.float32)
    obs = pd.DataFrame({keys.CELL_TYPE: list(classes) * (n // 4)}, index=[f"{seed}_{i}" for i in range(n)])
    return AnnData(pixels, obs=obs, uns={keys.IMAGE: {"shape": [1, 4, 4]}})


def new(model: str = "gan", *, steps: int = 6, training=None, options=None, **settings) -> Synthesizer:
    training = Training(**{"steps": steps, "batch_size": 8, **(training or {})})
    options = {"width": 2, "n_noise": 3, **(options or {})}
    return Synthesizer(
        model, **{"options": options, "training": training, "seeds": (3, 5), "device": "cpu", **settings}
    )


def layers(adata: AnnData) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in adata.layers.items()}


def assert_same(one: AnnData, two: AnnData) -> None:
    assert list(one.layers) == list(two.layers) and len(one.layers)
    for name, values in layers(one).items():
        np.testing.assert_array_equal(values, two.layers[name])


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


class Echo(torch.nn.Module):
    """A network with one weight that it does not use."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + 0 * self.w


def echoing(shapes, **options):
    """A model whose sample says its class number, the query's first pixel and its own noise."""
    recipe = GENERATING["gan"](shapes, **options)

    def sample(networks, batch):
        x = batch["x"].clone()
        x[:, :, 0, 0, 1] = batch["label"] / 10
        x[:, :, 0, 0, 2] = batch["z"][:, :, 0]
        return x

    return replace(recipe, sample=sample)


def test_a_sample_knows_the_class_and_the_image_of_its_row_whatever_the_order_of_making(monkeypatch):
    monkeypatch.setitem(GENERATING.entries, "echo", entry_of(echoing))
    query = images(12, seed=1)
    for rows in (500, 5):  # in one go, and some at a time
        monkeypatch.setattr(module, "ROWS", rows)
        made = new("echo").fit(images()).sample(query)
        for values in layers(made).values():
            np.testing.assert_allclose(values[:, 0], query.X[:, 0], atol=1e-6)
            numbers = [["a", "b", "c"].index(word) for word in query.obs[keys.CELL_TYPE]]
            np.testing.assert_allclose(values[:, 1] * 2 - 1, np.array(numbers) / 10, atol=1e-6)
        assert len(np.unique(layers(made)["seed_3"][:, 2])) == 12
        assert not np.array_equal(layers(made)["seed_3"][:, 2], layers(made)["seed_5"][:, 2])


def test_samples_are_pixels_from_zero_to_one_one_for_each_row():
    query = images(12, seed=1)
    made = new().fit(images()).sample(query)
    assert list(made.obs_names) == list(query.obs_names) and list(made.layers) == ["seed_3", "seed_5"]
    assert list(made.obs[keys.CELL_TYPE]) == list(query.obs[keys.CELL_TYPE])
    assert made.shape == (12, 16) and made.X.min() >= 0 and made.X.max() <= 1
    np.testing.assert_array_equal(made.X, made.layers["seed_3"])


def test_sampling_twice_gives_the_same_and_a_seed_the_same_noise_in_every_model():
    some = new().fit(images())
    assert_same(some.sample(images(12)), some.sample(images(12)))
    one = some._noise(some._recipe(), 4, [3], "sample")["z"]
    other = new(seeds=(9, 3))
    other.shapes_ = some.shapes_
    assert torch.equal(one[0], other._noise(other._recipe(), 4, [9, 3], "sample")["z"][1])


def test_a_seed_trained_and_sampled_alone_is_as_among_others_and_a_few_at_once():
    together = new(seeds=(1, 3, 5)).fit(images()).sample(images(12))
    for settings in ({"seeds": (3,)}, {"seeds": (1, 3, 5), "training": {"at_once": 2}}):
        made = new(**settings).fit(images()).sample(images(12))
        np.testing.assert_allclose(made.layers["seed_3"], together.layers["seed_3"], rtol=1e-4, atol=1e-5)


def test_bytes_train_like_the_pixels_that_they_stand_for():
    as_bytes = images()
    as_bytes.X = (as_bytes.X * 255).round().astype(np.uint8)
    as_floats = images()
    as_floats.X = as_bytes.X.astype(np.float32) / np.float32(255)
    query = images(12, seed=1)
    assert_same(new().fit(as_bytes).sample(query), new().fit(as_floats).sample(query))


def test_a_table_of_markers_is_made_in_its_own_units():
    values = np.random.default_rng(0).normal([5, -3], [1, 0.1], (200, 2)).astype(np.float32)
    cells = AnnData(values, layers={keys.PREPROCESSED: values})
    cells.var_names = ["CD3", "CD4"]
    made = (
        new(steps=300, options={"width": 4}, training={"batch_size": 64, "learning_rate": 1e-3})
        .fit(cells)
        .sample(cells)
    )
    assert list(made.var_names) == ["CD3", "CD4"]
    for values in layers(made).values():
        assert np.abs(values.mean(0) - [5, -3]).max() < 1.5 and values[:, 0].std() > values[:, 1].std()


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_synthesizer_read_back_makes_the_same_samples(average, tmp_path):
    some = new(training={"average": average}, techniques={"label_smoothing": {}}).fit(images())
    some.save(tmp_path / "model.safetensors")
    again = Synthesizer.load(tmp_path / "model.safetensors", device="cpu")
    assert_same(again.sample(images(12)), some.sample(images(12)))
    for name in ("model", "options", "techniques", "training", "seeds", "status_", "classes_", "shapes_"):
        assert getattr(again, name) == getattr(some, name)


def test_samples_are_made_with_the_running_mean_of_the_weights():
    last, mean = (new(training={"average": a}, seeds=(3,)).fit(images()) for a in (0.0, 0.9))
    for key, value in last.networks_["discriminator"].state().items():
        assert torch.equal(value, mean.networks_["discriminator"].state()[key])
    assert set(mean.networks_) == {"generator", "discriminator"}
    assert not np.allclose(last.sample(images(12)).X, mean.sample(images(12)).X, atol=1e-4)


def test_a_technique_changes_what_is_learned():
    usual, other = (new(techniques=t, seeds=(3,)).fit(images()) for t in ({}, {"label_smoothing": {}}))
    assert not np.array_equal(usual.sample(images(12)).X, other.sample(images(12)).X)


def test_diversity_is_recorded_and_fixed_samples_are_shown_at_every_record():
    told, shown = [], []
    new(steps=5).fit(
        images(),
        record=lambda step, seeds, terms: told.append((step, list(seeds), terms[DIVERSITY].shape)),
        show=lambda step, seeds, samples: shown.append((step, list(seeds), samples)),
        every=2,
    )
    assert told == [(step, [3, 5], (2,)) for step in (0, 2, 4)]
    assert [one[:2] for one in shown] == [(step, [3, 5]) for step in (0, 2, 4)]
    assert all(samples.shape == (2, 40, 16) and samples.min() >= 0 and samples.max() <= 1 for *_, samples in shown)


def fragile(*seeds: int):
    """The GAN, but a generator built for one of ``seeds`` starts with a NaN."""
    bad = {role_seed(seed, "generator") for seed in seeds}

    def build(shapes, **options):
        recipe = GENERATING["gan"](shapes, **options)

        def make():
            network = recipe.networks["generator"]()
            if torch.initial_seed() in bad:
                for p in network.parameters():
                    torch.nn.init.constant_(p, torch.nan)
            return network

        return replace(recipe, networks={**recipe.networks, "generator": make})

    return build


def test_a_seed_that_turns_nan_is_tried_again_and_the_others_never_notice(monkeypatch):
    retry = role_seed(5, "retry")
    sound = layers(new(seeds=(3, 5, 7)).fit(images()).sample(images(12)))
    monkeypatch.setitem(GENERATING.entries, "fragile", entry_of(fragile(5)))
    some = new("fragile", seeds=(3, 5, 7)).fit(images())
    assert some.status_[5] == ("retried", f"weights turned NaN; trained again with seed {retry}")
    made = layers(some.sample(images(12)))
    assert np.isfinite(made["seed_5"]).all() and not np.array_equal(made["seed_5"], sound["seed_5"])
    assert all(np.array_equal(made[name], sound[name]) for name in ("seed_3", "seed_7"))


def test_a_seed_that_fails_twice_makes_nothing(monkeypatch):
    monkeypatch.setitem(GENERATING.entries, "fragile", entry_of(fragile(5, role_seed(5, "retry"))))
    some = new("fragile").fit(images())
    assert some.good_seeds_ == [3] and list(some.sample(images(12)).layers) == ["seed_3"]
    nothing = new("fragile", seeds=(5,)).fit(images()).sample(images(12))
    assert not nothing.layers and np.isnan(nothing.X).all() and nothing.shape == (12, 16)


@pytest.mark.parametrize("classes", [("", "a", "b", "a"), ("unknown",) * 4])
def test_images_of_which_any_has_no_class_have_none(classes):
    some = new().fit(images(classes=classes))
    assert some.classes_ == [] and some.shapes_ == {"x": (1, 4, 4)}


def test_what_cannot_be_trained_or_asked_for_is_refused_with_the_reason(tmp_path):
    assert message(new("ganz").fit, images()).startswith("model 'ganz' is unknown; there are gan, ")
    few = "there are 4 training samples, fewer than a minibatch of 8; lower training.batch_size"
    assert message(new().fit, images(4)) == few
    asked = images(4, classes=("a", "b", "d", "a"))
    assert message(new().fit(images()).sample, asked) == "class 'd' is not in the training set; there are a, b, c"
    options = {"generator_hidden": (4,), "discriminator_hidden": (4,)}
    aligner = Aligner(
        "magan", correspondence="none", options=options, training=Training(steps=1, batch_size=8), device="cpu"
    )
    aligner.fit(images(), images(seed=1)).save(tmp_path / "maps")
    sentence = f"model {tmp_path / 'maps'} is no synthesizer but an aligner; give a file of the right kind"
    assert message(Synthesizer.load, tmp_path / "maps") == sentence


@pytest.mark.parametrize(
    ("model", "options", "conditioned_on"),
    [("gan", None, []), ("cgan", None, ["label"]), ("autoencoder", {"hidden": [4], "n_code": 2}, ["x"])],
)
def test_what_a_sample_depends_on_is_found_by_changing_it(model, options, conditioned_on):
    x = images()
    synthesizer = Synthesizer(
        model,
        options=options or {"width": 2, "n_noise": 3},
        training=Training(steps=2, batch_size=8),
        seeds=(3,),
        device="cpu",
    )
    assert synthesizer.fit(x).conditioned_on(x[:12]) == conditioned_on


def test_samples_of_one_class_alone_depend_on_no_class():
    x = images(classes=("a",) * 4)
    assert new("cgan", steps=2).fit(x).conditioned_on(x[:12]) == []


def test_a_model_that_measures_images_says_what_it_thinks_of_them(monkeypatch):
    x, query = images(), images(1200, seed=1)
    options, training = {"hidden": (3,), "n_noise": 2}, Training(steps=2, batch_size=8)
    model = Synthesizer("vae", options=options, training=training, seeds=(3, 5), device="cpu")
    said = model.fit(x).model_scores(query)
    assert list(said) == ["elbo"] and said["elbo"].shape == (2,) and said["elbo"][0] != said["elbo"][1]
    monkeypatch.setattr(module, "ROWS", 10**6)
    np.testing.assert_allclose(model.model_scores(query)["elbo"], said["elbo"], rtol=1e-5)
    assert new().fit(x).model_scores(query) == {}
