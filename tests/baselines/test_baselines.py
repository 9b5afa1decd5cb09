import numpy as np
import pytest
from anndata import AnnData

from magan import keys
from magan.baselines import BASELINES
from magan.errors import InputError

SHARED = {"shared features", "shared markers"}
FROM_PAIRS = [name for name, entry in BASELINES.entries.items() if not SHARED & {*entry.needs}]
DIRECT = ["identity", "zscore", "quantile", "combat"]  # need every marker in domain 1
REGRESSIONS = ["ridge", "knn", "boosting", "extra_trees", "knn_tuned", "boosting_tuned"]
SIMPLE = [*DIRECT, *REGRESSIONS]
ELSEWHERE = [
    "auto",
    "monotone",
    "monotone_balanced",
    "population_monotone",
    "flow",
    "knn_draw",
    "harmony",
    "cytonorm",
    "cycombine",
    "scanorama",
    "cytovi",
    *FROM_PAIRS,
]  # in tests of their own


@pytest.fixture
def same_panel(panels, table):
    x1, x2, query = panels
    return x1[:, ["c", "b"]].copy(), x2[:, ["b", "c"]].copy(), query[:, ["c", "b"]].copy()


def test_the_registry_lists_every_baseline():
    assert sorted(BASELINES) == sorted(SIMPLE + ELSEWHERE)


@pytest.mark.parametrize("name", SIMPLE)
def test_the_map_has_the_query_cells_and_the_target_markers_in_single_precision(name, panels, same_panel):
    x1, x2, query = panels if name in REGRESSIONS else same_panel
    mapped = BASELINES[name](x1, x2, query)
    assert mapped.shape == (query.n_obs, x2.n_vars) and mapped.dtype == np.float32 and np.isfinite(mapped).all()


@pytest.mark.parametrize("name", SIMPLE)
def test_two_runs_are_equal_and_nothing_given_is_changed(name, panels, same_panel):
    given = panels if name in REGRESSIONS else same_panel
    before = [x.layers[keys.PREPROCESSED].copy() for x in given]
    np.testing.assert_array_equal(BASELINES[name](*given), BASELINES[name](*given))
    for x, values in zip(given, before):
        np.testing.assert_array_equal(x.layers[keys.PREPROCESSED], values)


@pytest.mark.parametrize("name", SIMPLE)
def test_a_cell_is_mapped_the_same_alone_and_among_others(name, panels, same_panel):
    x1, x2, query = panels if name in REGRESSIONS else same_panel
    alone = BASELINES[name](x1, x2, query[[3]].copy())
    np.testing.assert_allclose(alone[0], BASELINES[name](x1, x2, query)[3], rtol=1e-5)


@pytest.mark.parametrize("name", SIMPLE)
def test_columns_follow_the_target_whatever_the_order_of_the_source(name, panels, same_panel):
    x1, x2, query = panels if name in REGRESSIONS else same_panel
    expected = BASELINES[name](x1, x2, query)
    turned = BASELINES[name](x1[:, ::-1].copy(), x2, query[:, ::-1].copy())
    np.testing.assert_allclose(turned, expected, rtol=1e-5)
    turned = BASELINES[name](x1, x2[:, ::-1].copy(), query)
    np.testing.assert_allclose(turned, expected[:, ::-1], rtol=1e-5)


@pytest.mark.parametrize("name", DIRECT)
def test_a_marker_that_domain_1_lacks_is_refused_by_name(name, panels):
    with pytest.raises(InputError, match=f"baseline '{name}' cannot make marker 'd'.*use ridge, knn or boosting"):
        BASELINES[name](*panels)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_panels_without_a_shared_marker_are_refused(name, panels):
    x1, x2, query = panels
    with pytest.raises(InputError, match="share no marker"):
        BASELINES[name](x1[:, ["a"]].copy(), x2, query[:, ["a"]].copy())


@pytest.mark.parametrize("name", DIRECT)
def test_a_constant_marker_stays_finite(name, same_panel, table):
    given = []
    for x, level in zip(same_panel, (0.0, 2.0, 0.0)):
        values = x.to_df(keys.PREPROCESSED)
        values.insert(1, "flat", level)
        given.append(table(values, values.columns))
    mapped = BASELINES[name](*given)
    assert np.isfinite(mapped).all()
    np.testing.assert_allclose(mapped[:, 1], 0 if name == "identity" else 2, atol=1e-5)


def test_identity_is_the_query(same_panel):
    x1, x2, query = same_panel
    np.testing.assert_array_equal(
        BASELINES["identity"](x1, x2, query), query[:, list(x2.var_names)].layers[keys.PREPROCESSED]
    )


def test_zscored_training_cells_have_the_targets_mean_and_sd(same_panel):
    x1, x2, _ = same_panel
    mapped, goal = BASELINES["zscore"](x1, x2, x1), x2.layers[keys.PREPROCESSED]
    np.testing.assert_allclose(mapped.mean(axis=0), goal.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(mapped.std(axis=0), goal.std(axis=0), atol=1e-5)


def test_identity_of_images_is_their_pixels():
    query = AnnData(np.arange(8, dtype=np.uint8).reshape(2, 4), uns={keys.IMAGE: {"shape": [1, 2, 2]}})
    mapped = BASELINES["identity"](query, query, query)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(mapped, np.arange(8).reshape(2, 4) / 255, rtol=1e-6)
