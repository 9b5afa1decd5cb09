import numpy as np
import pytest

from magan.baselines import BASELINES
from magan.baselines.knn import NEIGHBOURS
from magan.baselines.panels import location_scale

REGRESSIONS = [
    "ridge",
    "knn",
    "boosting",
    "extra_trees",
    "knn_tuned",
    "boosting_tuned",
]


@pytest.mark.parametrize("name", REGRESSIONS)
def test_shared_markers_pass_as_measured_and_the_missing_one_is_predicted(name, panels):
    x1, x2, query = panels
    mapped = BASELINES[name](x1, x2, query)
    values = query.to_df("preprocessed")
    np.testing.assert_array_equal(mapped[:, 0], values["c"])
    np.testing.assert_array_equal(mapped[:, 2], values["b"])
    truth = 2 * values["c"] - (values["b"] - 0.5)
    assert np.corrcoef(mapped[:, 1], truth)[0, 1] > 0.9


def test_ridge_recovers_a_linear_marker_across_an_offset(panels):
    x1, x2, query = panels
    values = query.to_df("preprocessed")
    mapped = BASELINES["ridge"](x1, x2, query)[:, 1]
    slope, _ = np.polyfit(2 * values["c"] - values["b"], mapped, 1)
    assert np.corrcoef(2 * values["c"] - values["b"], mapped)[0, 1] > 0.98 and abs(slope - 1) < 0.15


@pytest.mark.parametrize("name", REGRESSIONS)
def test_an_offset_and_a_gain_of_a_whole_panel_do_not_matter(name, panels, table):
    x1, x2, query = panels
    gained = [table(x.layers["preprocessed"] * 2 + 8, "abc") for x in (x1, query)]
    expected = BASELINES[name](x1, x2, query)[:, 1]
    np.testing.assert_allclose(BASELINES[name](gained[0], x2, gained[1])[:, 1], expected, atol=1e-3)


def test_knn_is_the_mean_of_the_fifty_nearest_standardised_cells(panels):
    x1, x2, query = panels
    a, b, q = (x.to_df("preprocessed")[["c", "b"]].to_numpy(float) for x in (x1, x2, query))
    distance = np.linalg.norm(((q[0] - a.mean(0)) / a.std(0)) - (b - b.mean(0)) / b.std(0), axis=1)
    nearest = np.argsort(distance)[:NEIGHBOURS]
    expected = x2.to_df("preprocessed")["d"].to_numpy()[nearest].mean()
    assert NEIGHBOURS == 50 and BASELINES["knn"](x1, x2, query)[0, 1] == pytest.approx(expected, rel=1e-5)


def test_knn_uses_all_cells_of_a_small_panel(panels):
    x1, x2, query = panels
    small = x2[:7].copy()
    np.testing.assert_allclose(
        BASELINES["knn"](x1, small, query)[:, 1], small.to_df("preprocessed")["d"].mean(), rtol=1e-5
    )


def test_a_draw_is_measured_in_one_of_the_fifty_nearest_and_spreads_as_the_marker_does(panels):
    x1, x2, query = panels
    drawn = BASELINES["knn_draw"](x1, x2, query)[:, 1]
    measured = x2.to_df("preprocessed")["d"].to_numpy()
    assert np.isin(drawn, measured).all() and len(np.unique(drawn)) > NEIGHBOURS
    a, b, q = (x.to_df("preprocessed")[["c", "b"]].to_numpy(float) for x in (x1, x2, query))
    distance = np.linalg.norm(((q - a.mean(0)) / a.std(0))[:, None] - ((b - b.mean(0)) / b.std(0))[None], axis=2)
    nearest = measured[np.argsort(distance, axis=1)[:, :NEIGHBOURS]]
    assert all(value in row for value, row in zip(drawn, nearest))
    np.testing.assert_array_equal(BASELINES["knn_draw"](x1, x2, query)[:, 1], drawn)
    mean = BASELINES["knn"](x1, x2, query)[:, 1]
    assert abs(drawn.std() / measured.std() - 1) < abs(mean.std() / measured.std() - 1)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_constant_shared_marker_stays_finite(name, panels):
    x1, x2, query = (x.copy() for x in panels)
    for x in (x1, x2, query):
        x.layers["preprocessed"][:, x.var_names.get_loc("c")] = 0.1
    assert np.isfinite(BASELINES[name](x1, x2, query)).all()


@pytest.mark.parametrize("name", REGRESSIONS)
def test_nothing_missing_is_nothing_changed(name, panels):
    x1, _, query = panels
    np.testing.assert_array_equal(BASELINES[name](x1, x1, query), query.layers["preprocessed"])


def test_a_constant_marker_has_scale_one():
    mean, scale = location_scale(np.array([[0.1, 1.0]] * 3 + [[0.1, 5.0]]))
    np.testing.assert_allclose((mean, scale), ([0.1, 2], [1, np.sqrt(3)]))
