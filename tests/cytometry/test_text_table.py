"""Tables of text in the forms that programs and countries give them."""

import gzip

import numpy as np
import pandas as pd
import pytest

from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.read_cells import read
from magan.cytometry.text_table import dialect
from magan.cytometry.write_corrected import write
from magan.errors import InputError

VALUES = np.array([[15.5, 61.25], [2524.75, -89.5], [0.0, 1e5], [7.0, 8.125]], dtype=np.float32)


def text(separator=",", decimal=".", names=("CD3", "CD19"), end="\n") -> str:
    lines = [separator.join(names)] + [separator.join(f"{v:.3f}".replace(".", decimal) for v in row) for row in VALUES]
    return end.join(lines) + end


FORMS = {
    "commas": (text(), "utf-8"),
    "tabs": (text("\t"), "utf-8"),
    "semicolons": (text(";"), "utf-8-sig"),
    "semicolons and decimal commas": (text(";", ","), "utf-8"),
    "tabs and decimal commas": (text("\t", ","), "utf-16"),
    "UTF-16 without a mark": (text(), "utf-16-le"),
    "UTF-16 of the other order": (text(), "utf-16-be"),
    "Windows": (text(names=("CD3", "TCRγδ".replace("γδ", "gd") + " µ"), end="\r\n"), "cp1252"),
    "quotes": (text(names=('"CD3, clone 1"', '"CD19"')), "utf-8"),
    "pipes": (text("|"), "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_table_in_any_form_is_read_and_written_again_in_it(tmp_path, form):
    words, encoding = FORMS[form]
    file = tmp_path / "a.csv"
    file.write_bytes(words.encode(encoding))
    cells = read(file)
    np.testing.assert_array_equal(cells.X, VALUES)
    corrected = arcsinh(cells, 5.0)
    corrected.layers["integrated"] = corrected.layers["preprocessed"]
    corrected.X = VALUES.copy()
    write(file, corrected, tmp_path / "same.csv", provenance={})
    form_after = dialect(tmp_path / "same.csv")
    assert (form_after.separator, form_after.decimal) == (dialect(file).separator, dialect(file).decimal)
    same = (tmp_path / "same.csv").read_bytes().decode(form_after.encoding)
    assert same.splitlines()[1:] == words.splitlines()[1:]
    corrected.X[1] += 1.5
    write(file, corrected, tmp_path / "new.csv", provenance={})
    np.testing.assert_array_equal(read(tmp_path / "new.csv").X, corrected.X)


def test_rows_and_columns_of_separators_alone_are_no_cells_and_stay_where_they_are(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("CD3;CD19;;\n1,5;2;;\n;;;\n3;4,25;;\n;;;\n")
    cells = read(file)
    np.testing.assert_array_equal(cells.X, np.float32([[1.5, 2], [3, 4.25]]))
    corrected = cells.copy()
    corrected.X = np.float32([[1.5, 2], [9.5, 4.25]])
    write(file, corrected, tmp_path / "b.csv", provenance={})
    assert (tmp_path / "b.csv").read_text() == "CD3;CD19;;\n1,5;2;;\n;;;\n9,5;4,25;;\n;;;\n"


def test_a_header_of_flowjo_holds_channel_and_marker(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("FSC-A,Comp-BV421-A :: CD3,Comp-PE-A,Nd142Di :: 142Nd_CD19,Time\n1,2,3,4,5\n")
    var = read(file).var
    assert list(var["channel"]) == ["FSC-A", "BV421-A", "Comp-PE-A", "Nd142Di", "Time"]
    assert list(var["marker"]) == ["FSC-A", "CD3", "Comp-PE-A", "CD19", "Time"]
    assert list(var["role"]) == ["as measured", "corrected", "as measured", "corrected", "as measured"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("CD3,CD19\nTrue,1.5\nTrue,2\n", "'True' in column 'CD3', cell 1, is no number"),
        ("CD3,CD19\nTrue,1.5\n2,2\n", "'True' in column 'CD3', cell 1, is no number"),
        ("CD3,CD19\n15,5,61,3\n", "numbers with decimal commas need semicolons between them"),
        ("CD3;CD19\n1.234,5;2\n", r"'1\.234,5' in column 'CD3', cell 1, is no number"),
        ("CD3,CD19\n1,2\x00\n", "is not text"),
    ],
)
def test_what_is_no_number_is_refused_by_column_and_cell(tmp_path, words, sentence):
    (tmp_path / "a.csv").write_text(words)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "a.csv")


def test_words_in_a_column_that_is_no_marker_are_let_through(tmp_path):
    (tmp_path / "a.csv").write_text("CD3,CD19,FlowSOM_metacluster\n1,2,T cells\n3,4,\n")
    cells = read(tmp_path / "a.csv")
    assert np.isnan(cells.X[:, 2]).all() and list(cells.var["to_correct"]) == [True, True, False]


def test_packed_tables_are_read_in_any_form(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text(";", ",").encode("utf-16")))
    np.testing.assert_array_equal(read(tmp_path / "a.csv.gz").X, VALUES)


def test_pandas_reads_what_is_written(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(text(";", ","))
    cells = read(file)
    cells.X[0, 0] = 16.25
    write(file, cells, tmp_path / "b.csv", provenance={})
    assert pd.read_csv(tmp_path / "b.csv", sep=";", decimal=",").iloc[0, 0] == 16.25
