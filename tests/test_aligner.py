from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from safetensors.torch import save_file

from magan import keys
from magan import maps as module
from magan.aligner import Aligner
from magan.config import Training
from magan.correspondences import CORRESPONDENCES
from magan.errors import InputError
from magan.models import ALIGNING
from magan.networks.replicate import role_seed
from magan.training.device import best_device

PANEL_1, PANEL_2 = ["CD3", "CD4", "CD19"], ["CD8", "CD4", "CD3", "CD56"]


def entry_of(builder):
    """An entry of a registry whose function is at hand."""
    return SimpleNamespace(load=lambda: builder, needs=())


def cells(markers=PANEL_1, n: int = 40, seed: int = 0) -> AnnData:
    """Cells whose markers differ in mean and spread."""
    draw = np.random.default_rng([seed, len(markers)])
    values = draw.normal(np.arange(len(markers)), 1 + np.arange(len(markers)), (n, len(markers)))
    obs = pd.DataFrame({"cell_type": ["T", "B"] * (n // 2), "pair": [f"p{i}" for i in range(n)]})
    obs.index = [f"{seed}_{i}" for i in range(n)]
    adata = AnnData(np.zeros_like(values), obs=obs, layers={keys.PREPROCESSED: values.astype(np.float32)})
    adata.var_names = list(markers)
    return adata


def images(n: int = 20, seed: int = 0) -> AnnData:
    pixels = np.random.default_rng(seed).random((n, 16)).astype(np.float32)
    return AnnData(pixels, uns={keys.IMAGE: {"shape": [1, 4, 4]}})


def aligner(model: str = "magan", *, steps: int = 12, training=None, options=None, **settings) -> Aligner:
    options = {"generator_hidden": (6,), "discriminator_hidden": (5,), **(options or {})}
    training = Training(**{"steps": steps, "batch_size": 8, **(training or {})})
    return Aligner(model, **{"options": options, "training": training, "seeds": (3, 5), "device": "cpu", **settings})


def fitted(**settings) -> Aligner:
    return aligner(**settings).fit(cells(), cells(PANEL_2))


def layers(adata: AnnData) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in adata.layers.items()}


def assert_same(one: AnnData, two: AnnData, exactly: bool = True) -> None:
    assert list(one.layers) == list(two.layers) and len(one.layers)
    for name, values in layers(one).items():
        np.testing.assert_allclose(values, two.layers[name], rtol=0 if exactly else 1e-4, atol=0 if exactly else 1e-5)


def message(function, *args, **options) -> str:
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


def test_a_map_has_the_rows_of_the_query_and_the_markers_of_the_target():
    query = cells(n=10, seed=1)
    mapped = fitted().map(query)
    assert list(mapped.obs_names) == list(query.obs_names) and list(mapped.var_names) == PANEL_2
    assert list(mapped.layers) == ["seed_3", "seed_5", keys.CONSENSUS]
    np.testing.assert_allclose(
        mapped.layers[keys.CONSENSUS], (mapped.layers["seed_3"] + mapped.layers["seed_5"]) / 2, rtol=1e-6
    )
    np.testing.assert_array_equal(mapped.X, mapped.layers[keys.CONSENSUS])
    back = fitted().map(cells(PANEL_2, n=10), to="x1")
    assert list(back.var_names) == PANEL_1 and back.n_obs == 10


def test_training_and_mapping_leave_the_given_cells_as_they_were():
    x1, x2 = cells(), cells(PANEL_2)
    aligner().fit(x1, x2).map(x1)
    for got, had in ((x1, cells()), (x2, cells(PANEL_2))):
        np.testing.assert_array_equal(got.layers[keys.PREPROCESSED], had.layers[keys.PREPROCESSED])
        assert list(got.layers) == [keys.PREPROCESSED]


def test_permuting_cells_permutes_the_map():
    query, some = cells(n=10, seed=1), fitted()
    turned = some.map(query[::-1].copy())
    for name, values in layers(some.map(query)).items():
        np.testing.assert_allclose(turned.layers[name][::-1], values, rtol=1e-5, atol=1e-6)


def test_cells_mapped_a_few_at_a_time_map_the_same(monkeypatch):
    query, some = cells(n=20, seed=1), fitted()
    whole = some.map(query)
    monkeypatch.setattr(module, "ROWS", 7)
    assert_same(some.map(query), whole, exactly=False)


def test_there_and_back_is_the_second_map_after_the_first_seed_by_seed():
    some, query = fitted(seeds=(3, 5)), cells(n=10, seed=1)
    there, back = some.map(query), some.cycle(query)
    assert list(back.var_names) == PANEL_1
    for seed in ("seed_3", "seed_5"):
        there.layers[keys.PREPROCESSED] = there.layers[seed]
        np.testing.assert_allclose(back.layers[seed], some.map(there, to="x1").layers[seed], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back.X, (back.layers["seed_3"] + back.layers["seed_5"]) / 2, rtol=1e-5)


@pytest.mark.parametrize("model", sorted(set(ALIGNING) - {"pix2pix"}))
def test_an_aligner_read_back_maps_to_the_bit(model, tmp_path):
    extra = {"siamese_hidden": (6,), "n_latent": 4} if model == "travelgan" else {}
    some = aligner(model, correspondence_options={"without": ("CD4",)}, options=extra, scale="each")
    some.fit(cells(), cells(PANEL_2)).save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert_same(again.map(cells(seed=1)), some.map(cells(seed=1)))
    assert_same(again.map(cells(PANEL_2, seed=1), to="x1"), some.map(cells(PANEL_2, seed=1), to="x1"))
    for name in ("model", "correspondence", "training", "seeds", "scale", "status_"):
        assert getattr(again, name) == getattr(some, name)


def test_an_aligner_of_images_maps_into_their_range_and_is_read_back(tmp_path):
    some = aligner(correspondence="none").fit(images(), images(seed=1))
    mapped = some.map(images(seed=2))
    assert mapped.shape == (20, 16) and mapped.X.min() >= 0 and mapped.X.max() <= 1
    some.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert_same(again.map(images(seed=2)), mapped)
    assert_same(again.cycle(images(seed=2)), some.cycle(images(seed=2)))


def test_a_running_mean_of_the_generators_maps_and_is_read_back(tmp_path):
    last, mean = (fitted(training={"average": share}, seeds=(3,)) for share in (0.0, 0.9))
    assert set(mean.generators_) == {"generator_12", "generator_21"}
    assert not np.allclose(last.map(cells()).X, mean.map(cells()).X, atol=1e-4)
    mean.save(tmp_path / "model.safetensors")
    assert_same(Aligner.load(tmp_path / "model.safetensors", device="cpu").map(cells()), mean.map(cells()))


def test_a_technique_changes_what_is_learned_and_is_read_back(tmp_path):
    usual, other = (fitted(techniques=chosen, seeds=(3,)) for chosen in ({}, {"label_smoothing": {"label": 0.7}}))
    assert not np.array_equal(usual.map(cells()).X, other.map(cells()).X)
    other.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert again.techniques == {"label_smoothing": {"label": 0.7}}
    assert_same(again.map(cells()), other.map(cells()))


def test_maps_of_images_are_looked_at_in_training_and_maps_of_cells_are_not():
    told, shown = [], []
    watch = {"record": lambda *one: told.append(one), "show": lambda *one: shown.append(one), "every": 5}
    some = aligner(correspondence="none", steps=6).fit(images(), images(seed=1), **watch)
    assert all(terms[f"health/diversity_{way}"].shape == (2,) for *_, terms in told for way in ("12", "21"))
    assert [(step, list(seeds), seen.shape, maps.shape) for step, seeds, seen, maps in shown] == [
        (step, [3, 5], (20, 16), (2, 20, 16)) for step in (0, 5)
    ]
    np.testing.assert_allclose(shown[-1][2], images().X, atol=1e-6)
    np.testing.assert_allclose(shown[-1][3][1], some.map(images()).layers["seed_5"], atol=1e-5)
    told.clear(), shown.clear()
    aligner(steps=6).fit(cells(), cells(PANEL_2), **watch)
    assert not shown and not any(name.startswith("health") for *_, terms in told for name in terms)


def two_folds() -> tuple[list[AnnData], list[AnnData]]:
    """Folds of one shape on other markers, with other numbers and populations of cells."""
    firsts = [cells(["CD3", "CD4"]), cells(["CD4", "CD8"], n=32, seed=1)]
    seconds = [cells(PANEL_2), cells(PANEL_2, n=52, seed=1)]
    for x in (firsts[1], seconds[1]):
        x.obs["cell_type"] = ["T", "NK", "unknown", "T"] * (x.n_obs // 4)
    return firsts, seconds


@pytest.mark.parametrize("correspondence", ["shared_markers", "labels", "none"])
def test_folds_trained_together_equal_folds_trained_alone(correspondence, tmp_path):
    x1, x2 = two_folds()
    together = aligner(correspondence=correspondence, scale="each").fit(x1, x2)
    together.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    for fold, (a, b) in enumerate(zip(x1, x2)):
        alone = aligner(correspondence=correspondence, scale="each").fit(a, b)
        assert_same(together.map(a, fold=fold), alone.map(a), exactly=False)
        assert_same(together.map(b, to="x1", fold=fold), alone.map(b, to="x1"), exactly=False)
        assert_same(again.map(a, fold=fold), together.map(a, fold=fold))


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_how_many_replicates_train_at_once_changes_nothing(at_once):
    x1, x2 = two_folds()
    usual = aligner(seeds=(0, 1, 2)).fit(x1, x2)
    grouped = aligner(seeds=(0, 1, 2), training={"at_once": at_once}).fit(x1, x2)
    for fold in range(2):
        assert_same(grouped.map(x1[fold], fold=fold), usual.map(x1[fold], fold=fold), exactly=False)


def test_a_seed_maps_the_same_whatever_seeds_are_beside_it():
    alone, among = fitted(seeds=(5,)).map(cells()), fitted(seeds=(3, 5, 0)).map(cells())
    np.testing.assert_allclose(among.layers["seed_5"], alone.layers["seed_5"], rtol=1e-4, atol=1e-5)
    assert np.abs(among.layers["seed_3"] - among.layers["seed_5"]).max() > 0.01


@pytest.mark.parametrize("correspondence", sorted(set(CORRESPONDENCES) - {"none", "transformation", "feature"}))
def test_every_correspondence_trains_other_maps_than_none(correspondence):
    assert (
        np.abs(
            fitted(correspondence=correspondence).map(cells()).X - fitted(correspondence="none").map(cells()).X
        ).max()
        > 1e-3
    )


def test_terms_are_recorded_per_seed_as_means_over_folds():
    seen = []
    x1, x2 = two_folds()
    settings = {"seeds": (0, 1, 2), "training": {"at_once": 4}}
    aligner(steps=5, **settings).fit(x1, x2, record=lambda *told: seen.append(told), every=3)
    assert [(step, list(seeds)) for step, seeds, _ in seen] == [
        (step, seeds) for seeds in ([0, 1], [2]) for step in (0, 3, 4)
    ]
    assert set(seen[0][2]) == {"generator/adversarial", "generator/cycle", "generator/correspondence",
                               "discriminator/discriminator_1", "discriminator/discriminator_2"}  # fmt: skip
    per_fold = []
    for a, b in zip(x1, x2):
        aligner(steps=5, **settings).fit(
            a, b, record=lambda *told: per_fold.append(told[2]["generator/cycle"]), every=9
        )
    torch.testing.assert_close(seen[0][2]["generator/cycle"], ((per_fold[0] + per_fold[2]) / 2)[:2])


def test_a_study_may_replace_the_papers_optimiser():
    standing = {"learning_rate": 1e-12}
    one, twenty = (fitted(steps=steps, training=standing).map(cells()) for steps in (1, 20))
    assert_same(one, twenty, exactly=False)
    assert np.abs(fitted().map(cells()).X - one.X).max() > 0.01
    assert np.abs(fitted(training={"betas": (0.9, 0.9)}).map(cells()).X - fitted().map(cells()).X).max() > 1e-4


def identity_map(scale: str, x1: AnnData, x2: AnnData) -> AnnData:
    """Domain 1 mapped by generators that are the identity on scaled values."""
    some = aligner(scale=scale, steps=1, options={"generator_hidden": ()}).fit(x1, x2)
    state = {"layers.0.weight": torch.eye(3).repeat(2, 1, 1), "layers.0.bias": torch.zeros(2, 3)}
    some.generators_["generator_12"].put([0, 1], state)
    return some.map(x1)


def test_markers_scaled_over_both_domains_keep_their_batch_effect():
    """Column CD3 is in both panels: scaled by one mean and spread, it returns as it was."""
    x1, x2 = cells(["CD3", "CD4", "CD19"]), cells(["CD3", "CD8", "CD56"], n=60, seed=1)
    (a, b), mapped = (x.layers[keys.PREPROCESSED] for x in (x1, x2)), identity_map("pooled", x1, x2)
    np.testing.assert_allclose(mapped.layers["seed_3"][:, 0], a[:, 0], rtol=1e-4, atol=1e-5)
    for column in (1, 2):  # markers of one panel have their own mean and spread
        scaled = (a[:, column] - a[:, column].mean()) / a[:, column].std(ddof=1)
        expected = scaled * b[:, column].std(ddof=1) + b[:, column].mean()
        np.testing.assert_allclose(mapped.layers["seed_5"][:, column], expected, rtol=1e-4, atol=1e-4)


def test_markers_scaled_over_each_domain_take_the_targets_mean_and_spread():
    x1, x2 = cells(["CD3", "CD4", "CD19"]), cells(["CD3", "CD8", "CD56"], n=60, seed=1)
    a, b = x1.layers[keys.PREPROCESSED], x2.layers[keys.PREPROCESSED]
    expected = (a - a.mean(0)) / a.std(0, ddof=1) * b.std(0, ddof=1) + b.mean(0)
    np.testing.assert_allclose(identity_map("each", x1, x2).layers["seed_3"], expected, rtol=1e-4, atol=1e-4)


def test_pooled_markers_are_scaled_by_the_mean_and_spread_of_all_cells():
    x1, x2 = cells(["CD3", "CD4", "CD19"]), cells(["CD3", "CD8", "CD56"], n=60, seed=1)
    (one,) = aligner(steps=1).fit(x1, x2).scalings_["x1"]
    both = np.concatenate([x.layers[keys.PREPROCESSED][:, 0] for x in (x1, x2)])
    np.testing.assert_allclose([one.mean[0], one.sd[0]], [both.mean(), both.std(ddof=1)], rtol=1e-5)


def test_unscaled_markers_and_images_are_given_as_they_are():
    x1, x2 = cells(["CD3", "CD4", "CD19"]), cells(["CD3", "CD8", "CD56"])
    np.testing.assert_array_equal(identity_map("none", x1, x2).layers["seed_3"], x1.layers[keys.PREPROCESSED])
    (one,) = aligner(steps=1, correspondence="none").fit(images(), images()).scalings_["x1"]
    assert not one.mean.any() and (one.sd == 1).all()


def test_columns_in_another_order_and_columns_too_many_map_the_same():
    some, query = fitted(), cells(n=10, seed=1)
    more = AnnData(np.zeros((10, 4)), obs=query.obs.copy())
    more.var_names = ["CD19", "other", "CD3", "CD4"]
    old = query.layers[keys.PREPROCESSED]
    more.layers[keys.PREPROCESSED] = np.column_stack([old[:, 2], old[:, 1] * 9, old[:, 0], old[:, 1]])
    assert_same(some.map(more), some.map(query))


def test_a_marker_missing_from_the_query_is_named():
    assert message(fitted().map, cells(["CD3", "CD19"])) == (
        "marker 'CD4' of the trained panel is missing; give the markers ['CD3', 'CD4', 'CD19']"
    )


@pytest.mark.parametrize(
    "settings, x2, sentence",
    [
        (
            {"model": "mgan"},
            cells(PANEL_2),
            "model 'mgan' is unknown; there are magan, cyclegan, discogan, travelgan, pix2pix",
        ),
        (
            {"correspondence": "pears"},
            cells(PANEL_2),
            f"correspondence 'pears' is unknown; there are {', '.join(CORRESPONDENCES)}",
        ),
        (
            {"scale": "poled"},
            cells(PANEL_2),
            "scale 'poled' is unknown; there are pooled, each, whole, ranks, monotone, none, auto",
        ),
        (
            {},
            cells(PANEL_2, n=6),
            "domain 'x2' has 6 samples, fewer than a minibatch of 8; lower training.batch_size",
        ),
        (
            {},
            cells(["CD8", "CD56"]),
            "domains 'x1' and 'x2' share no marker; name them alike in the panel table, "
            "or use the correspondence pairs, labels or none",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(settings, x2, sentence):
    assert message(aligner(**settings).fit, cells(), x2) == sentence


def test_folds_of_different_shapes_are_refused():
    sentence = message(aligner().fit, [cells(), cells(["CD3", "CD4"])], [cells(PANEL_2), cells(PANEL_2)])
    assert sentence == "folds have different shapes, [((3,), (4,)), ((2,), (4,))]; fit each shape separately"


def test_a_marker_that_never_varies_cannot_be_scaled():
    x1 = cells()
    x1.layers[keys.PREPROCESSED][:, 2] = 1.5
    sentence = "marker 'CD19' is constant in the training cells; leave it out"
    assert message(aligner().fit, x1, cells(PANEL_2)) == sentence


def test_the_best_device_is_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [best_device(name) for name in ("auto", "cpu", "cuda:1")] == ["cuda", "cpu", "cuda:1"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [best_device(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    assert message(best_device, "cuda:1") == "device 'cuda:1' is not available here; set device: auto"
    assert message(fitted, device="cuda") == "device 'cuda' is not available here; set device: auto"


RETRY = role_seed(1, "retry")


def fragile(*seeds: int, only_in_second_fold: bool = False):
    """MAGAN, but a network G12 built for one of ``seeds`` starts with a NaN."""
    bad, times = {role_seed(seed, "generator_12") for seed in seeds}, Counter()

    def build(shapes, **options):
        recipe = ALIGNING["magan"](shapes, **options)

        def make():
            network, seed = recipe.networks["generator_12"](), torch.initial_seed()
            times[seed] += 1
            if seed in bad and (times[seed] == 2 or not only_in_second_fold):
                torch.nn.init.constant_(network.layers[0].bias, torch.nan)
            return network

        return replace(recipe, networks={**recipe.networks, "generator_12": make})

    return build


def test_a_seed_that_turns_nan_is_trained_once_more_with_a_derived_seed(monkeypatch):
    monkeypatch.setitem(ALIGNING.entries, "fragile", entry_of(fragile(1)))
    some, sound = fitted(model="fragile", seeds=(0, 1, 2)), fitted(seeds=(0, 1, 2))
    assert some.status_ == {
        0: ("ok", ""),
        1: ("retried", f"weights turned NaN; trained again with seed {RETRY}"),
        2: ("ok", ""),
    }
    mapped, derived = some.map(cells()), fitted(seeds=(RETRY,)).map(cells())
    np.testing.assert_array_equal(mapped.layers["seed_1"], derived.layers[f"seed_{RETRY}"])
    for name in ("seed_0", "seed_2"):
        np.testing.assert_array_equal(mapped.layers[name], sound.map(cells()).layers[name])


def test_a_seed_that_turns_nan_twice_is_shown_as_failed_and_the_others_never_notice(monkeypatch, tmp_path):
    monkeypatch.setitem(ALIGNING.entries, "fragile", entry_of(fragile(1, RETRY)))
    some, sound = fitted(model="fragile", seeds=(0, 1, 2)), fitted(seeds=(0, 1, 2)).map(cells())
    assert some.status_[1] == ("failed", "weights turned NaN, and again when retried with a derived seed")
    assert some.good_seeds_ == [0, 2]
    mapped = some.map(cells())
    assert list(mapped.layers) == ["seed_0", "seed_2", keys.CONSENSUS]
    for name in ("seed_0", "seed_2"):
        np.testing.assert_array_equal(mapped.layers[name], sound.layers[name])
    np.testing.assert_allclose(mapped.X, (sound.layers["seed_0"] + sound.layers["seed_2"]) / 2, rtol=1e-6)
    some.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert again.status_ == some.status_
    assert_same(again.map(cells()), mapped)


def test_a_seed_that_breaks_in_one_fold_is_trained_again_in_all(monkeypatch):
    monkeypatch.setitem(ALIGNING.entries, "fragile", entry_of(fragile(1, only_in_second_fold=True)))
    x1, x2 = two_folds()
    some = aligner("fragile", seeds=(0, 1)).fit(x1, x2)
    derived = aligner(seeds=(RETRY,)).fit(x1, x2)
    assert [some.status_[seed][0] for seed in (0, 1)] == ["ok", "retried"]
    for fold in range(2):
        mapped = some.map(x1[fold], fold=fold).layers["seed_1"]
        np.testing.assert_array_equal(mapped, derived.map(x1[fold], fold=fold).layers[f"seed_{RETRY}"])


def test_an_aligner_whose_every_seed_failed_maps_to_nothing(monkeypatch):
    monkeypatch.setitem(ALIGNING.entries, "fragile", entry_of(fragile(1, RETRY)))
    some = fitted(model="fragile", seeds=(1,))
    for mapped in (some.map(cells()), some.cycle(cells())):
        assert not mapped.layers and np.isnan(mapped.X).all() and mapped.n_obs == 40


def test_magan_finds_the_right_cluster_by_a_shared_marker():
    """Two clusters; the shared marker tells them apart, the marker of panel 2 alone is what is read off."""
    draw, which = np.random.default_rng(0), np.arange(400) % 2
    panels = {}
    for name, markers, centres in (
        ("x1", ["shared", "one"], np.array([[-1, 2], [1, -2]])),
        ("x2", ["shared", "two"], np.array([[-1, -3], [1, 3]])),
    ):
        values = (centres[which] + draw.normal(0, 0.3, (400, 2))).astype(np.float32)
        panels[name] = AnnData(values, layers={keys.PREPROCESSED: values})
        panels[name].var_names = markers
    some = aligner(
        seeds=(0, 1, 2),
        options={"generator_hidden": (16,), "discriminator_hidden": (16,)},
        training={"steps": 600, "batch_size": 64, "learning_rate": 3e-3},
    ).fit(panels["x1"], panels["x2"])
    mapped = some.map(panels["x1"])
    for seed in (0, 1, 2):
        right = (mapped.layers[f"seed_{seed}"][:, 1] > 0) == (which == 1)
        assert right.mean() > 0.95


def test_an_expected_map_does_not_see_the_markers_of_the_source_alone():
    some, query = fitted(), cells(n=10, seed=1)
    changed = query.copy()
    alone = [marker for marker in query.var_names if marker not in some.features_["x2"][0]]
    assert alone
    changed.layers[keys.PREPROCESSED][:, [query.var_names.get_loc(m) for m in alone]] += 1
    assert not np.array_equal(some.map(query).layers["seed_3"], some.map(changed).layers["seed_3"])
    some.predict = "expected"
    np.testing.assert_array_equal(some.map(query).layers["seed_3"], some.map(changed).layers["seed_3"])


def test_a_residual_map_between_ranks_starts_as_the_quantile_map():
    x1, x2 = cells(["CD3", "CD4"]), cells(["CD3", "CD4"], n=60, seed=1)
    x2.layers[keys.PREPROCESSED] = 2 * x2.layers[keys.PREPROCESSED] + 3
    still = Training(steps=1, batch_size=10, learning_rate=1e-12)
    options = {"residual": True, "generator_hidden": [4], "discriminator_hidden": [4]}
    some = Aligner("magan", correspondence="none", options=options, training=still, scale="ranks").fit(x1, x2)
    mapped = some.map(x1).layers["seed_0"]
    for before, after, target in zip(x1.layers[keys.PREPROCESSED].T, mapped.T, x2.layers[keys.PREPROCESSED].T):
        assert (np.argsort(before) == np.argsort(after)).all()
        np.testing.assert_allclose(np.median(after), np.median(target), atol=0.3)


def test_lists_of_folds_of_different_length_are_refused():
    with pytest.raises(InputError, match="2 domains and 1 partners; give folds as two lists of equal length"):
        aligner().fit([cells(), cells()], [cells()])


def test_a_saved_model_knows_its_folds_its_reference_and_how_cells_were_measured(tmp_path):
    x1, x2 = two_folds()
    for name, x in zip(["monday", "tuesday", "first", "first"], [*x1, *x2]):
        x.obs[keys.BATCH] = name
        x.uns[keys.CYTOF] = {"cofactor": 5.0}
    x1[1].uns[keys.CYTOF] = {"cofactor": "per marker"}
    x1[1].var["cofactor"] = [5.0, 2.5]
    x2[0].uns[keys.CYTOF] = {"cofactor": "none"}
    aligner(steps=1).fit(x1, x2, names=["monday", "tuesday"]).save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert (again.names_, again.reference_) == (["monday", "tuesday"], "first")
    assert again.cofactors_["x1"] == [{"CD3": 5.0, "CD4": 5.0}, {"CD4": 5.0, "CD8": 2.5}]
    assert again.cofactors_["x2"][0] == dict.fromkeys(PANEL_2, "none")


def test_folds_without_names_are_counted_and_names_too_few_are_refused():
    x1, x2 = two_folds()
    some = aligner(steps=1).fit(x1, x2)
    assert (some.names_, some.reference_, some.cofactors_["x1"]) == (["0", "1"], "", [{}, {}])
    assert message(aligner().fit, x1, x2, names=["one"]) == "1 names for 2 folds; give one to each"


def test_what_is_no_saved_model_is_refused_by_name(tmp_path):
    path = tmp_path / "model.safetensors"
    assert "does not exist" in message(Aligner.load, path)
    path.touch()  # what an arm leaves whose every seed failed
    assert message(Aligner.load, path).startswith(f"model {path} cannot be read (")
    save_file({"x": torch.zeros(1)}, str(path))
    assert message(Aligner.load, path) == (
        f"model {path} was not written by magan; give a model.safetensors of a trained arm"
    )


def test_a_saved_model_gives_what_it_was_made_to_give(tmp_path):
    some, query = fitted(), cells(n=10, seed=1)
    some.predict = "expected"
    some.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.map(query).layers["seed_3"], some.map(query).layers["seed_3"])


def of_one_kind(markers, n: int, seed: int) -> AnnData:
    """Cells of one skewed state z: "s" is z with much noise, "u", "m" and "v" are z with little; all of unit slope."""
    draw = np.random.default_rng(seed)
    z = draw.exponential(1, n)
    values = {name: z + draw.normal(0, sd, n) for name, sd in (("s", 1.0), ("u", 0.2), ("m", 0.2), ("v", 0.2))}
    adata = AnnData(np.stack([values[name] for name in markers], axis=1).astype(np.float32))
    adata.var_names, adata.layers[keys.PREPROCESSED] = list(markers), adata.X
    adata.obs["truth"] = values["m"]
    return adata


def judged(stack: bool = False, **settings) -> Aligner:
    settings = {"calibrate": 0.2, "predict": "expected", "correspondence_options": {"rebuild": 5.0}, **settings}
    x1, x2 = of_one_kind("us", 1000, 0), of_one_kind("sm", 1000, 1)
    return aligner(stack=stack, **settings).fit(x1, x2)


@pytest.mark.parametrize("predict", ["sample", "expected"])
@pytest.mark.parametrize("stack", [False, True])
def test_intervals_hold_nine_of_ten_cells_however_little_a_map_has_learnt(predict, stack):
    query = of_one_kind("us", 2000, 2)
    mapped = judged(stack, predict=predict).map(query)[:, ["m"]]
    low, high, drawn = (mapped.layers[name][:, 0] for name in (keys.LOW, keys.HIGH, keys.SAMPLED))
    truth = query.obs["truth"].to_numpy()
    assert abs(np.mean((low <= truth) & (truth <= high)) - 0.9) < 0.05
    assert abs(drawn.std() / truth.std() - 1) < 0.25 and abs(drawn.mean() - truth.mean()) < 0.15
    between = np.var([mapped.layers[f"seed_{s}"] for s in (3, 5)], axis=0)[:, 0]
    if predict == "expected":
        assert (mapped.layers[keys.SPREAD][:, 0] ** 2 >= between - 1e-4).all()


def test_intervals_are_told_both_ways():
    back = judged().map(of_one_kind("sm", 2000, 3), to="x1")
    assert list(back.var_names) == ["u", "s"]
    low, high = (back[:, ["u"]].layers[name][:, 0] for name in (keys.LOW, keys.HIGH))
    truth = back.obs["truth"].to_numpy()  # as good as u
    assert abs(np.mean((low <= truth) & (truth <= high)) - 0.9) < 0.06


def test_samples_kept_apart_are_not_trained_on():
    x1, x2 = of_one_kind("us", 1000, 0), of_one_kind("sm", 1000, 1)
    some = judged().map(x1)
    apart = np.sort(np.random.default_rng(0).permutation(1000)[:200])
    for x in (x1, x2):
        x.layers[keys.PREPROCESSED] = x.layers[keys.PREPROCESSED].copy()
        x.layers[keys.PREPROCESSED][apart] += 3
    other = aligner(calibrate=0.2, predict="expected", correspondence_options={"rebuild": 5.0}).fit(x1, x2)
    query = of_one_kind("us", 1000, 0)
    np.testing.assert_array_equal(other.map(query).layers["seed_3"], some.layers["seed_3"])
    assert (other.map(query).layers[keys.HIGH] > some.layers[keys.HIGH]).mean() > 0.75


@pytest.mark.parametrize("stack", [False, True])
def test_a_judged_aligner_read_back_maps_to_the_bit_also_a_few_cells_at_a_time(stack, tmp_path):
    query, some = of_one_kind("us", 60, 2), judged(stack)
    some.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors", device="cpu")
    assert_same(again.map(query), some.map(query))
    np.testing.assert_array_equal(again.map(query[20:]).layers[keys.SAMPLED], some.map(query).layers[keys.SAMPLED][20:])


def test_regressors_are_weighed_on_held_out_cells_and_help_a_map_that_learnt_little():
    query = of_one_kind("us", 2000, 2)
    without, with_them = (judged(stack).map(query)[:, ["m"]] for stack in (False, True))
    r = [np.corrcoef(x.layers[keys.CONSENSUS][:, 0], query.obs["truth"])[0, 1] for x in (without, with_them)]
    error = [np.square(x.layers[keys.CONSENSUS][:, 0] - query.obs["truth"]).mean() for x in (without, with_them)]
    assert r[1] > r[0] - 0.01 and error[1] < error[0]


def test_panels_of_150_cells_with_two_shared_markers_and_one_side_that_lacks_nothing_are_imputed():
    """The share that calibrates is raised to 50 cells; the map to domain 1 has nothing to impute."""
    x1, x2 = of_one_kind("su", 150, 0), of_one_kind("sum", 150, 1)
    some = aligner(stack=True, scale="auto", calibrate=0.1, predict="expected").fit(x1, x2)
    query = of_one_kind("su", 300, 2)
    mapped = some.map(query)[:, ["m"]]
    low, high, truth = mapped.layers[keys.LOW][:, 0], mapped.layers[keys.HIGH][:, 0], query.obs["truth"].to_numpy()
    assert np.corrcoef(mapped.X[:, 0], truth)[0, 1] > 0.85 and np.mean((low <= truth) & (truth <= high)) > 0.8
    assert some.stacks_["x1"][0] is None and some.map(x2, to="x1").shape == (150, 2)


def test_a_direction_that_is_not_asked_for_is_not_calibrated():
    x1, x2 = of_one_kind("us", 200, 0), of_one_kind("sm", 200, 1)
    some = aligner(stack=True, calibrate=0.2, calibrated_to=("x2",), predict="expected").fit(x1, x2)
    assert keys.LOW in some.map(x1).layers and keys.LOW not in some.map(x2, to="x1").layers


def test_a_panel_whose_markers_are_shifted_is_scaled_by_itself():
    x1, x2 = (of_one_kind("sum", 300, seed) for seed in (0, 1))
    x1.layers[keys.PREPROCESSED] += np.array([5, -5, 2.5], np.float32)
    found, asked = (aligner(scale=name).fit(x1, x2).scalings_ for name in ("auto", "each"))
    np.testing.assert_array_equal(found["x1"][0].mean, asked["x1"][0].mean)


def test_markers_of_the_source_alone_help_a_sample_but_not_what_is_expected():
    """What "s" tells of "m" has a limit, r = 0.71; "u", which panel 2 never sees, tells the rest."""
    training = {"steps": 300, "batch_size": 100, "learning_rate": 0.005}
    options = {"generator_hidden": (16,), "discriminator_hidden": (16,)}
    some = aligner(training=training, options=options, seeds=(0, 1), correspondence_options={"rebuild": 5.0})
    some.fit(of_one_kind("us", 1000, 0), of_one_kind("sm", 1000, 1))
    query, r = of_one_kind("us", 1000, 2), {}
    for some.predict in ("sample", "expected"):
        r[some.predict] = np.corrcoef(some.map(query)[:, ["m"]].X[:, 0], query.obs["truth"])[0, 1]
    assert r["expected"] == pytest.approx(0.71, abs=0.04) and r["sample"] > 0.85


def test_what_calibration_cannot_use_is_refused():
    few = aligner(calibrate=0.2, predict="expected")
    assert message(few.fit, of_one_kind("us", 149, 0), of_one_kind("sm", 1000, 1)) == (
        "calibrate: domain 'x1' has 149 samples, and needs 50 to calibrate and 100 to train on; give at least 150, or "
        "set calibrate: 0"
    )
    assert message(judged, True, calibrate=0) == (
        "stack: true needs held-out cells for its weights; set calibrate: 0.1"
    )
    apart = of_one_kind("vu", 1000, 0)
    some = aligner(calibrate=0.2, correspondence="none")
    assert message(some.fit, apart, of_one_kind("sm", 1000, 1)) == (
        "calibrate needs markers that both domains measure; leave it out"
    )


def test_balanced_training_leaves_out_what_one_domain_has_too_much_of():
    draw, centres = np.random.default_rng(0), 4 * np.eye(3)
    parts = []
    for shares in ([0.5, 0.3, 0.2], [0.2, 0.4, 0.4]):
        values = (centres[draw.choice(3, 500, p=shares)] + draw.normal(0, 0.5, (500, 3))).astype(np.float32)
        parts.append(AnnData(values, layers={keys.PREPROCESSED: values}))
        parts[-1].var_names = PANEL_1
    apart = {}
    for balance in (False, True):
        one = Aligner("magan", scale="each", balance=balance, training=Training(steps=1, batch_size=16)).fit(*parts)
        apart[balance] = float((one.scalings_["x1"][0].mean - one.scalings_["x2"][0].mean).abs().max())
    assert apart[False] > 0.8 and apart[True] < 0.25


def test_balance_and_the_shrunken_map_come_back_with_the_model(tmp_path):
    x1, x2 = cells(n=60), cells(n=60, seed=1)
    fitted = Aligner(
        "magan", scale="monotone", balance=True, training=Training(steps=2, batch_size=8), options={"residual": True}
    ).fit(x1, x2)
    fitted.save(tmp_path / "model.safetensors")
    again = Aligner.load(tmp_path / "model.safetensors")
    assert again.balance and again.scale == "monotone"
    np.testing.assert_array_equal(again.map(x1).X, fitted.map(x1).X)
