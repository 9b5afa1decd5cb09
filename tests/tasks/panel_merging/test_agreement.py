import numpy as np
import pytest
from scipy.stats import kstest

from magan.tasks.panel_merging.agreement import agreement, claimed, confidence, least_agreement

draw = np.random.default_rng(0)


def test_a_claim_is_the_r_of_the_cells_kept_apart_where_the_cells_told_of_are_like_them():
    known, noise = draw.normal(size=(300, 2)), draw.normal(size=(300, 2))
    measured = known + noise * [0.1, 1]
    expected = [np.corrcoef(known[:, i], measured[:, i])[0, 1] for i in (0, 1)]
    r, n = claimed(known[::-1], known, measured)
    assert r == pytest.approx(expected) and n == pytest.approx([300, 300])


def test_a_claim_counts_cells_kept_apart_as_often_as_they_are_the_nearest():
    known, measured = np.array([[0.0], [1], [2], [9]]), np.array([[1.0], [0], [3], [-40]])
    predicted = np.array([[-5.0], [0.2], [1.2], [1.9], [2.4]])
    expected = np.corrcoef([0, 0, 1, 2, 2], [1, 1, 0, 3, 3])[0, 1]
    r, n = claimed(predicted, known, measured)
    assert r == pytest.approx([expected]) and n == pytest.approx([5**2 / (2**2 + 1 + 2**2)])


def test_a_claim_about_cells_of_one_kind_is_lower_than_about_a_mixture():
    kind = np.repeat([0.0, 5.0], 500)[:, None]
    known = kind + 0.5 * draw.normal(size=(1000, 1))
    measured = known + 1.0 * draw.normal(size=(1000, 1))
    one, both = (claimed(cells, known, measured)[0] for cells in (known[:500], known))
    assert one < 0.6 < 0.9 < both


def test_a_claim_of_what_does_not_vary_is_unknown():
    known = np.column_stack([np.arange(5.0), np.ones(5)])
    assert np.isnan(claimed(np.full((3, 2), 2.0), known, known)[0]).all()


def test_agreement_is_the_mean_r_of_every_two_maps():
    maps = draw.normal(size=(4, 50, 2))
    pairs = [np.corrcoef(maps[i, :, 1], maps[j, :, 1])[0, 1] for i in range(4) for j in range(i)]
    assert agreement(maps)[1] == pytest.approx(np.mean(pairs))
    assert agreement(np.stack([maps[0], 3 * maps[0] + 1])) == pytest.approx([1, 1])


def test_one_map_and_a_map_that_does_not_vary_agree_with_nothing():
    maps = draw.normal(size=(2, 50, 2))
    assert np.isnan(agreement(maps[:1])).all()
    maps[1, :, 0] = 3
    assert np.isnan(agreement(maps)).tolist() == [True, False]


def test_least_agreement_is_with_the_map_that_differs_most():
    one = draw.normal(size=(200, 1))
    near, far = one + 0.1 * draw.normal(size=(200, 1)), one + draw.normal(size=(200, 1))
    expected = np.corrcoef(one[:, 0], far[:, 0])[0, 1]
    assert least_agreement(one, [near, far]) == pytest.approx([expected])
    assert np.isnan(least_agreement(one, [])).all()


def test_cells_that_the_other_panel_has_are_spread_evenly():
    others, cells = draw.normal(size=(1500, 3)), draw.normal(size=(1500, 3))
    assert kstest(confidence(cells, others), "uniform").statistic < 0.08


def test_a_cell_unlike_all_others_has_no_confidence_and_one_in_their_midst_has_much():
    others = draw.normal(size=(400, 3))
    low, high = confidence(np.array([[9.0, 9, 9], [0, 0, 0]]), others)
    assert low == 1 / 201 and high > 0.3


def test_a_rare_population_is_as_ordinary_as_a_common_one():
    rare, common = 0.1 * draw.normal(size=(300, 3)) + 20, draw.normal(size=(3000, 3))
    told = confidence(np.concatenate([rare[:100], common[:100]]), np.concatenate([rare[100:], common[100:]]))
    assert kstest(told[:100], "uniform").statistic < 0.25 and kstest(told[100:], "uniform").statistic < 0.25
    lacking = confidence(rare, common)
    assert (lacking < 0.01).all()


def test_a_population_that_is_lacking_is_found_though_stray_cells_lie_where_it_would_be():
    strays, common = 6 + 2 * draw.normal(size=(60, 3)), draw.normal(size=(2000, 3))
    lacking = 6 + 0.3 * draw.normal(size=(200, 3))
    assert np.median(confidence(lacking, np.concatenate([strays, common]))) < 0.05


def test_confidence_does_not_depend_on_the_units_of_a_marker_or_the_cells_beside():
    others, cells = draw.normal(size=(300, 3)), draw.normal(size=(40, 3))
    units = np.array([1, 10, 0.1])
    np.testing.assert_allclose(confidence(cells * units, others * units), confidence(cells, others))
    np.testing.assert_array_equal(confidence(cells[:5], others), confidence(cells, others)[:5])


def test_cells_that_are_all_equal_are_ordinary_to_one_another_alone():
    told = confidence(np.array([[1.0, 1], [2, 1]]), np.ones((60, 2)))
    assert told[0] == 1 and told[1] == 1 / 31


def test_a_marker_that_does_not_vary_in_the_other_panel_is_no_obstacle():
    others = draw.normal(size=(300, 2))
    others[:, 1] = 1
    assert np.isfinite(confidence(others[:5], others)).all()
