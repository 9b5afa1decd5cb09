import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.tasks.image_generation import score as image_generation_score


@pytest.fixture
def truth(stripes, looked):
    """60 test images, which are query and real test at once, and 90 training images."""
    (test, names), (train, others) = stripes(60, 0), stripes(90, 1)
    x = AnnData(
        np.concatenate([test, train, test]).astype(np.float32),
        obs=pd.DataFrame(
            {
                keys.CELL_TYPE: np.concatenate([names, others, names]),
                keys.DOMAIN: np.repeat(["1", "2", "2"], [60, 90, 60]),
                keys.SPLIT: np.repeat(["test", "train", "test"], [60, 90, 60]),
            },
            index=[f"i{i}" for i in range(210)],
        ),
    )
    x.layers[keys.TRUTH] = np.where((x.obs[keys.DOMAIN] == "1").to_numpy()[:, None], x.X, np.nan)
    x.uns |= {keys.DATASET: "stripes", keys.IMAGE: {"shape": [1, 4, 4]}}
    return looked(x)


@pytest.fixture
def mapped(truth, stripes, looked):
    """Seed 0 makes other images of the classes asked for, seed 1 always a "3", and seed 2 the other class."""
    x = truth[truth.obs[keys.DOMAIN] == "1"].copy()
    x.layers.clear()
    x.obsm.clear()
    made = stripes(60, 5)[0].astype(np.float32)
    x.layers["seed_0"], x.layers["seed_1"], x.layers["seed_2"] = made, np.tile(made[::2], (2, 1)), made[:, ::-1]
    x.uns |= {"task": "generation", "dataset": "stripes", "method": "cgan", "arm": "cgan", "error": ""}
    x.uns |= {"seeds": np.array([0, 1, 2]), "failed": np.array([], dtype=int), keys.GIVEN: np.array(["label"])}
    return looked(x)


def scored(truth: AnnData, mapped: AnnData) -> pd.Series:
    table = image_generation_score.score(truth, mapped)
    assert list(table.columns) == list(keys.METRICS) and set(table["metric"]) <= {*keys.SCORES, keys.FAILED}
    return table.set_index(["metric", "group", "seed"])["value"]


def test_a_dropped_class_is_seen(truth, mapped):
    values = scored(truth, mapped)
    assert [values["modes", "all", seed] for seed in (0, 1, 2)] == [2, 1, 2]
    assert [values["class_share", "3", seed] for seed in (0, 1)] == [1, 2]
    assert values["class_share", "7", 1] == 0
    assert values["class_divergence", "all", 1] == pytest.approx(np.log(2))
    assert values["entropy_score", "all", 1] < 1.1 < 1.8 < values["entropy_score", "all", 0]
    assert values["frechet", "all", 0] < values["frechet", "all", 1]
    assert values["recall", "all", 0] > values["recall", "all", 1]


def test_only_what_a_model_was_told_is_asked_of_it(truth, mapped):
    values = scored(truth, mapped)
    assert [values["class_accuracy", "all", seed] for seed in (0, 1, 2)] == [1, 0.5, 0]
    assert [values["permuted_accuracy", "all", seed] for seed in (0, 1, 2)] == [1, 0.5, 1]
    mapped.uns[keys.GIVEN] = np.array([], dtype=object)
    found = {metric for metric, _, _ in scored(truth, mapped).index}
    assert not {"class_accuracy", "permuted_accuracy", "l1", "ssim"} & found
    mapped.uns[keys.GIVEN] = np.array(["x"])
    mapped.layers["seed_1"] = np.asarray(truth.X[:60])
    values = scored(truth, mapped)
    assert values["l1", "all", 1] == 0 < values["l1", "all", 0] and values["ssim", "all", 1] == pytest.approx(1)


def test_a_mean_of_samples_is_not_scored(truth, mapped, looked):
    mapped.layers[keys.CONSENSUS] = mapped.layers["seed_0"]
    assert {seed for _, _, seed in scored(truth, looked(mapped)).index} == {0, 1, 2}


def test_a_seed_that_failed_is_counted_and_not_scored(truth, mapped):
    del mapped.layers["seed_2"]
    mapped.uns["failed"] = np.array([2])
    values = scored(truth, mapped)
    assert values["failed", "all", 2] == 1 and ("frechet", "all", 2) not in values.index


def test_without_classes_pixels_alone_are_compared(truth, mapped):
    for x in (truth, mapped):
        x.obsm.clear()
        x.uns.pop(keys.CLASSIFIER)
    assert {metric for metric, _, _ in scored(truth, mapped).index} == {"sliced_wasserstein", "failed"}


def test_the_floor_is_training_images_against_test_images(truth, mapped):
    floor = image_generation_score.floor(truth).set_index("metric")["value"]
    values = scored(truth, mapped)
    assert floor["classifier_accuracy"] == 1 and floor["modes"] == 2
    assert floor["frechet"] == pytest.approx(values["frechet", "all", 0], abs=0.01)


def test_what_a_model_says_of_images_is_a_score_of_its_seeds(truth, mapped):
    mapped.uns[keys.MEASURES] = {"elbo": np.array([-90.0, -100.0, -95.0])}
    values = scored(truth, mapped)
    assert [values["elbo", "all", seed] for seed in (0, 1, 2)] == [-90, -100, -95]
