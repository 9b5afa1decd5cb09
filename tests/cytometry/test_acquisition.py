"""Trouble along time: what is put in is found, what chance does is not, and no event is lost."""

import numpy as np
import pytest

from magan.cytometry.acquisition import DRIFT, FLOW, SHIFT, acquisition, clock

N = 6000
MARKERS = ["CD3", "CD4", "CD8"]


def cells(seed: int = 0) -> np.ndarray:
    """Two populations in a random order, on a scale of a few units."""
    random = np.random.default_rng(seed)
    return np.where(random.random((N, 1)) < 0.3, 4.0, 0.5) + random.normal(0, 0.7, (N, 3))


def even(n: int = N, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).uniform(0, 100, n))


def test_chance_flags_nothing():
    troubles = [acquisition(cells(seed), MARKERS, even(seed=seed + 1)) for seed in range(50)]
    assert not any(found.sentences for found in troubles)
    assert all(found.flags.shape == (N,) and not found.flags.any() for found in troubles)


def test_a_stretch_with_other_values_is_flagged_and_nothing_else_is():
    x = cells()
    x[2000:2600, 1] += 3
    found = acquisition(x, MARKERS, even())
    assert found.flags.dtype == np.uint8 and set(found.flags) == {0, SHIFT}
    assert (found.flags[2000:2600] == SHIFT).all() and (found.flags > 0).sum() <= 600 + 2 * 200
    (sentence,) = found.sentences
    assert sentence.startswith("CD4 changes by up to 1.") and sentence.endswith("in 10% of the events")


def test_a_drift_is_flagged_at_both_ends_and_is_no_shift():
    x = cells()
    x[:, 2] += np.linspace(0, 3, N)
    found = acquisition(x, MARKERS, even())
    assert set(found.flags) == {0, DRIFT}
    assert found.flags[0] == found.flags[-1] == DRIFT and not found.flags[N // 2]
    (sentence,) = found.sentences
    size = float(sentence.removeprefix("CD8 changes by up to ").split()[0])
    assert size == pytest.approx(3 / cells()[:, 2].std(), abs=0.15) and sentence.endswith("from start to end")


def test_a_clog_and_a_surge_are_found_in_the_clock():
    time = np.sort(np.concatenate([even(5000), np.random.default_rng(2).uniform(70, 71, 1000)]))
    time[(time > 30) & (time < 40)] = 40.5  # nothing passes for a tenth of the time, then all of it at once
    found = acquisition(cells(), MARKERS, time)
    assert set(found.flags) == {0, FLOW}
    assert (found.flags[(time > 70) & (time < 71)] == FLOW).mean() > 0.9
    assert not found.flags[(time > 45) & (time < 69)].any()
    assert found.sentences == ("the flow is slow in 10% of the time and fast in 2% of the time "
                               "(a clog, a bubble or a pause)",)  # fmt: skip


def test_a_file_without_a_clock_or_in_another_order_has_no_flag():
    x = cells()
    x[2000:2600] += 3
    assert acquisition(x, MARKERS, None).sentences == ()
    mixed = np.random.default_rng(0).permutation(even())
    assert acquisition(x, MARKERS, mixed).sentences == ()
    assert not acquisition(x[:100], MARKERS, even(100)).flags.any()


@pytest.mark.parametrize("name", ["Time", "HDR-T", "TIME"])
def test_the_clock_is_found_by_the_names_of_instruments(name):
    assert clock(["FSC-A", name, "PE-A"], ["FSC-A", name, "CD3"]) == 1
    assert clock(["FSC-A", "PE-A"], ["FSC-A", "CD3"]) is None
    assert clock(["TLSW", "Time"], ["TLSW", "Time"]) == 1
