import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.rotated_digits import score as rotated_digits_score


@pytest.fixture
def truth(stripes, looked):
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
    return looked(x)


@pytest.fixture
def mapped(truth, looked):
    x = truth[truth.obs[keys.DOMAIN] == "1"].copy()
    x.layers.clear()
    x.layers["seed_0"], x.layers["seed_1"] = x.X, x.X[:, ::-1]
    x.layers["back_0"] = x.X
    x.layers["consensus"] = (x.layers["seed_0"] + x.layers["seed_1"]) / 2
    x.uns |= {"task": "digits", "method": "magan", "arm": "alone", "error": ""}
    x.uns |= {"seeds": np.array([0, 1]), "failed": np.array([], dtype=int)}
    return looked(x)


def test_a_faithful_seed_is_right_and_a_mirrored_one_flipped(truth, mapped):
    table = rotated_digits_score.score(truth, mapped)
    assert not table.duplicated(["seed", "group", "metric"]).any()
    values = table.set_index(["metric", "group", "seed"])["value"]
    for group in ("all", "3", "7"):
        assert values["identity_accuracy", group, 0] == values["nearest_accuracy", group, 0] == 1
        assert values["identity_accuracy", group, 1] == values["nearest_accuracy", group, 1] == 0
    assert [values[m, "all", 0] for m in ("right", "flipped", "mixed")] == [1, 0, 0]
    assert [values[m, "all", 1] for m in ("right", "flipped", "mixed")] == [0, 1, 0]
    assert values["permuted_accuracy", "all", 0] == values["permuted_accuracy", "all", 1] == 1
    assert values["pixel_rmse", "all", 0] == 0 < values["pixel_rmse", "all", 1]
    assert values["travel_cosine", "all", 0] == pytest.approx(1)
    assert values["travel_cosine", "all", 1] < values["travel_cosine", "all", "consensus"] < 0.9
    assert values["frechet", "all", 0] < 0.1 < values["frechet", "all", "consensus"]
    assert values["sliced_wasserstein", "all", 0] < values["sliced_wasserstein", "all", "consensus"]


def test_identity_is_what_the_classifier_says_and_not_what_pixels_say(truth, mapped):
    mapped.obsm["probabilities_seed_0"] = mapped.obsm["probabilities_seed_0"][:, ::-1]
    values = rotated_digits_score.score(truth, mapped).set_index(["metric", "group", "seed"])["value"]
    assert values["identity_accuracy", "all", 0] == 0 and values["nearest_accuracy", "all", 0] == 1


def test_images_that_no_classifier_saw_are_refused(truth, mapped):
    mapped.obsm.clear()
    with pytest.raises(InputError, match="no classifier has seen the images"):
        rotated_digits_score.score(truth, mapped)


def test_a_broken_seed_has_no_outcome(truth, mapped, looked):
    mapped.layers["seed_1"] = np.full_like(mapped.X, np.nan)
    table = rotated_digits_score.score(truth, looked(mapped))
    assert table[(table["seed"] == 1) & (table["metric"] != keys.FAILED)]["value"].isna().all()


def test_the_nearest_is_never_a_test_image(truth, mapped):
    other = truth.copy()
    test = ((other.obs[keys.DOMAIN] == "2") & (other.obs[keys.SPLIT] == "test")).to_numpy()
    other.X[test] = truth.X[:40, ::-1]  # lies that lie where the mirrored maps do
    tables = [rotated_digits_score.score(x, mapped) for x in (truth, other)]
    judged = [table[table["metric"].str.contains("accuracy|right|flipped|mixed")] for table in tables]
    pd.testing.assert_frame_equal(*judged)


def test_the_floor_is_how_well_real_images_do(truth):
    table = rotated_digits_score.floor(truth)
    values = dict(zip(table["metric"], table["value"]))
    assert values["classifier_accuracy"] == values["nearest_accuracy"] == 1
    assert 0 <= values["frechet"] < 0.1 and 0 < values["sliced_wasserstein"] < 0.1
    assert (
        set(table["arm"]) == {keys.FLOOR} and set(table["dataset"]) == {"stripes"} and set(table["task"]) == {"digits"}
    )
