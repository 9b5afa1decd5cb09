import numpy as np
import pandas as pd
import pytest

from magan.batch_maps import CANDIDATES, MAPS
from magan.batch_maps.choose import _single, _splits, choose, decide
from magan.batch_maps.criterion import criterion, earth_movers, mmd, spearman
from magan.batch_maps.samples import SampleTest, sample_test, separation
from magan.errors import InputError

MEANS = np.array([[0, 0, 4, 2], [4, 0, 0, 2], [4, 4, 2, 0]], float)
NO_TEST = None
PASSED = SampleTest(0.001, 3.0, 999)


def cells(n, seed, shares=(0.4, 0.35, 0.25), shift=0.0):
    random = np.random.default_rng(seed)
    return MEANS[random.choice(3, n, p=shares)] + random.normal(0, 0.4, (n, 4)) + shift


def table(**scores):
    return pd.DataFrame(scores)


def test_the_most_cautious_of_those_as_good_as_the_best_is_taken():
    wide = table(identity=[1.0, 1.1, 1.0], zscore=[0.5, 0.5, 0.5], average=[0.3, 0.305, 0.3], flow=[0.299, 0.3, 0.301])
    assert decide(wide, NO_TEST)[0] == "average"
    wide["average"] += 0.02
    assert decide(wide, NO_TEST)[0] == "flow"


def test_a_large_noise_does_not_take_a_map_that_is_far_worse():
    wide = table(identity=[1.0, 1.1, 1.0], zscore=[0.2, 0.9, 0.3], quantile=[0.3, 0.3, 0.3])
    assert decide(wide, NO_TEST)[0] == "quantile"


def test_identity_wins_without_a_gain_beyond_doubt():
    assert decide(table(identity=[1.0, 1.0, 1.0], zscore=[0.95, 0.93, 0.94]), NO_TEST)[0] == "identity"
    assert decide(table(identity=[1.0, 1.0, 1.0], zscore=[0.4, 1.2, 0.9]), NO_TEST)[0] == "identity"
    assert decide(table(identity=[1.0, 1.0, 1.0], zscore=[0.5, 0.6, 0.55]), NO_TEST)[0] == "zscore"


def test_identity_wins_where_samples_within_a_batch_differ_as_much():
    wide = table(identity=[1.0, 1.0, 1.0], zscore=[0.5, 0.5, 0.5])
    name, reason = decide(wide, SampleTest(0.3, 0.7, 999))
    assert name == "identity" and "samples within a batch" in reason
    assert decide(wide, PASSED)[0] == "zscore"


def test_few_ways_to_deal_need_a_larger_excess():
    assert not SampleTest(1 / 3, 1.9, 6).differs and SampleTest(1 / 3, 2.1, 6).differs
    assert SampleTest(0.01, 1.0, 999).differs and not SampleTest(0.02, 1.0, 999).differs


def test_separation_is_the_log_of_between_over_within():
    features = np.array([[0.0], [2.0], [4.0], [6.0]])
    np.testing.assert_allclose(separation(features, np.array([[True, True, False, False]])), np.log1p(16 / 4))


def donors(n, seed, shift=0.0):
    random = np.random.default_rng(seed)
    parts = [cells(120, random.integers(1 << 30), random.dirichlet([8, 7, 5]), shift + random.normal(0, 0.2, 4))
             for _ in range(n)]  # fmt: skip
    return np.concatenate(parts), np.repeat([f"{seed}_{i}" for i in range(n)], 120)


def test_samples_tell_donors_from_a_batch_effect():
    x1, s1 = donors(6, 1)
    x2, s2 = donors(6, 2)
    assert not sample_test(x1, x2, s1, s2).differs
    assert sample_test(x1 + 0.8, x2, s1, s2).differs
    assert sample_test(x1, x2, s1, np.repeat("1_0", len(x2))) is None  # a control in both batches
    assert sample_test(x1, x2, np.repeat("a", len(x1)), s2) is None


def test_choose_corrects_a_shift_and_gives_the_map_of_all_cells():
    x1, x2 = cells(600, 1, shift=0.7), cells(600, 2)
    choice = choose(x1, x2, seed=0)
    assert choice.name != "identity"
    assert choice.table["candidate"].iloc[0] == "identity" and len(choice.table) == len(CANDIDATES)
    assert (choice.table["low"] <= choice.table["criterion"]).all()
    moved = MAPS[choice.name].apply(choice.state, x1)
    np.testing.assert_allclose(moved, MAPS[choice.name].apply(MAPS[choice.name].fit(x1, x2, seed=0), x1))
    assert np.abs(moved.mean(axis=0) - x2.mean(axis=0)).max() < 0.15


def test_choose_leaves_halves_and_donors_of_a_run_as_measured():
    x = cells(1000, 3)
    assert choose(x[:500], x[500:]).name == "identity"
    x1, s1 = donors(4, 4)
    x2, s2 = donors(4, 5)
    assert choose(x1, x2, samples_1=s1, samples_2=s2, candidates=("identity", "zscore")).name == "identity"


def test_choose_leaves_a_difference_of_composition_alone():
    x1, x2 = cells(1200, 1, (0.66, 0.07, 0.27)), cells(1200, 2)
    choice = choose(x1, x2)
    moved = MAPS[choice.name].apply(choice.state, x1)
    assert np.abs(moved - x1).mean() < 0.05


def test_a_batch_is_a_single_sample_only_where_the_samples_of_both_are_known_and_differ():
    some, others, alone = np.array(["a", "b"]), np.array(["c", "d"]), np.array(["e", "e"])
    pairs = {(0, 2): True, (2, 0): True, (0, 1): False, (2, 2): False, (2, 3): False, (3, 2): False, (3, 3): False}
    names = (some, others, alone, None)
    assert {pair: _single((names[pair[0]], names[pair[1]])) for pair in pairs} == pairs


def test_whole_samples_are_left_out_where_there_are_four():
    random = np.random.default_rng(0)
    samples = np.repeat(list("abcd"), 5), np.repeat(list("efghi"), 4)
    for train, test in _splits((np.zeros((20, 1)),) * 2, samples, 3, random):
        for names, fitted, judged in zip(samples, train, test):
            assert not set(names[fitted]) & set(names[judged]) and len(fitted) + len(judged) == 20
            assert len(set(names[judged])) in (1, 2)  # of four or five samples in three folds


def test_the_criterion_of_cells_in_place_is_one_and_of_a_perfect_map_none():
    found = {"within": 0.5, "marginal": 0.4, "mmd": 0.1, "rank": 1.0, "moved": 0.0}
    assert criterion(found, found, 1000) == pytest.approx(1)
    perfect = {"within": 0.0, "marginal": 0.0, "mmd": -0.001, "rank": 1.0, "moved": 0.0}
    assert criterion(perfect, found, 10**6) == pytest.approx(0, abs=1e-3)
    assert criterion({**perfect, "rank": 0.88}, found, 10**6) == pytest.approx(0.5, abs=1e-3)
    assert criterion({**perfect, "moved": 0.2}, found, 10**6) == pytest.approx(0.2, abs=1e-3)


def test_distances_have_their_closed_forms():
    x = np.random.default_rng(0).normal(size=(400, 2))
    np.testing.assert_allclose(earth_movers(x, x + np.array([0.5, 0])), [0.5, 0], atol=1e-12)
    assert abs(mmd(x[:200], x[200:], 2.0)) < 0.01 < mmd(x[:200] + 1, x[200:], 2.0)
    far = np.zeros((2, 1)), np.full((2, 1), 1e3)
    assert mmd(*far, 1.0) == pytest.approx(2)
    assert spearman(np.arange(9.0), np.exp(np.arange(9.0))) == pytest.approx(1)
    assert np.isnan(spearman(np.zeros(5), np.arange(5.0)))
    assert spearman(np.array([1.0, 2.0]), np.array([5.0, 3.0])) == pytest.approx(
        -1
    )  # two cells have an order, one has none
    assert np.isnan(spearman(np.ones(1), np.ones(1)))


def test_what_cannot_be_compared_is_refused():
    x = cells(100, 0)
    with pytest.raises(InputError, match=r"unknown batch map 'zscor'.*zscore"):
        choose(x, x, candidates=("zscor",))
    with pytest.raises(InputError, match="4 and 3 markers"):
        choose(x, x[:, :3])
    with pytest.raises(InputError, match="59 cells"):
        choose(x[:59], x)
    with pytest.raises(InputError, match="not finite"):
        choose(np.where(x > 4, np.nan, x), x)
