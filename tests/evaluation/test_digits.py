import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.evaluation import digits


@pytest.fixture
def truth(stripes):
    """Queries, 80 real images to learn from and 40 to test, all of one kind."""
    images, labels = stripes(160, 0)
    domain, split = np.repeat(["1", "2", "2"], [40, 80, 40]), np.repeat(["test", "train", "test"], [40, 80, 40])
    x = AnnData(
        images.astype(np.float32),
        obs=pd.DataFrame(
            {keys.CELL_TYPE: labels, keys.DOMAIN: domain, keys.SPLIT: split}, index=[f"i{i}" for i in range(160)]
        ),
    )
    x.layers[keys.TRUTH] = np.where((domain == "1")[:, None], x.X, np.nan)
    x.uns[keys.DATASET] = "stripes"
    return x


@pytest.fixture
def mapped(truth):
    x = truth[truth.obs[keys.DOMAIN] == "1"].copy()
    x.layers.clear()
    x.layers["seed_0"], x.layers["seed_1"] = x.X, x.X[:, ::-1]
    x.layers["back_0"] = x.X
    x.layers["consensus"] = (x.layers["seed_0"] + x.layers["seed_1"]) / 2
    x.uns |= {"task": "digits", "method": "magan", "arm": "alone", "error": ""}
    x.uns |= {"seeds": np.array([0, 1]), "failed": np.array([], dtype=int)}
    return x


def test_a_faithful_seed_is_right_and_a_mirrored_one_flipped(truth, mapped):
    table = digits.score(truth, mapped)
    assert not table.duplicated(["seed", "group", "metric"]).any()
    values = table.set_index(["metric", "group", "seed"])["value"]
    for group in ("all", "3", "7"):
        assert values["identity_accuracy", group, 0] == values["nearest_accuracy", group, 0] == 1
        assert values["identity_accuracy", group, 1] == values["nearest_accuracy", group, 1] == 0
    assert [values[m, "all", 0] for m in ("right", "flipped", "mixed")] == [1, 0, 0]
    assert [values[m, "all", 1] for m in ("right", "flipped", "mixed")] == [0, 1, 0]
    assert values["pixel_rmse", "all", 0] == 0 < values["pixel_rmse", "all", 1]


def test_a_broken_seed_has_no_outcome(truth, mapped):
    mapped.layers["seed_1"] = np.full_like(mapped.X, np.nan)
    table = digits.score(truth, mapped)
    assert table[(table["seed"] == 1) & (table["metric"] != keys.FAILED)]["value"].isna().all()


def test_the_judge_never_learns_from_test_images(truth, mapped):
    other = truth.copy()
    test = ((other.obs[keys.DOMAIN] == "2") & (other.obs[keys.SPLIT] == "test")).to_numpy()
    other.X[test] = truth.X[:40, ::-1]  # lies that lie where the mirrored maps do
    pd.testing.assert_frame_equal(digits.score(truth, mapped), digits.score(other, mapped))


def test_the_floor_is_how_well_real_images_do(truth):
    table = digits.floor(truth)
    assert dict(zip(table["metric"], table["value"])) == {"classifier_accuracy": 1, "nearest_accuracy": 1}
    assert (
        set(table["arm"]) == {keys.FLOOR} and set(table["dataset"]) == {"stripes"} and set(table["task"]) == {"digits"}
    )
