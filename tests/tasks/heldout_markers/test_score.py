import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.metrics.markers import MARKERS
from magan.tasks.heldout_markers import score as heldout_markers_score

VALUES = np.random.default_rng(0).normal(2, 1, size=(30, 2)).astype(np.float32)


@pytest.fixture
def truth():
    x = AnnData(VALUES, obs=pd.DataFrame(index=[f"c{i}" for i in range(30)]), var=pd.DataFrame(index=["CD4", "CD8"]))
    x.layers[keys.PREPROCESSED] = VALUES
    return x


@pytest.fixture
def mapped(truth):
    x = truth[::-1].copy()
    x.layers.clear()
    x.layers["seed_0"], x.layers["seed_1"] = x.X + np.float32(1), x.X * 2
    x.layers["consensus"] = (x.layers["seed_0"] + x.layers["seed_1"]) / 2
    x.uns |= {"task": "heldout", "dataset": "d", "method": "magan", "arm": "alone", "error": ""}
    x.uns |= {"seeds": np.array([0, 1, 2]), "failed": np.array([2])}
    return x


def test_every_metric_is_scored_for_every_map_marker_and_their_mean(truth, mapped):
    table = heldout_markers_score.score(truth, mapped)
    scored = table[table["metric"] != keys.FAILED]
    assert len(scored) == len(MARKERS) * 3 * 3 and set(table["group"]) == {"all"}
    assert not scored.duplicated(["seed", "feature", "metric"]).any()
    values = scored.set_index(["metric", "seed", "feature"])["value"]
    for feature in ("CD4", "CD8", "all"):
        assert values["pearson", 1, feature] == pytest.approx(1)
        assert values["wasserstein", 0, feature] == pytest.approx(1, abs=1e-6)
        assert values["variance_ratio", 1, feature] == pytest.approx(4, rel=1e-5)
        assert values["rmse", "consensus", feature] > 0


def test_failed_seeds_have_a_row_and_nothing_else(truth, mapped):
    table = heldout_markers_score.score(truth, mapped)
    assert table[table["seed"] == 2][["metric", "value"]].to_numpy().tolist() == [["failed", 1]]
    assert list(table[table["metric"] == "failed"]["value"]) == [0, 0, 1]


def test_cells_are_matched_by_name_not_by_place(truth, mapped):
    shuffled = truth[np.random.default_rng(1).permutation(30), ::-1].copy()
    pd.testing.assert_frame_equal(
        heldout_markers_score.score(truth, mapped), heldout_markers_score.score(shuffled, mapped)
    )


def test_a_constant_marker_is_nan_and_does_not_spoil_the_mean(truth, mapped):
    truth.layers[keys.PREPROCESSED] = np.column_stack([VALUES[:, 0], np.full(30, 0.1, dtype=np.float32)])
    values = heldout_markers_score.score(truth, mapped).set_index(["metric", "seed", "feature"])["value"]
    assert np.isnan(values["pearson", 0, "CD8"]) and values["pearson", 0, "all"] == values["pearson", 0, "CD4"]


def test_draws_and_intervals_are_scored_once_for_all_seeds(truth, mapped):
    plain = heldout_markers_score.score(truth, mapped)
    assert not set(plain["metric"]) & {"coverage", "interval_width", "sampled_wasserstein"}
    known = truth[mapped.obs_names].layers[keys.PREPROCESSED]
    mapped.layers[keys.SAMPLED] = known[::-1] + np.float32(0.5)
    mapped.layers[keys.LOW], mapped.layers[keys.HIGH] = known - np.float32(1), known + np.float32(2)
    mapped.layers[keys.HIGH][:6, 0] = mapped.layers[keys.LOW][:6, 0]
    table = heldout_markers_score.score(truth, mapped)
    pd.testing.assert_frame_equal(table[table["metric"].isin(plain["metric"])].reset_index(drop=True), plain)
    values = table[table["seed"] == ""].set_index(["metric", "feature"])["value"]
    assert values["coverage", "CD4"] == pytest.approx(0.8) and values["coverage", "all"] == pytest.approx(0.9)
    assert values["interval_width", "CD8"] == pytest.approx(3, rel=1e-5)
    assert values["sampled_wasserstein", "all"] == pytest.approx(0.5, rel=1e-5)
    assert values["sampled_variance_ratio", "all"] == pytest.approx(1, rel=1e-5)


def test_the_only_values_of_a_baseline_stand_for_its_draws(truth, mapped):
    mapped = AnnData(mapped.X * 2, obs=mapped.obs, var=mapped.var, uns=dict(mapped.uns))
    mapped.layers[keys.BASELINE] = mapped.X
    mapped.uns |= {"seeds": np.array([], int), "failed": np.array([], int)}
    values = heldout_markers_score.score(truth, mapped).set_index(["metric", "feature"])["value"]
    for name in ("wasserstein", "variance_ratio"):
        assert values[f"sampled_{name}", "CD4"] == values[name, "CD4"]


def test_the_ceiling_learns_from_the_truth_and_from_markers_that_no_other_panel_has():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(900, 3)).astype(np.float32)
    # CD4 is known, but for noise, from CD8, which is shared, and CD27, which is not: r = sqrt(2 / 2.25) = 0.94.
    values[:, 0] = values[:, 1] + values[:, 2] + rng.normal(0, 0.5, size=900)
    known = values[:300, :2]
    x = AnnData(known, layers={keys.PREPROCESSED: known})
    x.var_names = ["CD4", "CD8"]
    x.uns[keys.PAIRED] = {"markers": np.array(["CD4", "CD8", "CD27"]), "train": values[300:], "query": values[:300]}
    x.uns["dataset"] = "d"
    table = heldout_markers_score.ceiling(x)
    assert set(zip(table["method"], table["arm"], table["seed"])) == {("ceiling", "ceiling", "")}
    scores = table[table["metric"] == "pearson"].set_index("feature")["value"]
    assert 0.87 < scores["CD4"] < 0.96 and np.corrcoef(known.T)[0, 1] < 0.75


def test_without_the_truth_of_panel_1_there_is_no_ceiling(truth):
    assert heldout_markers_score.ceiling(truth).empty and list(heldout_markers_score.ceiling(truth).columns) == list(
        keys.METRICS
    )
