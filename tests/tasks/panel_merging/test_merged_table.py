import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.panel_merging.merged_table import IMPUTED, Imputed, merge, sources

PANELS = {"A": ["CD3", "CD4", "CD8"], "B": ["CD3", "CD19"], "C": ["CD3", "CD4", "CD19", "CD56"]}


def test_a_marker_comes_from_the_panel_that_shares_the_most():
    wanted = sources(PANELS)
    assert wanted["A"] == {"CD19": "C", "CD56": "C"}  # two shared with C, one with B
    assert wanted["B"] == {"CD4": "C", "CD8": "A", "CD56": "C"}
    assert wanted["C"] == {"CD8": "A"}


def test_of_panels_that_share_as_many_the_first_is_taken():
    panels = {"A": ["CD3"], "C": ["CD3", "CD19"], "B": ["CD3", "CD19"]}
    assert sources(panels)["A"] == {"CD19": "C"}


def test_panels_that_cannot_be_merged_are_refused():
    with pytest.raises(InputError, match="panels A, B measure the same markers; there is nothing to merge"):
        sources({"A": ["CD3"], "B": ["CD3"]})
    with pytest.raises(
        InputError, match="panels 'A' and 'B', which measures marker 'CD4', share no marker; name alike"
    ):
        sources({"A": ["CD3"], "B": ["CD4"]})


@pytest.fixture
def cells() -> AnnData:
    """Six cells of the panels A, B and one that is not merged; CD19 is not measured in A."""
    values = np.arange(18, dtype=np.float32).reshape(6, 3)
    values[[0, 2], 2] = np.nan
    obs = pd.DataFrame({"kit": ["A", "B", "A", "B", "C", "B"], "batch": "1"}, index=list("uvwxyz"))
    var = pd.DataFrame({keys.CHANNEL: ["a", "b", "c"], "note": "x"}, index=["CD3", "DNA", "CD19"])
    return AnnData(
        values * 100, obs=obs, var=var, layers={keys.PREPROCESSED: values}, uns={keys.CYTOF: {"cofactor": 5}}
    )


@pytest.fixture
def whole(cells: AnnData) -> AnnData:
    layers = {layer: np.full((2, 1), i, np.float32) for i, layer in enumerate(IMPUTED)}
    panels = {"A": ["CD3"], "B": ["CD3", "CD19"]}
    return merge(cells, panels, {"A": [Imputed(("CD19",), layers)], "B": []}, by="kit")


def test_cells_and_markers_of_the_panels_are_there_in_their_order_and_no_others(whole):
    assert list(whole.obs_names) == list("uvwxz") and list(whole.var_names) == ["CD3", "CD19"]
    assert list(whole.obs[keys.PANEL]) == list("ABABB")
    assert whole.var[keys.MEASURED_BY].tolist() == ["A, B", "B"]
    assert set(whole.var) == {keys.CHANNEL, keys.MEASURED_BY} and whole.uns[keys.CYTOF] == {"cofactor": 5}


def test_what_was_measured_stays_and_what_was_not_is_missing_in_its_layer_alone(cells, whole):
    known = cells[list("uvwxz"), ["CD3", "CD19"]].layers[keys.PREPROCESSED]
    np.testing.assert_array_equal(whole.layers[keys.MEASURED], known)
    seen = np.isfinite(known)
    for i, layer in enumerate(IMPUTED):
        np.testing.assert_array_equal(whole.layers[layer][~seen], [i, i])
        if layer != keys.SPREAD:
            np.testing.assert_array_equal(whole.layers[layer][seen], known[seen])
    assert (whole.layers[keys.SPREAD][seen] == 0).all()
    np.testing.assert_array_equal(whole.X, whole.layers[keys.EXPECTED])


def test_the_data_it_is_made_of_stay_as_they_were(cells, whole):
    whole.layers[keys.MEASURED][:] = whole.X[:] = 0
    assert cells.layers[keys.PREPROCESSED][1, 0] == 3
