import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, wilcoxon

from magan import keys
from magan.errors import InputError
from magan.metrics import summary
from magan.metrics.summary import GAINS, summarise, with_gains

RNG = np.random.default_rng(0)


def scores(metric, values, arm="magan_alone", method="magan", seeds=None, feature="CD4"):
    seeds = range(len(values)) if seeds is None else seeds
    rows = [("heldout", "d", method, arm, s, "all", feature, metric, v) for s, v in zip(seeds, values)]
    return pd.DataFrame(rows, columns=list(keys.METRICS))


def baseline(metric, value, method, feature="CD4"):
    return scores(metric, [value], arm=keys.BASELINE, method=method, seeds=[""], feature=feature)


def one(table, arm="magan_alone", **where):
    chosen = table[(table["arm"] == arm) & (table["metric"] != keys.FAILED)]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    (row,) = chosen.to_dict("records")
    return row


def test_mean_and_sd_are_over_seeds_and_the_consensus_stands_apart():
    row = one(
        summarise(pd.concat([scores("pearson", [0.5, 0.7, 0.9]), scores("pearson", [0.95], seeds=["consensus"])]))
    )
    assert row["n_seeds"] == 3
    np.testing.assert_allclose([row["mean"], row["sd"], row["consensus"]], [0.7, 0.2, 0.95])
    assert 0.5 <= row["low"] < 0.7 < row["high"] <= 0.9


def test_the_interval_of_equal_seeds_is_their_value():
    row = one(summarise(scores("rmse", [0.1] * 7)))
    assert row["low"] == row["high"] == 0.1


def test_the_interval_of_many_seeds_is_that_of_the_normal_approximation():
    values = RNG.normal(size=(1, 200))
    low, high = summary.bootstrap(values)
    half = 1.96 * values.std() / np.sqrt(200)
    np.testing.assert_allclose([low[0], high[0]], [values.mean() - half, values.mean() + half], atol=0.01)


def test_the_interval_equals_a_loop_over_the_same_resamples():
    values = RNG.normal(size=(1, 5))
    counts = np.random.default_rng(0).multinomial(5, np.full(5, 0.2), size=summary.RESAMPLES)
    means = [np.repeat(values[0], c).mean() for c in counts]
    np.testing.assert_allclose(np.ravel(summary.bootstrap(values)), np.percentile(means, [2.5, 97.5]))


def test_shares_of_seeds_get_the_binomial_interval():
    row = one(summarise(scores("right", [1, 1, 1, 0], feature="all")))
    np.testing.assert_allclose((row["low"], row["high"]), summary.binomial_interval(3, 4))


@pytest.mark.parametrize("k, n", [(0, 20), (7, 20), (20, 20), (1, 1)])
def test_the_binomial_interval_is_wilsons(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(summary.binomial_interval(k, n), (expected.low, expected.high), atol=1e-12)


def test_the_binomial_interval_of_nothing_is_undefined():
    assert np.isnan(summary.binomial_interval(0, 0)).all()


def test_nan_scores_are_left_out_and_the_count_shows_it():
    row = one(summarise(scores("pearson", [0.5, np.nan, 0.7])))
    assert row["n_seeds"] == 2 and row["mean"] == pytest.approx(0.6)
    row = one(summarise(scores("pearson", [np.nan, np.nan])))
    assert row["n_seeds"] == 0 and np.isnan([row["mean"], row["sd"], row["low"], row["p_value"]]).all()


def test_failed_seeds_are_counted_beside_every_score_of_their_arm():
    failed = scores(keys.FAILED, [0, 0, 1], feature="all")
    table = summarise(pd.concat([scores("pearson", [0.5, 0.7]), failed, baseline("pearson", 0.6, "knn")]))
    assert one(table)["n_failed"] == 1 and one(table)["n_seeds"] == 2
    assert one(table, arm=keys.BASELINE)["n_failed"] == 0


def test_an_arm_that_failed_wholly_stays_in_the_summary():
    table = summarise(pd.concat([scores(keys.FAILED, [1, 1], feature="all"), baseline("pearson", 0.6, "knn")]))
    row = table[table["arm"] == "magan_alone"].iloc[0]
    assert (row["metric"], row["n_failed"], row["mean"]) == (keys.FAILED, 2, 1)


@pytest.mark.parametrize(
    "metric, values, best",
    [
        ("pearson", (0.8, 0.9), "b"),
        ("rmse", (0.8, 0.9), "a"),
        ("variance_ratio", (0.8, 1.1), "b"),
        ("rmse", (1, 1), "a"),
    ],
)
def test_the_best_baseline_is_best_in_the_direction_of_the_metric(metric, values, best):
    table = pd.concat([baseline(metric, values[1], "b"), baseline(metric, values[0], "a"), scores(metric, [0.5, 0.6])])
    row = one(summarise(table))
    assert row["best_baseline"] == best and row["best_baseline_value"] == dict(zip("ab", values))[best]


def test_the_floor_a_control_and_a_baseline_without_a_value_are_no_competitors():
    floor = scores("emd", [0.0], arm=keys.FLOOR, method=keys.FLOOR, seeds=[""])
    control = scores("emd", [0.01], arm=keys.CONTROL, method="perfect", seeds=[""])
    baselines = [baseline("emd", np.nan, "a"), baseline("emd", 0.3, "b")]
    table = pd.concat([floor, control, *baselines, scores("emd", [0.1, 0.2])])
    assert one(summarise(table))["best_baseline"] == "b"


def test_p_is_scipys_signed_rank_test_against_the_best_baseline():
    values = RNG.normal(0.1, 0.2, size=12)
    row = one(summarise(pd.concat([scores("pearson", values), baseline("pearson", 0.0, "knn")])))
    assert row["p_value"] == wilcoxon(values).pvalue


def test_seeds_equal_to_the_baseline_have_p_one_and_a_single_seed_has_none():
    knn = baseline("pearson", 0.6, "knn")
    assert one(summarise(pd.concat([scores("pearson", [0.6] * 5), knn])))["p_value"] == 1
    assert np.isnan(one(summarise(pd.concat([scores("pearson", [0.7]), knn])))["p_value"])
    assert np.isnan(one(summarise(scores("pearson", [0.7, 0.8])))["p_value"])


def test_a_variance_ratio_is_tested_by_its_distance_from_one():
    table = pd.concat([scores("variance_ratio", [0.5] * 6), baseline("variance_ratio", 1.5, "knn")])
    assert one(summarise(table))["p_value"] == 1
    table = pd.concat([scores("variance_ratio", [0.5] * 6), baseline("variance_ratio", 1.25, "knn")])
    assert one(summarise(table))["p_value"] == wilcoxon([0.25] * 6).pvalue


def test_a_baseline_has_one_value_and_no_interval():
    row = one(summarise(baseline("pearson", 0.6, "knn")), arm=keys.BASELINE)
    assert (row["n_seeds"], row["mean"]) == (1, 0.6)
    assert np.isnan([row["sd"], row["low"], row["high"], row["p_value"]]).all()


def test_the_order_of_rows_does_not_change_a_digit():
    table = pd.concat(
        [scores("pearson", RNG.normal(size=30), feature=f"m{i}") for i in range(6)]
        + [scores("pearson", RNG.normal(size=12), seeds=range(5, 17), feature="few")]
        + [baseline("pearson", 0.1, "knn", feature=f"m{i}") for i in range(6)]
    )
    shuffled = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(summarise(table), summarise(shuffled), check_exact=True)


def test_a_table_read_from_disk_gives_the_same_summary(tmp_path):
    table = pd.concat(
        [scores("emd", [0.1, 0.2, 0.4]), scores("emd", [0.1], seeds=["consensus"]), baseline("emd", 0.3, "zscore")]
    )
    for part in (table, table[table["seed"] != "consensus"]):  # integers and nothing are read as floats
        part.to_csv(tmp_path / "metrics.tsv", sep="\t", index=False)
        read = pd.read_csv(tmp_path / "metrics.tsv", sep="\t")
        pd.testing.assert_frame_equal(summarise(read), summarise(part), check_exact=True)


def test_a_seed_scored_twice_is_refused():
    with pytest.raises(InputError, match="seed '0' of 'magan_alone' has two values of 'emd'"):
        summarise(scores("emd", [0.1, 0.2], seeds=[0, 0]))


def test_a_metric_without_a_direction_is_refused():
    with pytest.raises(InputError, match="metric 'beauty' has no direction"):
        summarise(scores("beauty", [0.1]))


def test_an_empty_table_has_an_empty_summary():
    table = summarise(pd.DataFrame(columns=list(keys.METRICS)))
    assert list(table.columns) == summary.COLUMNS and not len(table)


def test_gains_stand_beside_the_rows_they_are_of():
    table = pd.concat([scores("pearson", [0.5, 0.7]), scores("rmse", [0.5, 0.7]), baseline("pearson", 0.6, "knn")])
    summary = summarise(table)
    row = summary[(summary["metric"] == "pearson") & (summary["arm"] != keys.BASELINE)].iloc[0]
    about = [row["task"], row["dataset"], row["method"], row["arm"]]
    gains = [
        (*about, seed, row["feature"], "knn", *values)
        for seed, values in (("", (0.1, 0.0, 0.2)), ("consensus", (0.3, 0.2, 0.4)))
    ]
    found = with_gains(summary, [pd.DataFrame(gains, columns=list(GAINS))])
    mine = (found["metric"] == "pearson") & (found["arm"] == row["arm"])
    assert found.loc[mine, ["gain", "gain_low", "gain_high"]].to_numpy().tolist() == [[0.1, 0.0, 0.2]]
    assert found.loc[mine, "consensus_gain_low"].tolist() == [0.2] and found.loc[~mine, "gain"].isna().all()
    assert with_gains(summary, [])["gain_low"].isna().all()
