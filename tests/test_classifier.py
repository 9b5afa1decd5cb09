"""Tests of magan.classifier: it learns, it is the same every time, and what it leaves behind is what scores read."""

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

from magan import classifier, keys
from magan.errors import InputError
from magan.images.arrays import digits, rotate
from magan.training import checkpoint


def parted(images: AnnData, classes: tuple[str, ...], n_test: int) -> tuple[AnnData, AnnData]:
    images = images[images.obs[keys.CELL_TYPE].isin(classes)]
    order = np.random.default_rng(0).permutation(images.n_obs)
    return images[order[n_test:]].copy(), images[order[:n_test]].copy()


@pytest.fixture(scope="module")
def threes_sevens():
    return parted(digits(), ("3", "7"), 100)


@pytest.fixture(scope="module")
def eye(threes_sevens):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "STEPS", (60, 60))
        return classifier.fit(threes_sevens[0])


def colours(n: int = 90, side: int = 12, seed: int = 0) -> AnnData:
    """Noise that is brightest in the red, the green or the blue channel."""
    draw = np.random.default_rng(seed)
    labels, x = np.arange(n) % 3, draw.uniform(0, 0.6, (n, 3, side, side)).astype(np.float32)
    x[np.arange(n), labels] += 0.2
    obs = pd.DataFrame({keys.CELL_TYPE: np.array(["red", "green", "blue"])[labels]}, index=[f"c{i}" for i in range(n)])
    return AnnData(x.reshape(n, -1), obs=obs, uns={keys.IMAGE: {"shape": [3, side, side]}})


def accuracy(eye: classifier.Classifier, images: AnnData) -> float:
    _, probabilities = classifier.predict(eye, images.X)
    return float((np.array(eye.classes)[probabilities.argmax(1)] == images.obs[keys.CELL_TYPE]).mean())


def test_digits_of_eight_pixels_are_told_apart(eye, threes_sevens):
    assert eye.classes == ("3", "7") and accuracy(eye, threes_sevens[1]) >= 0.99


def test_classes_may_be_of_colour(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", (30, 30))
    assert accuracy(classifier.fit(colours()), colours(seed=1)) > 0.95


def test_the_same_images_and_seed_give_the_same_weights_and_another_seed_others(threes_sevens, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", (3, 3))
    torch.manual_seed(0)
    first = classifier.digest(classifier.fit(threes_sevens[0]))
    torch.manual_seed(1)
    assert classifier.digest(classifier.fit(threes_sevens[0])) == first
    assert classifier.digest(classifier.fit(threes_sevens[0], seed=1)) != first


def test_images_without_a_class_teach_nothing(threes_sevens, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", (3, 3))
    train = threes_sevens[0]
    unnamed = train[:20].copy()
    unnamed.obs[keys.CELL_TYPE], unnamed.X = "unknown", 1 - unnamed.X
    unnamed.obs_names = [f"u{i}" for i in range(20)]
    both = AnnData(np.concatenate([train.X, unnamed.X]), obs=pd.concat([train.obs, unnamed.obs]), uns=train.uns)
    assert classifier.digest(classifier.fit(both)) == classifier.digest(classifier.fit(train))


def test_what_is_loaded_sees_as_what_was_saved(eye, threes_sevens, tmp_path):
    classifier.save(tmp_path / "classifier.safetensors", eye)
    again = classifier.load(tmp_path / "classifier.safetensors")
    assert (again.classes, again.shape, again.of) == (eye.classes, eye.shape, eye.of)
    assert classifier.digest(again) == classifier.digest(eye)
    for one, other in zip(classifier.predict(again, threes_sevens[1].X), classifier.predict(eye, threes_sevens[1].X)):
        np.testing.assert_array_equal(one, other)


def test_an_image_is_seen_alike_whatever_stands_beside_it(eye, threes_sevens, monkeypatch):
    x = threes_sevens[1].X
    features, probabilities = classifier.predict(eye, x)
    monkeypatch.setattr(classifier, "ROWS", 7)
    alone, _ = classifier.predict(eye, x[:1])
    np.testing.assert_allclose(alone[0], features[0], atol=1e-5)
    np.testing.assert_allclose(classifier.predict(eye, x)[0], features, atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_a_broken_image_is_seen_as_nan_and_one_out_of_range_at_its_ends(eye, threes_sevens):
    x = np.array(threes_sevens[1].X[:4])
    whole, _ = classifier.predict(eye, x)
    broken = x.copy()
    broken[2, 5] = np.nan
    features, probabilities = classifier.predict(eye, broken)
    assert np.isnan(features[2]).all() and np.isnan(probabilities[2]).all()
    np.testing.assert_allclose(features[[0, 1, 3]], whole[[0, 1, 3]], atol=1e-5)
    stretched = np.where(x == 0, -3.0, np.where(x == 1, 9.0, x))
    np.testing.assert_allclose(classifier.predict(eye, stretched)[0], whole, atol=1e-5)


def test_looking_adds_what_is_seen_of_maps_and_truth_and_leaves_the_rest(eye, threes_sevens):
    images = threes_sevens[1].copy()
    images.layers["seed_3"], images.layers["back_3"] = images.X[::-1].copy(), images.X
    images.layers[keys.TRUTH] = np.full(images.shape, np.nan, np.float32)
    seen = classifier.annotate(eye, images)
    assert set(seen.obsm) == {
        f"{what}{of}" for what in ("features", "probabilities") for of in ("", "_seed_3", "_truth")
    }
    np.testing.assert_allclose(seen.obsm["features_seed_3"], seen.obsm["features"][::-1], atol=1e-5)
    assert np.isnan(seen.obsm["features_truth"]).all()
    assert seen.uns[keys.CLASSIFIER] == {"classes": ["3", "7"], "of": "cell_type", "sha256": classifier.digest(eye)}
    assert not images.obsm and keys.CLASSIFIER not in images.uns
    assert set(seen.layers) == set(images.layers)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (14, 14), (28, 28), (32, 32), (7, 20), (64, 48)])
def test_maps_shrink_to_at_most_four_pixels(height, width):
    network = classifier.ImageClassifier((1, height, width), 3).eval()
    features, scores = network(torch.zeros(2, 1, height, width))
    assert features.shape == (2, classifier.N_FEATURES) and scores.shape == (2, 3)
    assert network.features.in_features <= 16 * classifier.WIDEST


def test_moves_are_of_whole_pixels_and_repeat_the_border():
    x = torch.arange(36.0).reshape(1, 1, 6, 6).expand(200, 1, 6, 6)
    moved = classifier._moved(x, torch.Generator().manual_seed(0))
    wide = torch.nn.functional.pad(x[:1], (1, 1, 1, 1), mode="replicate")[0, 0]
    allowed = {tuple(wide[i : i + 6, j : j + 6].flatten().tolist()) for i in range(3) for j in range(3)}
    assert {tuple(one.flatten().tolist()) for one in moved} == allowed


@pytest.mark.parametrize(
    ("side", "widths"), [(8, [32, 64, 64]), (16, [32, 64, 64]), (17, [16, 32, 64]), (28, [16, 32, 64])]
)
def test_small_images_have_twice_the_channels_in_their_first_layers(side, widths):
    layers = classifier.ImageClassifier((1, side, side), 2).convolutions
    assert [layer.out_channels for layer in layers] == widths


@pytest.mark.parametrize(("n", "steps"), [(64, 200), (4000, 937), (12800, 1600)])
def test_images_are_seen_thirty_times_within_bounds(n, steps, monkeypatch):
    def stop(*_, total_steps, **__):
        raise InterruptedError(total_steps)

    monkeypatch.setattr(torch.optim.lr_scheduler, "OneCycleLR", stop)
    network = classifier.ImageClassifier((1, 8, 8), 2)
    with pytest.raises(InterruptedError, match=f"^{steps}$"):
        classifier._train(network, torch.zeros(n, 1, 8, 8), torch.zeros(n), torch.Generator())


def test_one_class_cannot_be_learnt(threes_sevens):
    images = threes_sevens[0].copy()
    images.obs[keys.CELL_TYPE] = "3"
    with pytest.raises(InputError, match="needs images of two classes, not 1"):
        classifier.fit(images)


def test_a_file_of_something_else_is_refused(tmp_path):
    checkpoint.save(tmp_path / "model.safetensors", {"aligner": {}}, {"a": {"b": torch.zeros(1)}})
    with pytest.raises(InputError, match="is no classifier"):
        classifier.load(tmp_path / "model.safetensors")


@pytest.mark.slow
def test_real_digits_turned_by_120_degrees_are_told_apart(mirror, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", (200, 200))
    with np.load(mirror / "mnist" / "mnist.npz") as arrays:
        sets = [(arrays[f"x_{part}"], arrays[f"y_{part}"].astype(str)) for part in ("train", "test")]
    turned = []
    for x, y in sets:
        x, y = x[np.isin(y, ["3", "7"])], y[np.isin(y, ["3", "7"])]
        x = x.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5), dtype=np.float32) / 255
        obs = pd.DataFrame({keys.CELL_TYPE: y}, index=pd.RangeIndex(len(y)).astype(str))
        x = rotate(x, 120).reshape(len(x), -1)
        turned.append(AnnData(x, obs=obs, uns={keys.IMAGE: {"shape": [1, 14, 14]}}))
    assert accuracy(classifier.fit(turned[0][:4000].copy()), turned[1]) >= 0.99
