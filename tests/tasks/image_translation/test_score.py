import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.image_translation import score as image_translation_score


@pytest.fixture
def truth(stripes, looked):
    """40 queries, darker than their partners of domain 2, and 80 and 40 real images of that."""
    images, labels = stripes(160, 0)
    domain, split = np.repeat(["1", "2", "2"], [40, 80, 40]), np.repeat(["test", "train", "test"], [40, 80, 40])
    obs = pd.DataFrame(
        {keys.CELL_TYPE: labels, keys.DOMAIN: domain, keys.SPLIT: split}, index=[f"i{i}" for i in range(160)]
    )
    query = domain == "1"
    x = AnnData(np.where(query[:, None], images / 3, images).astype(np.float32), obs=obs)
    x.layers[keys.TRUTH] = np.where(query[:, None], images, np.nan).astype(np.float32)
    x.uns |= {keys.DATASET: "stripes", keys.IMAGE: {"shape": [1, 4, 4]}}
    return looked(x)


def maps(truth: AnnData, looked, of: str = keys.CELL_TYPE, **layers) -> AnnData:
    """Maps of an arm whose seed 0 is right and whose seed 1 makes the last image of every one."""
    x = truth[truth.obs[keys.DOMAIN] == "1"].copy()
    right = np.asarray(x.layers[keys.TRUTH])
    x.layers.clear()
    x.obsm.clear()
    x.layers["seed_0"], x.layers["seed_1"] = right, np.tile(right[-1:], (40, 1))
    x.layers["consensus"] = (x.layers["seed_0"] + x.layers["seed_1"]) / 2
    for name, values in layers.items():
        x.layers[name] = values
    x.uns |= {"task": "translation", "dataset": "stripes", "method": "magan", "arm": "magan", "error": ""}
    x.uns |= {"seeds": np.array([0, 1]), "failed": np.array([], dtype=int)}
    return looked(x, of=of) if looked else x


def scored(truth: AnnData, mapped: AnnData) -> pd.Series:
    table = image_translation_score.score(truth, mapped)
    assert list(table.columns) == list(keys.METRICS) and set(table["metric"]) <= {*keys.SCORES, keys.FAILED}
    assert not table.duplicated(["seed", "group", "metric"]).any()
    return table.set_index(["metric", "group", "seed"])["value"]


def test_a_right_map_has_every_best_score_and_a_constant_one_chance(truth, looked):
    values = scored(truth, maps(truth, looked))
    for metric in ("ssim", "retrieved", "retrieved_ssim", "reciprocal_rank", "travel_cosine", "class_accuracy"):
        assert values[metric, "all", 0] == pytest.approx(1, abs=1e-6)
    assert values["l1", "all", 0] == 0 < values["l1", "all", 1]
    assert values["retrieved", "all", 1] == pytest.approx(1 / 40)
    assert values["retrieved", "first 5", 1] == pytest.approx(5 / 40)
    assert values["reciprocal_rank", "all", 1] == pytest.approx((1 / np.arange(1, 41)).mean())
    assert values["class_accuracy", "all", 1] == 0.5 and values["class_accuracy", "3", 1] == 0
    assert values["modes", "all", 0] == 2 and values["modes", "all", 1] == 1
    assert np.isnan(values["travel_cosine", "all", 1])
    for metric in ("frechet", "kid", "sliced_wasserstein", "class_divergence"):
        assert values[metric, "all", 0] < values[metric, "all", 1]
    for metric in ("recall", "real_coverage", "entropy_score"):
        assert values[metric, "all", 0] > values[metric, "all", 1]


def test_without_partners_vectors_are_compared_with_those_of_the_inputs(truth, looked):
    truth.layers[keys.TRUTH][:] = np.nan
    looked(truth)
    values = scored(truth, maps(truth, looked, seed_0=np.asarray(truth.X[:40]), seed_1=1 - truth.X[:40]))
    assert not {"l1", "ssim", "retrieved"} & {metric for metric, _, _ in values.index}
    assert values["travel_cosine", "all", 0] == pytest.approx(1)
    assert values["travel_cosine", "all", 1] == pytest.approx(-1)


def test_some_partners_may_be_unknown(truth, looked):
    truth.layers[keys.TRUTH][:10] = np.nan
    mapped = maps(truth, looked)
    mapped.layers["seed_0"][:10] = 0.5
    mapped.layers["seed_0"][10:] = truth.layers[keys.TRUTH][10:40]
    assert scored(truth, looked(mapped))["l1", "all", 0] == 0


def test_without_a_classifier_only_pixels_are_scored(truth):
    truth.obsm.clear()
    del truth.uns[keys.CLASSIFIER]
    values = scored(truth, maps(truth, None))
    found = {metric for metric, _, _ in values.index}
    assert {"l1", "ssim", "retrieved", "retrieved_ssim", "sliced_wasserstein", "failed"} <= found
    assert not {"frechet", "kid", "precision", "class_accuracy", "travel_cosine", "modes"} & found
    assert set(image_translation_score.floor(truth)["metric"]) == {"sliced_wasserstein"}


def test_a_classifier_of_the_sets_tells_what_is_taken_for_the_target(truth, looked):
    looked(truth, classes=("1", "2"), of=keys.DOMAIN)
    values = scored(truth, maps(truth, looked, of=keys.DOMAIN))
    assert values["taken_for_target", "all", 0] == 0.5
    assert not {"class_accuracy", "modes", "entropy_score"} & {metric for metric, _, _ in values.index}
    floor = image_translation_score.floor(truth).set_index("metric")["value"]
    # Of 40 images of either set that were not learnt from, half is bright on the left, which is "1" to this one.
    assert floor["classifier_accuracy"] == 0.5


def test_the_background_is_scored_where_the_object_is_known(truth, looked):
    truth.layers[keys.OBJECT] = np.tile((np.arange(16) < 8).astype(np.float32), (160, 1))
    changed = np.asarray(truth.X[:40]).copy()
    changed[:, :8] = 1
    values = scored(truth, maps(truth, looked, seed_0=changed, seed_1=truth.X[:40] + np.float32(0.25)))
    assert values["background_change", "all", 0] == 0
    assert values["background_change", "all", 1] == pytest.approx(0.25)


def test_a_broken_seed_has_no_score_and_a_failed_method_rows_alone(truth, looked):
    mapped = maps(truth, looked, seed_1=np.full((40, 16), np.nan, np.float32))
    table = image_translation_score.score(truth, mapped)
    assert table[(table["seed"] == 1) & (table["metric"] != keys.FAILED)]["value"].isna().all()
    mapped.uns["error"] = "RuntimeError: no"
    assert set(image_translation_score.score(truth, mapped)["metric"]) == {keys.FAILED}


def test_the_floor_compares_real_images_with_as_many_others(truth):
    table = image_translation_score.floor(truth)
    values = table.set_index("metric")["value"]
    assert values["classifier_accuracy"] == 1 and values["modes"] == 2
    assert values["frechet"] < 0.1 and set(table["arm"]) == {keys.FLOOR} and set(table["task"]) == {"translation"}


def test_a_map_of_images_that_the_truth_lacks_is_refused(truth, looked):
    mapped = maps(truth, looked)
    mapped.obs_names = [f"other{i}" for i in range(40)]
    with pytest.raises(InputError, match="mapped row 'other0' is not in the truth"):
        image_translation_score.score(truth, mapped)
