import itertools

import numpy as np
import pandas as pd
import pytest

from magan.tasks.panel_merging.verdicts import WORDS, kept, verdicts


def judged(claimed=0.9, n_calibration=np.inf, kept=1.0, kept_worst=1.0, seeds=0.95, methods=0.95) -> pd.Series:
    row = {"claimed": claimed, "n_calibration": n_calibration, "kept": kept, "kept_worst": kept_worst}
    row |= {"seeds": seeds, "methods": methods}
    return verdicts(pd.DataFrame([row])).iloc[0]


def test_what_is_kept_is_the_median_and_the_lowest_tenth_of_the_claims_that_held():
    claimed = np.full(11, 0.8)
    audited = 0.8 * np.linspace(0, 1, 11)
    assert kept(audited, claimed) == pytest.approx((0.5, 0.1))


def test_a_claim_that_was_surpassed_is_no_credit_to_others():
    assert kept(np.array([0.9, 0.5]), np.array([0.5, 0.9])) == pytest.approx((1 / 2 + 5 / 18, 5 / 9 + 0.1 * 4 / 9))


def test_markers_without_a_number_or_with_an_empty_claim_are_passed_over():
    unknown = np.array([np.nan, 0.5, 0.5, 0.4])
    assert kept(unknown, np.array([0.5, np.nan, -0.1, 0.8])) == pytest.approx((0.5, 0.5))
    assert np.isnan(kept(np.array([np.nan]), np.array([0.5]))).all()


@pytest.mark.parametrize(
    "changed, word, reason",
    [
        ({}, "usable", ""),
        ({"claimed": 0.8001}, "usable", ""),
        ({"claimed": 0.7999}, "as a trend", "the r that can be counted on is .79"),  # never rounded up to what is asked
        ({"claimed": 0.81, "n_calibration": 50}, "as a trend", "the r that can be counted on is .70"),
        ({"n_calibration": 3}, "not usable", "the r that can be counted on is -1.00"),
        ({"kept_worst": 0.2}, "usable", ""),  # the worst tenth is shown, the median decides
        ({"claimed": 0.79}, "as a trend", "the r that can be counted on is .79"),
        ({"kept": 0.6}, "as a trend", "the r that can be counted on is .54"),
        ({"seeds": 0.89}, "as a trend", "seeds agree with one another by .89 alone"),
        ({"methods": 0.7}, "as a trend", "methods agree with one another by .70 alone"),
        ({"seeds": np.nan}, "as a trend", "a single seed shows no agreement"),
        ({"kept": 0.5}, "not usable", "the r that can be counted on is .45"),
        ({"seeds": 0.69}, "not usable", "seeds agree with one another by .69 alone"),
        ({"methods": 0.2}, "not usable", "methods agree with one another by .20 alone"),
        ({"methods": np.nan}, "not usable", "methods unknown"),
        ({"claimed": np.nan}, "not usable", "judged unknown"),
    ],
)
def test_the_word_follows_the_rule_and_says_what_is_in_the_way(changed, word, reason):
    row = judged(**changed)
    assert (row["verdict"], row["reason"]) == (word, reason)


def test_expected_and_lowest_r_are_the_claim_times_what_is_kept():
    row = judged(claimed=0.9, kept=0.9, kept_worst=0.5)
    assert (row["expected"], row["judged"], row["lower"]) == pytest.approx((0.81, 0.81, 0.45))
    few = judged(claimed=0.9, n_calibration=50, kept=0.9, kept_worst=0.5)
    assert few["judged"] == pytest.approx(0.9 * np.tanh(np.arctanh(0.9) - 1.6449 / np.sqrt(47)), abs=1e-4)


def test_a_claim_that_few_cells_make_is_lowered_by_its_interval():
    draw = np.random.default_rng(0)
    shared, own = draw.normal(size=(2, 4000, 40))
    found = [np.corrcoef(a, a + b)[0, 1] for a, b in zip(shared, own)]
    table = pd.DataFrame({"claimed": found, "n_calibration": 40, "kept": 1, "kept_worst": 1, "seeds": 1, "methods": 1})
    assert np.mean(verdicts(table)["lower"] <= np.sqrt(0.5)) == pytest.approx(0.95, abs=0.01)


def test_better_evidence_never_makes_a_worse_word():
    levels = (0.3, 0.55, 0.75, 0.92, 1.0)
    names = ("claimed", "kept", "seeds", "methods")
    grid = pd.DataFrame(list(itertools.product(levels, repeat=4)), columns=list(names)).assign(
        kept_worst=1.0, n_calibration=900
    )
    place = verdicts(grid).set_index(list(names))["verdict"].map(WORDS.index)
    for key, word in place.items():
        for i, value in enumerate(key):
            for better in levels[levels.index(value) + 1 :]:
                assert place[(*key[:i], better, *key[i + 1 :])] <= word


def test_other_columns_stay():
    names = ("claimed", "n_calibration", "kept", "kept_worst", "seeds", "methods")
    table = pd.DataFrame([{"marker": "CD4", **dict.fromkeys(names, 1)}])
    assert verdicts(table)["marker"].tolist() == ["CD4"] and "verdict" not in table
