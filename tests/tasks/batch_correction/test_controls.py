import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.tasks.batch_correction import controls as batch_correction_controls
from magan.tasks.batch_correction.controls import perfect
from magan.tasks.batch_correction.score import score

NAMES = list(batch_correction_controls.CONTROLS)
CENTRES = np.random.default_rng(5).normal(3, 1.5, size=(3, 6))  # of three populations


def cells(n=600):
    """Two batches that differ by a shift, an effect of the group in both, and unequal populations."""
    random = np.random.default_rng(0)
    parts, labels, groups = [], [], []
    for shift, shares in ((0.0, [0.5, 0.3, 0.2]), (0.7, [0.4, 0.35, 0.25])):
        label, group = random.choice(3, n, p=shares), random.choice(2, n)
        parts.append(
            CENTRES[label] + random.normal(0, 0.4, size=(n, 6)) + shift + 0.4 * group[:, None] * (np.arange(6) < 2)
        )
        labels += list(np.array(["T", "B", "NK"])[label])
        groups += list(np.array(["case", "control"])[group])
    obs = {keys.BATCH: np.repeat(["1", "2"], n), keys.CELL_TYPE: labels, keys.GROUP: groups}
    x = AnnData(np.concatenate(parts).astype(np.float32), obs=pd.DataFrame(obs, index=np.arange(2 * n).astype(str)))
    x.layers[keys.PREPROCESSED] = x.X
    x.uns |= {keys.REFERENCE: "1", keys.DATASET: "d"}
    return x


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    table = batch_correction_controls.controls(cells())
    assert set(table["arm"]) == {keys.CONTROL} and set(table["seed"]) == {""} and set(table["dataset"]) == {"d"}
    table = table[(table["feature"] == keys.ALL) & (table["group"] == keys.ALL)]
    return table.pivot(index="metric", columns="method", values="value")


def test_the_controls_are_those_of_open_problems(scores):
    assert sorted(scores.columns) == sorted(NAMES)


@pytest.mark.parametrize(("metric", "sign"), [("emd", 1), ("mmd", 1), ("batch_auc", 1), ("batch_r2", 1)])
def test_of_what_keeps_populations_nothing_done_mixes_worst_and_the_perfect_map_best(scores, metric, sign):
    row = sign * scores.loc[metric]
    assert row["perfect"] < row["shuffled_within_population"] < row["no_correction"]
    assert row["perfect"] == row.min()


def test_shuffling_within_a_batch_mixes_no_better_than_nothing(scores):
    for metric in ("emd", "mmd"):
        np.testing.assert_allclose(scores.loc[metric, "shuffled_within_batch"], scores.loc[metric, "no_correction"])


def test_the_perfect_map_removes_most_of_the_batch_effect(scores):
    assert scores.loc["emd_reduction", "perfect"] > 0.8
    assert scores.loc["batch_auc", "perfect"] < 0.58 < 0.8 < scores.loc["batch_auc", "no_correction"]
    np.testing.assert_allclose(scores.loc["population_variance", "perfect"], 1, atol=0.15)
    assert scores.loc["label_transfer", "perfect"] > 0.97


@pytest.mark.parametrize("name", ["shuffled_within_batch", "shuffled_globally"])
def test_shuffles_over_populations_fail_every_score_of_biology(scores, name):
    kept = scores["perfect"]
    assert scores.loc["label_transfer", name] < 0.5 < kept["label_transfer"]
    assert scores.loc["population_variance", name] > 1.8 > kept["population_variance"]
    assert abs(scores.loc["group_effect", name]) < 0.3 < kept["group_effect"]
    assert scores.loc["batch_r2", name] > 3 * kept["batch_r2"]
    assert abs(scores.loc["rank_kept", name]) < 0.2
    assert scores.loc["emd_reduction", name] < 0


def test_the_shuffle_within_populations_keeps_them_and_loses_the_groups(scores):
    assert scores.loc["label_transfer", "shuffled_within_population"] > 0.97
    assert scores.loc["group_effect", "shuffled_within_population"] < 0.3


def test_nothing_done_keeps_everything(scores):
    assert scores.loc[["rank_kept", "group_effect", "consistent_peaks"], "no_correction"].tolist() == [1, 1, 1]
    assert scores.loc[["mad", "emd_reduction"], "no_correction"].tolist() == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_no_control_lends_a_cell_that_it_is_compared_with_and_none_twice(name):
    truth = cells(n=100)
    query, lent = np.arange(100, 200), np.arange(0, 50)
    x = batch_correction_controls.CONTROLS[name](truth, query, lent, name)
    values = {tuple(row): i for i, row in enumerate(truth.layers[keys.PREPROCESSED])}
    partners = [values[tuple(row)] for row in x.X]
    assert len(set(partners)) == len(partners) and not set(partners) & set(range(50, 100))
    allowed = {"no_correction": set(query), "shuffled_within_batch": set(query), "perfect": set(lent)}
    assert set(partners) <= allowed.get(name, set(query) | set(lent))
    if name in ("perfect", "shuffled_within_population"):
        own = truth.obs.loc[x.obs_names, keys.CELL_TYPE].to_numpy()
        np.testing.assert_array_equal(own, truth.obs[keys.CELL_TYPE].to_numpy()[partners])
    if name == "perfect":
        own = truth.obs.loc[x.obs_names, keys.GROUP].to_numpy()
        np.testing.assert_array_equal(own, truth.obs[keys.GROUP].to_numpy()[partners])


def test_the_half_that_lends_values_is_not_scored_against(monkeypatch):
    truth, lent, seen = cells(n=100), [], []
    monkeypatch.setitem(
        batch_correction_controls.CONTROLS,
        "perfect",
        lambda t, q, rows, name: lent.extend(rows) or perfect(t, q, rows, name),
    )
    monkeypatch.setattr(
        batch_correction_controls.batch_correction_score,
        "score",
        lambda answers, x: seen.append(answers) or score(answers, x),
    )
    batch_correction_controls.controls(truth)
    assert len(lent) == 50 and len(seen) == len(NAMES)
    for answers in seen:
        assert not set(answers.obs_names) & set(truth.obs_names[lent]) and answers.n_obs == 150


def test_without_names_of_populations_or_groups_there_are_controls_and_without_reference_none():
    truth = cells(n=100)
    bare = truth.copy()
    bare.obs = bare.obs[[keys.BATCH]]
    assert set(batch_correction_controls.controls(bare)["method"]) == set(NAMES)
    assert not len(batch_correction_controls.controls(truth[(truth.obs[keys.BATCH] == "2").to_numpy()].copy()))
