"""Tests of magan.stages.classifier: what the classifier learns from, and that scores are what it saw."""

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import classifier as image_classifier
from magan import keys
from magan.stages.atomic_files import read_metrics
from magan.stages.classifier import classifier
from magan.stages.evaluate import annotated, evaluate


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(image_classifier, "STEPS", (40, 40))


def images(n: int, first: str, side: int = 6) -> AnnData:
    """Bars that stand or lie, brighter in the set "2"."""
    lying = np.arange(n) % 2 == 0
    x = np.random.default_rng(n).uniform(0, 0.2, (n, 1, side, side)).astype(np.float32)
    x[lying, :, 2:4], x[~lying, :, :, 2:4] = 0.7, 0.7
    adata = AnnData(x.reshape(n, -1) + (0.25 if first == "t" else 0), uns={keys.IMAGE: {"shape": [1, side, side]}})
    adata.obs_names, adata.obs[keys.CELL_TYPE] = [f"{first}{i}" for i in range(n)], np.where(lying, "lies", "stands")
    return adata


@pytest.fixture
def place(tmp_path):
    """A data set as rule `prepare` leaves it, with a map that is right and one that turns every image."""
    query, train, test = images(30, "q"), images(60, "t"), images(40, "t")
    test.obs_names = [f"u{i}" for i in range(40)]
    parts = [(query, "1", "test"), (train, "2", "train"), (test, "2", "test")]
    truth = anndata.concat([x for x, _, _ in parts])
    truth.obs[keys.DOMAIN] = np.repeat([domain for _, domain, _ in parts], [x.n_obs for x, _, _ in parts])
    truth.obs[keys.SPLIT] = np.repeat([split for _, _, split in parts], [x.n_obs for x, _, _ in parts])
    right = query.X + np.float32(0.25)
    truth.layers[keys.TRUTH] = np.concatenate([right, np.full((100, 36), np.nan, np.float32)])
    truth.uns |= {keys.IMAGE: {"shape": [1, 6, 6]}, keys.DATASET: "bars"}
    truth.write_h5ad(tmp_path / "truth.h5ad")
    turned = right.reshape(-1, 6, 6).transpose(0, 2, 1).reshape(right.shape)
    mapped = AnnData(right, obs=query.obs[[]].copy(), layers={"seed_0": right, "seed_1": turned})
    mapped.uns |= {"task": "translation", "dataset": "bars", "method": "magan", "arm": "magan", "error": ""}
    mapped.uns |= {"seeds": np.array([0, 1]), "failed": np.array([], int)}
    mapped.write_h5ad(tmp_path / "mapped.h5ad")
    (tmp_path / "train" / "images").mkdir(parents=True)
    first = images(50, "q")
    first.X = np.rint(first.X * 255).astype(np.uint8)  # as large sets are kept
    first.write_h5ad(tmp_path / "train" / "images" / "x1.h5ad")
    train.write_h5ad(tmp_path / "train" / "images" / "x2.h5ad")
    return tmp_path


def learnt(place) -> str:
    classifier(str(place / "truth.h5ad"), str(place / "train"), 1, str(place / "classifier.safetensors"))
    return str(place / "classifier.safetensors")


def scored(place, classifier: str | None) -> pd.Series:
    mapped = [str(place / "mapped.h5ad")]
    evaluate("translation", str(place / "truth.h5ad"), mapped, str(place / "metrics.tsv"), classifier)
    return read_metrics(place / "metrics.tsv").set_index(["metric", "arm", "group", "seed"])["value"].sort_index()


def unnamed(place) -> None:
    truth = anndata.read_h5ad(place / "truth.h5ad")
    truth.obs[keys.CELL_TYPE] = "bar"
    truth.write_h5ad(place / "truth.h5ad")


def test_classes_of_the_target_are_learnt_and_maps_are_scored_by_them(place):
    file = learnt(place)
    assert (image_classifier.load(file).classes, image_classifier.load(file).of) == (("lies", "stands"), keys.CELL_TYPE)
    values = scored(place, file)
    assert values["class_accuracy", "magan", "all", "0"] == 1 and values["class_accuracy", "magan", "all", "1"] == 0
    assert values["classifier_accuracy", "floor", "all", ""] == 1
    assert values["frechet", "magan", "all", "0"] < 10 * values["frechet", "floor", "all", ""]


def test_where_there_is_one_class_the_sets_are_told_apart_whatever_they_are_kept_in(place):
    unnamed(place)
    file = learnt(place)
    assert (image_classifier.load(file).classes, image_classifier.load(file).of) == (("1", "2"), keys.DOMAIN)
    values = scored(place, file)
    assert values["taken_for_target", "magan", "all", "0"] == 1
    assert values["classifier_accuracy", "floor", "all", ""] == 1


def test_without_anything_to_tell_apart_only_pixels_are_scored(place):
    unnamed(place)
    (place / "train" / "images" / "x1.h5ad").rename(place / "x1.h5ad")
    file = learnt(place)
    assert not (place / "classifier.safetensors").read_bytes()
    values = scored(place, file)
    assert values["ssim", "magan", "all", "0"] == pytest.approx(1)
    assert "frechet" not in values.index.get_level_values("metric")
    pd.testing.assert_series_equal(values, scored(place, None))


def test_a_generation_without_classes_has_no_other_set_to_learn_from(place):
    unnamed(place)
    (place / "train" / "images" / "x2.h5ad").unlink()  # one training set, as of models that make images
    learnt(place)
    assert not (place / "classifier.safetensors").read_bytes()


def test_the_classifier_is_the_same_every_time(place):
    first = (place / learnt(place)).read_bytes()
    assert (place / learnt(place)).read_bytes() == first


def test_what_is_shown_is_what_the_classifier_sees(place):
    file = learnt(place)
    mapped = anndata.read_h5ad(place / "mapped.h5ad")
    seen = annotated(file, mapped)
    np.testing.assert_array_equal(
        seen.obsm["features_seed_1"], image_classifier.predict(image_classifier.load(file), mapped.layers["seed_1"])[0]
    )
    assert annotated(None, mapped) is mapped
