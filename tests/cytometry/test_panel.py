import numpy as np
import openpyxl
import pandas as pd
import pytest
from cell_tables import table

from magan.cytometry.panel import Panel, annotate, columns, read_panel
from magan.errors import InputError

PANEL = "Channel,marker,kind\nNd142Di,CD19,lineage\nEr170Di,CD3,Lineage\nIr191Di,DNA1,technical\n"


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
        (PANEL.replace("CD3", ""), "line 3 has no marker; fill it in"),
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


def test_a_panel_may_be_catalysts_or_an_excel_file_and_kinds_follow_from_names(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("fcs_colname;antigen;marker_class\nNd142Di;CD19;type\nEr168Di;pS6;state\nIr191Di;DNA1;none\n")
    kinds = ("lineage", "functional", "technical")
    expected = Panel(("Nd142Di", "Er168Di", "Ir191Di"), ("CD19", "pS6", "DNA1"), kinds)
    assert read_panel(path) == expected
    path.write_text("fcs_colname,antigen\nNd142Di,CD19\nEr168Di,pS6\nIr191Di,DNA1\n,\n")
    assert read_panel(path) == expected
    book = openpyxl.Workbook()
    for row in zip(("channel", *expected.channels), ("marker", *expected.markers), ("kind", *kinds)):
        book.active.append(row)
    book.save(tmp_path / "panel.xlsx")
    assert read_panel(tmp_path / "panel.xlsx") == expected


def test_a_panel_names_what_would_be_doubtful(tmp_path):
    adata = table(["Pd104Di", "Er170Di"], ["pSTAT5", "CD3"])
    assert list(annotate(adata).var["role"]) == ["doubtful", "corrected"]
    named = annotate(adata, Panel(("Pd104Di",), ("pSTAT5",), ("functional",)))
    assert list(named.var["role"]) == ["corrected"] and list(named.var["to_correct"]) == [True]


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
    with pytest.raises(InputError, match=r"x\.fcs has no channel 'Nb142Di' \(did you mean 'Nd142Di'\?\); correct the"):
        annotate(adata, Panel(("Nb142Di",), ("CD19",), ("lineage",)), name="x.fcs")


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
