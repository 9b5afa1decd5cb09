import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.evaluation import heldout
from magan.evaluation.markers import MARKERS

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
    table = heldout.score(truth, mapped)
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
    table = heldout.score(truth, mapped)
    assert table[table["seed"] == 2][["metric", "value"]].to_numpy().tolist() == [["failed", 1]]
    assert list(table[table["metric"] == "failed"]["value"]) == [0, 0, 1]


def test_cells_are_matched_by_name_not_by_place(truth, mapped):
    shuffled = truth[np.random.default_rng(1).permutation(30), ::-1].copy()
    pd.testing.assert_frame_equal(heldout.score(truth, mapped), heldout.score(shuffled, mapped))


def test_a_constant_marker_is_nan_and_does_not_spoil_the_mean(truth, mapped):
    truth.layers[keys.PREPROCESSED] = np.column_stack([VALUES[:, 0], np.full(30, 0.1, dtype=np.float32)])
    values = heldout.score(truth, mapped).set_index(["metric", "seed", "feature"])["value"]
    assert np.isnan(values["pearson", 0, "CD8"]) and values["pearson", 0, "all"] == values["pearson", 0, "CD4"]


def test_there_is_no_floor(truth):
    assert heldout.floor(truth).empty and list(heldout.floor(truth).columns) == list(keys.METRICS)
