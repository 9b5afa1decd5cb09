"""Two panels that are there already: by an obs column, with nan where a panel lacks a marker."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan import keys
from magan.errors import InputError
from magan.tasks.folds import Folds
from magan.tasks.heldout_markers import folds
from magan.tasks.heldout_markers.settings import HeldOut

MARKERS = ["CD3", "CD4", "CD8", "CD19", "CD45RA", "CD56", "DNA1"]
LACKS = {"A": ["CD45RA", "CD56"], "B": ["CD19"]}
PANELS = {"panel_1": {"panel": "A"}, "panel_2": {"panel": "B"}, "batch_size": 16}


def cells(n: int = 200) -> AnnData:
    """A third of the cells are of panel A, the others of panel B."""
    panel = np.where(np.arange(n) % 3 == 0, "A", "B")
    values = np.random.default_rng(0).normal(2, 1, (n, len(MARKERS))).astype(np.float32)
    for name, lacks in LACKS.items():
        values[np.ix_(panel == name, [MARKERS.index(m) for m in lacks])] = np.nan
    obs = pd.DataFrame({keys.PANEL: panel, keys.BATCH: "1"}, index=[f"cell_{i}" for i in range(n)])
    var = pd.DataFrame({keys.TO_CORRECT: [m != "DNA1" for m in MARKERS]}, index=MARKERS)
    return AnnData(values, obs=obs, var=var, layers={keys.PREPROCESSED: values.copy()})


def heldout(adata: AnnData, batch_size: int, **asked) -> Folds:
    return folds.split(HeldOut(cells="cells", arms={}, **asked), [adata], batch_size)


def message(adata: AnnData, **changed) -> str:
    with pytest.raises(InputError) as error:
        heldout(adata, **{**PANELS, **changed})
    return str(error.value)


def test_each_panel_trains_on_its_own_cells_and_the_test_cells_are_of_panel_1():
    adata = cells()
    parts = heldout(adata, **PANELS, test_fraction=0.25)
    panel = adata.obs[keys.PANEL]
    x1, x2 = parts.train["CD4"]
    assert set(panel[x1.obs_names]) == set(panel[parts.truth.obs_names]) == {"A"}
    assert list(x2.obs_names) == list(panel.index[panel == "B"])
    assert parts.truth.n_obs == round(0.25 * (panel == "A").sum())
    assert {*x1.obs_names, *parts.truth.obs_names} == set(panel.index[panel == "A"])
    assert not set(x1.obs_names) & set(parts.truth.obs_names)


def test_markers_are_those_that_each_panel_measures_unless_they_are_named():
    parts = heldout(cells(), **PANELS)
    assert list(parts.train) == ["CD3", "CD4", "CD8"]
    x1, x2 = parts.train["CD4"]
    assert list(x1.var_names) == ["CD3", "CD8", "CD19"]
    assert list(x2.var_names) == ["CD3", "CD4", "CD8", "CD45RA", "CD56"]
    x1, x2 = heldout(cells(), **PANELS, shared=["CD3", "CD4"], only_1=["CD8"], only_2=[]).train["CD4"]
    assert list(x1.var_names) == ["CD3", "CD8"] and list(x2.var_names) == ["CD3", "CD4"]


def test_halves_of_one_sample_share_all_markers_to_be_corrected_unless_they_are_named():
    adata = cells()
    adata = adata[adata.obs[keys.PANEL] == "B"].copy()
    parts = heldout(adata, batch_size=16)
    assert list(parts.train) == ["CD3", "CD4", "CD8", "CD45RA", "CD56"]
    assert list(parts.train["CD3"][0].var_names) == ["CD4", "CD8", "CD45RA", "CD56"]


def test_fewer_cells_keep_the_panels_apart():
    x1, x2 = heldout(cells(), **PANELS, n_cells=120).train["CD3"]
    assert set(x1.obs_names) <= {f"cell_{i}" for i in range(0, 200, 3)}
    assert not set(x2.obs_names) & {f"cell_{i}" for i in range(0, 200, 3)}
    n_test = heldout(cells(), **PANELS, n_cells=120).truth.n_obs
    assert x1.n_obs + x2.n_obs + n_test == 120


def test_panels_that_cannot_be_are_refused_with_the_reason():
    adata = cells()
    assert message(adata, panel_2={}) == "panel_2 is missing; give conditions for both panels or for neither"
    assert message(adata, panel_2={"batch": "1"}) == (
        "heldout: 67 cells are in both panel_1 {'panel': 'A'} and panel_2 {'batch': '1'}; make the two disjoint"
    )
    assert message(adata, panel_2={"panel": "C"}) == "heldout.panel_2: no panel is 'C'; there are A, B"
    assert message(adata, shared=["CD3", "CD45RA"]) == (
        "panel 1 does not measure marker 'CD45RA'; correct shared, only_1 and only_2"
    )
    assert message(adata, shared=["CD3"]) == (
        "the panels share 1 marker (CD3); the audit hides one and needs another to predict from"
    )


def test_a_marker_of_some_of_a_panels_cells_is_named_with_their_number():
    adata = cells()
    adata.layers[keys.PREPROCESSED][0, 1] = np.nan
    assert message(adata) == (
        "panel 1: marker 'CD4' is measured in 66 of 67 cells; give the files that lack it a panel of their own"
    )


def test_two_names_that_may_be_one_marker_stop_panels_before_they_are_audited():
    """CD8 beside CD8a would be imputed on cells that measured it; names that a study lists are taken at their word."""
    panels, markers = np.repeat(["A", "B"], 60), ["CD3", "CD4", "CD8", "CD8a"]
    values = np.random.default_rng(0).gamma(2, 1, (120, 4)).astype(np.float32)
    values[:60, 3] = values[60:, 2] = np.nan
    obs = pd.DataFrame({keys.PANEL: panels, keys.BATCH: "1"}, index=[f"c{i}" for i in range(120)])
    adata = AnnData(values, obs=obs, var=pd.DataFrame({keys.TO_CORRECT: True}, index=markers))
    adata.layers[keys.PREPROCESSED] = values
    settings = {"cells": "mine", "arms": {}, "panel_1": {"panel": "A"}, "panel_2": {"panel": "B"}}
    with pytest.raises(InputError, match="measures 'CD8' and panel 2 'CD8a', which may be one marker"):
        folds.split(HeldOut(**settings), [adata], 10)
    named = HeldOut(**settings, only_1=("CD8",), only_2=("CD8a",))
    assert list(folds.split(named, [adata], 10).train) == ["CD3", "CD4"]


def test_a_shared_marker_whose_staining_failed_in_a_panel_is_neither_hidden_nor_learned_from(capsys):
    adata = cells(1500)
    values, draw = adata.layers[keys.PREPROCESSED], np.random.default_rng(1)
    values[:, :3] = draw.normal(size=(1500, 1)) + 0.4 * draw.normal(size=(1500, 3))
    values[:, MARKERS.index("CD19")] = np.nansum(values[:, :2], axis=1) + draw.normal(size=1500)  # four are shared
    assert set(heldout(adata, **PANELS).train) == {"CD3", "CD4", "CD8", "CD19"}
    of_a = np.flatnonzero(adata.obs[keys.PANEL] == "A")
    values[of_a, 1] = draw.permutation(values[of_a, 1])
    parts = heldout(adata, **PANELS)
    assert set(parts.train) == {"CD3", "CD8", "CD19"} == set(parts.truth.var_names)
    assert all("CD4" not in part.var_names for pair in parts.train.values() for part in pair)
    assert "not used: CD4 is unrelated to the remaining shared markers in panel 1" in capsys.readouterr().out
    assert "CD4" in heldout(adata, **PANELS, unrelated="use").train
    assert "CD4" in heldout(adata, **PANELS, shared=("CD3", "CD4", "CD8", "CD19")).train
