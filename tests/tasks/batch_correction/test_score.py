import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.tasks.batch_correction import score as batch_correction_score

MARKERS = ["CD3", "CD4"]
SHIFTS = {"1": 0.0, "2": 1.0, "3": 3.0}  # of each batch, 1 is the reference


def cells(names=("1", "2"), n=60, cell_type=("T", "B")):
    """The same cells measured in every batch, each with its own shift."""
    base = np.random.default_rng(0).normal(3, 0.5, size=(n, 2))
    x = AnnData(
        np.concatenate([base + SHIFTS[name] for name in names]).astype(np.float32),
        obs=pd.DataFrame(
            {keys.BATCH: np.repeat(names, n), keys.CELL_TYPE: np.resize(cell_type, n * len(names))},
            index=[f"{name}_{i}" for name in names for i in range(n)],
        ),
        var=pd.DataFrame(index=MARKERS),
    )
    x.layers[keys.PREPROCESSED] = x.X.copy()
    x.uns |= {keys.REFERENCE: "1", keys.DATASET: "d"}
    return x


def mapped(truth, **layers):
    """Identity as seed 0 and the perfect map as seed 1, unless given."""
    x = truth[truth.obs[keys.BATCH].astype(str) != "1"].copy()
    shift = x.obs[keys.BATCH].astype(str).map(SHIFTS).to_numpy(dtype=np.float32)[:, None]
    x.layers.clear()
    layers = layers or {"seed_0": x.X, "seed_1": x.X - shift}
    for name, values in layers.items():
        x.layers[name] = values
    seeds = [int(name[5:]) for name in layers]
    x.uns |= {"task": "batch", "method": "magan", "arm": "alone", "error": ""}
    x.uns |= {"seeds": np.array(seeds), "failed": np.array([], dtype=int)}
    return x


def scores(table):
    assert not table.duplicated(["seed", "group", "feature", "metric"]).any()
    return table.set_index(["metric", "group", "feature", "seed"])["value"].sort_index()


def test_the_perfect_map_beats_the_identity_on_every_metric_of_the_batch_effect():
    truth = cells()
    values = scores(batch_correction_score.score(truth, mapped(truth)))
    for group in ("all", "T", "B"):
        for feature in (*MARKERS, "all"):
            np.testing.assert_allclose(values["emd", group, feature], [1, 0], atol=1e-5)
    np.testing.assert_allclose(values["emd_reduction", "all", "all"], [0, 1], atol=0.05)
    np.testing.assert_allclose(values["mad", "all", "all"], [0, 0], atol=1e-5)
    np.testing.assert_allclose(values["rank_kept", "all", "CD3"], [1, 1])
    assert values["mmd", "all", "all", 0] > 0.1 > values["mmd", "all", "all", 1]
    assert values["batch_auc", "all", "all", 0] > 0.7 > values["batch_auc", "all", "all", 1]
    assert values["batch_r2", "all", "all", 0] > 0.3
    np.testing.assert_allclose(values["batch_r2", "all", "CD4", 1], 0, atol=1e-9)
    np.testing.assert_allclose(values["population_variance", "all", "CD4"], [1, 1], rtol=1e-5)
    for group in ("all", "T", "B"):
        np.testing.assert_allclose(values["consistent_peaks", group, "all"], [1, 1])


def test_the_effect_of_a_group_is_scored_where_a_batch_holds_two():
    truth = cells()
    assert np.isnan(scores(batch_correction_score.score(truth, mapped(truth)))["group_effect", "all", "all"]).all()
    for name in ("1", "2"):
        own = (truth.obs[keys.BATCH] == name).to_numpy()
        truth.obs.loc[own, keys.GROUP] = np.where(truth.X[own, 0] > np.median(truth.X[own, 0]), "case", "control")
    turned = mapped(truth, seed_0=mapped(truth).X, seed_1=-mapped(truth).X)
    np.testing.assert_allclose(
        scores(batch_correction_score.score(truth, turned))["group_effect", "all", "all"], [1, -1], atol=1e-5
    )


def test_several_batches_score_their_mean():
    truth = cells(names=("1", "2", "3"))
    values = scores(batch_correction_score.score(truth, mapped(truth)))
    np.testing.assert_allclose(values["emd", "all", "CD3"], [(1 + 3) / 2, 0], atol=1e-5)


def test_batches_may_be_numbers_on_either_side():
    truth = cells()
    expected = batch_correction_score.score(truth, mapped(truth))
    numbered = truth.copy()
    numbered.obs[keys.BATCH] = numbered.obs[keys.BATCH].astype(int)
    pd.testing.assert_frame_equal(batch_correction_score.score(numbered, mapped(numbered)), expected)
    truth.uns[keys.REFERENCE] = 1
    pd.testing.assert_frame_equal(batch_correction_score.score(truth, mapped(truth)), expected)


def test_populations_with_few_cells_and_cells_without_a_name_form_no_group():
    truth = cells(cell_type=["T"] * 5 + ["unknown"] * 3 + ["B"])  # 6 or 7 of B on each side
    table = batch_correction_score.score(truth, mapped(truth))
    assert set(table["group"]) == {"all", "T"}


@pytest.mark.filterwarnings("error")
def test_without_cell_types_all_cells_are_one_population():
    truth = cells()
    one = scores(batch_correction_score.score(truth, mapped(truth)))
    del truth.obs[keys.CELL_TYPE]
    values = scores(batch_correction_score.score(truth, mapped(truth)))
    assert set(values.index.get_level_values("group")) == {"all"}
    assert np.isnan(values["label_transfer", "all", "all"]).all()
    np.testing.assert_allclose(values["emd_reduction", "all", "all", 1], 1, atol=0.05)
    pd.testing.assert_series_equal(values["emd", "all"], one["emd", "all"])


def test_a_known_truth_is_scored_over_the_cells_that_have_one():
    truth = cells()
    known = truth.X - np.where(truth.obs[keys.BATCH] == "2", 1, 0)[:, None].astype(np.float32)
    known[(truth.obs[keys.BATCH] == "1").to_numpy()] = np.nan
    known[-9:] = np.nan
    truth.layers[keys.TRUTH] = known
    values = scores(batch_correction_score.score(truth, mapped(truth)))
    np.testing.assert_allclose(values["wasserstein", "all", "CD4"], [1, 0], atol=1e-5)
    np.testing.assert_allclose(values["wasserstein", "T", "CD4"], [1, 0], atol=1e-5)
    np.testing.assert_allclose(values["pearson", "all", "CD4"], [1, 1])


def test_no_truth_no_paired_score():
    truth = cells()
    assert not {"pearson", "wasserstein"} & set(batch_correction_score.score(truth, mapped(truth))["metric"])


def test_a_map_that_is_nan_is_never_scored_as_good():
    truth = cells()
    broken = mapped(truth)
    broken.layers["seed_1"] = np.full_like(broken.X, np.nan)
    table = batch_correction_score.score(truth, broken)
    assert table[(table["seed"] == 1) & (table["metric"] != keys.FAILED)]["value"].isna().all()


def test_the_floor_is_small_and_needs_no_map():
    truth = cells(n=400)
    table = batch_correction_score.floor(truth)
    assert set(table["method"]) == set(table["arm"]) == {keys.FLOOR} and set(table["seed"]) == {""}
    assert set(table["dataset"]) == {"d"}
    values = table.set_index(["metric", "group", "feature"])["value"]
    assert 0 < values["emd", "all", "all"] < 0.12
    assert 0 < values["mmd", "all", "all"] < 0.02
    assert 0.35 < values["batch_auc", "all", "all"] < 0.65
    assert ("emd", "T", "CD3") in values.index and ("label_transfer", "all", "all") in values.index


def test_the_floor_does_not_see_the_other_batches():
    truth = cells()
    other = truth.copy()
    other.layers[keys.PREPROCESSED][(truth.obs[keys.BATCH] == "2").to_numpy()] += 100
    pd.testing.assert_frame_equal(batch_correction_score.floor(truth), batch_correction_score.floor(other))


@pytest.mark.filterwarnings("error")
def test_a_reference_without_held_out_cells_is_nan_not_an_error():
    truth = cells()
    alone = truth[truth.obs[keys.BATCH] == "2"].copy()
    values = scores(batch_correction_score.score(alone, mapped(truth)))
    assert np.isnan(values["emd", "all", "all"]).all() and np.isnan(values["mmd", "all", "all"]).all()
    np.testing.assert_allclose(values["rank_kept", "all", "all"], 1)
