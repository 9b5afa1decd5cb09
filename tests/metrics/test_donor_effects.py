import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from magan.metrics.donor_effects import EFFECTS, contrasted, donor_effects

MARKERS = ["CD4", "CD8"]


def study(effect=0.0, shift=0.5, donors=8, seed=0, cells=40):
    """Donors of two groups in two batches; batch 2 is shifted, group "ill" has an effect on CD4."""
    random = np.random.default_rng(seed)
    rows, values = [], []
    for number in range(4 * donors):
        batch, group = str(1 + number % 2), ("ill", "well")[number // 2 % 2]
        level = random.normal(0, 0.3, 2)
        x = random.normal(0, 1, (cells, 2)) + level + [effect * (group == "ill"), 0]
        rows += [(batch, f"d{number}", group, "T")] * cells
        values.append(x + shift * (batch == "2"))
    design = pd.DataFrame(rows, columns=["batch", "donor", "group", "cell_type"])
    before = np.concatenate(values)
    return design, before, before - shift * (design["batch"] == "2").to_numpy()[:, None]


def found(design, before, after):
    table = donor_effects(design, (before, after), (before > 0.5, after > 0.5), MARKERS)
    return table[(table["population"] == "T") & (table["measure"] == "mean")].set_index("marker")


def test_a_contrast_of_two_groups_is_students_t():
    random = np.random.default_rng(0)
    y, of = random.normal(size=(12, 3)), np.arange(12) % 3 == 0
    got = contrasted(np.stack([of, ~of], axis=1).astype(float), y, np.array([-1.0, 1.0]))
    known = ttest_ind(y[~of], y[of])
    np.testing.assert_allclose(got[:, 3], known.pvalue)
    interval = known.confidence_interval()
    np.testing.assert_allclose(got[:, 1:3], np.stack([interval.low, interval.high], axis=1))


def test_a_planted_effect_is_measured_and_a_batch_is_none():
    table = found(*study(effect=-0.8, shift=2.0))
    assert set(EFFECTS) - {"marker"} == set(table.columns)
    row = table.loc["CD4"]
    assert row.effect_before == pytest.approx(0.8, rel=0.25) and row.effect_after == pytest.approx(row.effect_before)
    assert row.status == "preserved" and table.loc["CD8", "status"] == ""
    assert (row.donors_1, row.donors_2) == (16, 16)


def test_what_a_map_takes_or_invents_is_named():
    design, before, after = study(effect=-0.8)
    ill = (design["group"] == "ill").to_numpy()
    after[ill, 0] += 0.8
    after[ill, 1] += 0.8
    table = found(design, before, after)
    assert table["status"].tolist() == ["lost", "invented"]
    reversed_ = before.copy()
    reversed_[ill, 0] += 1.6
    assert found(design, before, reversed_).loc["CD4", "status"] == "lost"


def test_p_values_of_no_effect_are_uniform():
    random = np.random.default_rng(0)
    of = np.arange(12) % 2 == 0
    x = np.stack([of, ~of, np.arange(12) < 5, np.arange(12) >= 5], axis=1).astype(float)
    p = contrasted(x, random.normal(size=(12, 2000)), np.array([-1.0, 1, 0, 0]))[:, 3]
    np.testing.assert_allclose(np.quantile(p, [0.05, 0.25, 0.5, 0.9]), [0.05, 0.25, 0.5, 0.9], atol=0.03)


def test_confounded_groups_and_few_donors_have_no_row():
    design, before, after = study()
    design["group"] = design["batch"]
    assert found(design, before, after).empty
    few = design["donor"].isin(["d0", "d1", "d2"]).to_numpy()
    design, before, after = study()
    assert donor_effects(design[few], (before[few],) * 2, (before[few] > 0,) * 2, MARKERS).empty


def test_a_donor_counts_once_however_many_cells():
    design, before, after = study(effect=-0.5)
    many = np.concatenate([np.arange(len(design)), np.tile(np.flatnonzero(design["donor"] == "d0"), 50)])
    np.testing.assert_allclose(
        found(design.iloc[many].reset_index(drop=True), before[many], after[many])["effect_after"],
        found(design, before, after)["effect_after"],
    )
