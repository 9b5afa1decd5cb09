import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from magan.cytometry.arcsinh import Panel, annotate, arcsinh, check, cofactors, columns, markers, raw, read_panel
from magan.errors import InputError

PANEL = "Channel,marker,kind\nNd142Di,CD19,lineage\nEr170Di,CD3,Lineage\nIr191Di,DNA1,technical\n"


def table(channels, names):
    """Freshly read: column j holds the number j."""
    var = pd.DataFrame({"channel": channels, "marker": names}, index=channels)
    return AnnData(np.tile(np.arange(len(channels), dtype=np.float32), (2, 1)), var=var)


def counts(seed=0, n=500):
    """Raw counts of two markers, and Time."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.exponential(100, n), rng.exponential(20, n), np.arange(n) * 1e5])
    adata = table(["A", "B", "Time"], ["CD3", "pSTAT5", "Time"])
    adata = AnnData(x.astype(np.float32), var=adata.var, obs=pd.DataFrame(index=[f"c{i}" for i in range(n)]))
    adata.obs["batch"] = np.repeat(["a", "b"], [n // 2, n - n // 2])
    return annotate(adata)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_panel_table_is_read(tmp_path, suffix):
    path = tmp_path / f"panel.{suffix}"
    path.write_text(PANEL if suffix == "csv" else PANEL.replace(",", "\t"))
    expected = Panel(("Nd142Di", "Er170Di", "Ir191Di"), ("CD19", "CD3", "DNA1"), ("lineage", "lineage", "technical"))
    assert read_panel(path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PANEL.replace("kind", "kinds"), r"no column 'kind' \(did you mean 'kinds'\?\); its columns are \['channel',"),
        (PANEL.replace("technical", "tecnical"), r"unknown kind 'tecnical' \(did you mean 'technical'\?\); use one of"),
        (PANEL.replace("CD3", "CD19"), "marker 'CD19' is listed 2 times"),
        (PANEL.replace("Er170Di", "Nd142Di"), "channel 'Nd142Di' is listed 2 times"),
        (PANEL.replace("CD3", ""), "row 2 has no marker; fill it in"),
        (PANEL.splitlines()[0] + "\n", "lists no channel"),
        ("", "is no table"),
    ],
)
def test_a_panel_that_says_too_little_is_refused_by_file(tmp_path, text, message):
    path = tmp_path / "panel.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_panel(path)
    assert str(path) in str(error.value)


def test_a_missing_panel_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"panel .*nowhere\.csv does not exist"):
        read_panel(tmp_path / "nowhere.csv")


def test_a_panel_selects_renames_and_orders_channels():
    adata = table(["Nd142Di", "Er170Di", "Gd155Di"], ["142Nd_CD19", "170Er_CD3", "155Gd_S6"])
    panel = Panel(("GD155DI", "Nd142Di", "170er_cd3"), ("pS6", "CD19", "CD3"), ("functional", "lineage", "technical"))
    named = annotate(adata, panel)
    np.testing.assert_array_equal(named.X[0], [2, 0, 1])
    assert list(named.var_names) == ["pS6", "CD19", "CD3"]
    assert list(named.var["channel"]) == ["Gd155Di", "Nd142Di", "Er170Di"]
    assert list(named.var["to_correct"]) == [True, True, False]


def test_an_unknown_channel_names_the_nearest():
    adata = table(["Nd142Di", "Er170Di"], ["CD19", "CD3"])
    with pytest.raises(InputError, match=r"x\.fcs has no channel 'Nd124Di' \(did you mean 'Nd142Di'\?\); correct the"):
        annotate(adata, Panel(("Nd124Di",), ("CD19",), ("lineage",)), name="x.fcs")


def test_two_channels_of_one_marker_need_a_panel():
    adata = table(["Nd142Di", "Er170Di"], ["142Nd_CD19", "CD19"])
    with pytest.raises(InputError, match=r"'CD19' is measured by 2 channels, \['Nd142Di', 'Er170Di'\]; give a panel"):
        annotate(adata)
    assert annotate(adata, Panel(("Er170Di",), ("CD19",), ("lineage",))).n_vars == 1


def test_unnamed_channels_are_technical_only_where_others_have_names():
    named = annotate(table(["Y89Di", "Nd142Di", "Time"], ["Y89Di", "CD19", "Time"]))
    assert list(named.var["marker_type"]) == ["technical", "lineage", "technical"]
    unnamed = annotate(table(["pERK", "CD19", "Time"], ["pERK", "CD19", "Time"]))
    assert list(unnamed.var["marker_type"]) == ["functional", "lineage", "technical"]


def test_arcsinh_is_its_formula_and_leaves_counts_alone():
    adata = counts()
    done = arcsinh(adata, 5.0)
    z = adata.X.astype(np.float64) / 5
    np.testing.assert_allclose(done.layers["preprocessed"], np.log(z + np.sqrt(z**2 + 1)), rtol=1e-5, atol=1e-6)
    assert done.layers["preprocessed"].dtype == np.float32
    assert done.uns["cytof"] == {"cofactor": 5.0}
    np.testing.assert_array_equal(done.X, adata.X)
    assert "preprocessed" not in adata.layers


def test_each_marker_may_have_its_own_cofactor(tmp_path):
    adata = counts()
    done = arcsinh(adata, {"CD3": 150, "pSTAT5": 5})
    np.testing.assert_allclose(done.layers["preprocessed"][:, 0], np.arcsinh(adata.X[:, 0] / 150), rtol=1e-5)
    np.testing.assert_allclose(done.layers["preprocessed"][:, 1], np.arcsinh(adata.X[:, 1] / 5), rtol=1e-5)
    assert list(done.var["cofactor"]) == [150, 5, 5]
    done.write_h5ad(tmp_path / "a.h5ad")


def test_no_cofactor_copies_transformed_values():
    adata = counts()
    adata.X = np.arcsinh(adata.X / 5)
    done = arcsinh(adata, None)
    np.testing.assert_array_equal(done.layers["preprocessed"], adata.X)
    assert done.layers["preprocessed"] is not done.X
    assert done.uns["cytof"] == {"cofactor": "none"}


@pytest.mark.parametrize(
    ("cofactor", "message"),
    [
        (0, "cofactor must be positive, not 0"),
        (float("nan"), "cofactor must be positive, not nan"),
        ({"CD3": 5, "pSTAT": 5}, r"cofactor: unknown marker 'pSTAT' \(did you mean 'pSTAT5'\?\)"),
        ({"CD3": 5}, r"cofactor: marker 'pSTAT5' has none \(1 have none\); give one to each"),
        (None, "cofactor is none but the data looks raw .*; give a cofactor, e.g. 5"),
    ],
)
def test_a_wrong_cofactor_is_refused(cofactor, message):
    with pytest.raises(InputError, match=message):
        arcsinh(counts(), cofactor)


def test_transforming_twice_is_refused():
    done = arcsinh(counts())
    with pytest.raises(InputError, match=r"layers\['preprocessed'\] is already there; transform raw values once"):
        arcsinh(done)
    again = done.copy()
    again.X = again.layers["preprocessed"]
    del again.layers["preprocessed"]  # Time is still huge: only the other markers tell
    with pytest.raises(InputError, match=r"looks transformed already \(99.9th percentile .*; set cofactor to none"):
        arcsinh(again)


def test_markers_are_what_is_not_technical():
    assert list(markers(counts()).var_names) == ["CD3", "pSTAT5"]


def test_sound_cells_pass():
    check(counts(), "blood")
    check(arcsinh(counts()), "blood")


def broken(what):
    adata = counts(n=10)
    if what == "nan":
        adata.X[:3, 1] = np.nan
    elif what == "nan in the layer":
        adata = arcsinh(adata)
        adata.layers["preprocessed"][:2, 0] = np.inf
        adata.layers["preprocessed"][:3, 1] = np.inf
    elif what == "constant":
        adata.X[:, 1] = 4
    elif what == "one cell in a batch":
        adata.obs["batch"] = ["a"] * 9 + ["b"]
    elif what == "no cells":
        adata = adata[:0].copy()
    elif what == "twins":
        adata.var_names = ["CD3", "CD3", "Time"]
    return adata


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "blood: marker 'pSTAT5' is not finite in 3 of 10 cells; remove these cells"),
        ("nan in the layer", r"marker 'pSTAT5' is not finite in 3 of 10 .* \(2 such markers: pSTAT5, CD3\)"),
        ("constant", "blood: marker 'pSTAT5' has the same value in 10 of 10 cells; leave it out of the panel"),
        ("one cell in a batch", "blood: batch 'b' has 1 cell; leave it out"),
        ("no cells", "blood has 0 cells by 3 markers"),
        ("twins", "blood: marker 'CD3' is listed 2 times"),
    ],
)
def test_what_training_cannot_survive_is_said_before(what, message):
    with pytest.raises(InputError, match=message):
        check(broken(what), "blood")


def test_a_technical_channel_may_be_constant():
    adata = counts(n=10)
    adata.X[:, 2] = 7
    check(adata, "blood")


@pytest.mark.parametrize("cofactor", [5.0, {"CD3": 5.0, "pSTAT5": 0.5}])
def test_raw_values_come_back_from_arcsinh_units(cofactor):
    adata = arcsinh(counts(), cofactor)
    each = cofactors(adata)
    assert (each["CD3"], each["pSTAT5"]) == ((5.0, 5.0) if cofactor == 5.0 else (5.0, 0.5))
    back = raw(adata.layers["preprocessed"], [each[m] for m in adata.var_names])
    np.testing.assert_allclose(back, adata.X, rtol=3e-6)
    np.testing.assert_array_equal(raw(adata.layers["preprocessed"], "none"), adata.layers["preprocessed"])


def test_cells_that_say_nothing_of_a_transform_have_no_cofactors():
    assert cofactors(counts()) == {}
    assert cofactors(arcsinh(AnnData(counts().X / 1e7, var=counts().var), None))["CD3"] == "none"


def test_the_columns_of_annotated_markers_are_found_again():
    file = table(["Time", "150Nd_CD45RA", "Er170Di", "147Sm"], ["Time", "150Nd_CD45RA", "170Er_CD3_e", "147Sm"])
    assert columns(file.var, annotate(file).var.iloc[::-1]) == [3, 2, 1, 0]
    panel = Panel(("er170di", "Time"), ("T cells", "when"), ("lineage", "technical"))
    assert columns(file.var, annotate(file, panel).var) == [2, 0]
    with pytest.raises(InputError, match="no channel 'X'"):
        columns(file.var, pd.DataFrame({"channel": ["X"], "marker": ["X"]}))


def test_a_panel_finds_channels_and_markers_however_they_are_written(tmp_path):
    adata = table(["Nd142Di", "Er170Di", "Yb174Di"], ["CD19", "CD3", "HLA-DR"])
    panel = Panel(("142Nd", "er170di", "HLADR"), ("B", "T", "MHC"), ("lineage",) * 3)
    assert list(annotate(adata, panel).X[0]) == [0, 1, 2]


def test_nan_is_right_only_where_a_whole_panel_lacks_what_another_measures():
    adata = arcsinh(counts(), 5.0)
    adata.obs["panel"] = adata.obs["batch"].to_numpy()
    adata.layers["preprocessed"][:250, 0] = np.nan
    check(adata, "cells")
    for bad in (slice(0, 250), 250):  # no panel has it; one cell of a panel that has it
        broken = adata.copy()
        broken.layers["preprocessed"][bad, 1] = np.nan
        broken.layers["preprocessed"][250:, 1] = np.nan if bad != 250 else broken.layers["preprocessed"][250:, 1]
        with pytest.raises(InputError, match="marker 'pSTAT5' is not finite in "):
            check(broken, "cells")
    del adata.obs["panel"]
    with pytest.raises(InputError, match="marker 'CD3' is not finite in 250 of 500 cells"):
        check(adata, "cells")
