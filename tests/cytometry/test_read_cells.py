import gzip

import flowio
import numpy as np
import pytest
from anndata import AnnData

from magan.cytometry.panel import Panel
from magan.cytometry.read_cells import opened, read
from magan.errors import InputError

TABLE = "CD3,CD19\n1.5,20\n0,300\n"


def put(path, text=TABLE):
    path.write_text(text)
    return path


def put_fcs(path, values, channels, markers):
    with path.open("wb") as file:
        flowio.create_fcs(file, np.ravel(values).tolist(), channels, markers).close()
    return path


def test_a_table_becomes_cells_by_markers(tmp_path):
    adata = read(put(tmp_path / "blood.csv"), obs={"batch": "day1", "donor": "d7"})
    np.testing.assert_array_equal(adata.X, np.float32([[1.5, 20], [0, 300]]))
    assert adata.X.dtype == np.float32
    assert list(adata.var_names) == list(adata.var["channel"]) == ["CD3", "CD19"]
    assert list(adata.var["to_correct"]) == [True, True]
    assert list(adata.obs_names) == ["blood:0", "blood:1"]
    assert adata.obs.iloc[0].to_dict() == {"batch": "day1", "donor": "d7", "sample": "blood"}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.csv.gz", "a.tsv.gz", "A.CSV"])
def test_separator_and_compression_do_not_matter(tmp_path, name):
    text = TABLE.replace(",", "\t") if ".t" in name else TABLE
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    adata = read(tmp_path / name)
    np.testing.assert_array_equal(adata.X, np.float32([[1.5, 20], [0, 300]]))
    assert adata.obs_names[0].lower() == "a:0"


def test_row_names_and_labels_are_no_markers(tmp_path):
    text = ",CD3,cell_type,is_control,CD19\ncell-a,1,T,true,2\ncell-b,3,B,No,4\n"
    adata = read(put(tmp_path / "a.csv", text))
    np.testing.assert_array_equal(adata.X, [[1, 2], [3, 4]])
    assert list(adata.obs["cell_type"]) == ["T", "B"]
    assert list(adata.obs["is_control"]) == [True, False]


def test_a_table_without_header_needs_its_markers(tmp_path):
    file = put(tmp_path / "a.csv", "1,2\n3,4\n")
    np.testing.assert_array_equal(read(file, markers=["CD3", "CD19"]).X, [[1, 2], [3, 4]])
    with pytest.raises(InputError, match=r"has no header row \(it begins \['1', '2'\]\); add one or give markers="):
        read(file)
    with pytest.raises(InputError, match="has 2 columns but 1 markers are given"):
        read(file, markers=["CD3"])
    with pytest.raises(InputError, match="has a header row"):
        read(put(tmp_path / "b.csv"), markers=["CD3", "CD19"])


def test_an_isotope_in_a_column_name_becomes_the_channel(tmp_path):
    adata = read(put(tmp_path / "a.csv", "150Nd_CD45RA,143Nd_CD123_IL-3R\n1,2\n"))
    assert list(adata.var_names) == ["CD45RA", "CD123"]
    assert list(adata.var["channel"]) == ["150Nd", "143Nd"]


def test_an_h5ad_file_keeps_its_names_labels_and_layers(tmp_path):
    adata = read(put(tmp_path / "a.csv"), obs={"batch": "x", "cell_type": "B"})
    adata.layers["preprocessed"] = adata.X / 2
    adata.write_h5ad(tmp_path / "b.h5ad")
    again = read(tmp_path / "b.h5ad")
    np.testing.assert_array_equal(again.layers["preprocessed"], adata.X / 2)
    assert list(again.obs_names) == ["a:0", "a:1"]
    assert again.obs.astype(str).equals(adata.obs.astype(str))
    assert again.var.astype(str).equals(adata.var.astype(str))


def test_a_bare_h5ad_file_is_described(tmp_path):
    adata = AnnData(np.ones((2, 2)))
    adata.var_names = ["CD3", "Time"]
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata = read(tmp_path / "a.h5ad")
    assert list(adata.var["marker_type"]) == ["lineage", "technical"]
    assert adata.X.dtype == np.float32
    assert {"batch", "sample"} <= set(adata.obs)


def test_an_fcs_file_is_read_through_a_panel(tmp_path):
    file = put_fcs(tmp_path / "a.fcs", [[1, 2, 3]], ["Nd142Di", "Er170Di", "Time"], ["CD19", "CD3", ""])
    panel = Panel(("Er170Di", "nd142di"), ("CD3e", "CD19"), ("lineage", "functional"))
    adata = read(file, panel=panel)
    np.testing.assert_array_equal(adata.X, [[2, 1]])
    assert list(adata.var_names) == ["CD3e", "CD19"]
    assert list(adata.var["channel"]) == ["Er170Di", "Nd142Di"]


REFUSED = {
    "a word": ("CD3,CD19\n1,2\n3,high\n", r"'high' in column 'CD19', cell 2, is no number"),
    "an empty field": ("CD3,CD19\n1,\n3,4\n", r"column 'CD19' is empty or not finite in 1 of 2 cells"),
    "an infinite value": ("CD3,CD19\n1,inf\n3,4\n", r"column 'CD19' is empty or not finite in 1 of 2 cells"),
    "a column twice": ("CD3,CD3\n1,2\n", "column 'CD3' is there 2 times"),
    "a column without name": ("CD3,,CD19\n1,2,3\n", "column 2 has no name"),
    "a longer row": ("CD3,CD19\n1,2\n3,4,5\n", "is no table"),
    "longer rows": ("CD3,CD19\n1,2,3\n", "has 2 names in its first row but 3 columns below"),
    "no cells": ("CD3,CD19\n", "is no table|holds 0 cells"),
    "nothing": ("", "has an empty first line"),
    "a bad flag": ("CD3,is_control\n1,perhaps\n", "is_control is 'perhaps'; write true or false"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_is_no_matrix_of_numbers_is_refused(tmp_path, case):
    text, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as error:
        read(put(tmp_path / "a.csv", text))
    assert str(tmp_path / "a.csv") in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_and_unknown_files_are_refused(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"unknown suffix '\.xlsx'; files ending in \.fcs, \.lmd, \.h5ad.* are read"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match=r"a\.csv does not exist"):
        read(tmp_path / "a.csv")
    with pytest.raises(InputError, match="cannot be read as h5ad"):
        read(put(tmp_path / "a.h5ad"))
    (tmp_path / "a.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read as text"):
        read(tmp_path / "a.csv.gz")


def test_populations_come_from_a_column_of_the_file(tmp_path):
    text = put(tmp_path / "a.csv", "CD3,gate,CD19\n1,T cell,2\n3,B cell,4\n")
    adata = opened(text, cell_type="gate")
    assert list(adata.obs["cell_type"]) == ["T cell", "B cell"] and list(adata.var["marker"]) == ["CD3", "CD19"]
    fcs = put_fcs(tmp_path / "a.fcs", [[1, 7], [2, 12]], ["Nd142Di", "label"], ["CD19", ""])
    adata = opened(fcs, cell_type="label")
    assert list(adata.obs["cell_type"]) == ["7", "12"] and list(adata.var["marker"]) == ["CD19"]
    read(text_of(tmp_path)).write_h5ad(tmp_path / "a.h5ad")
    adata = opened(tmp_path / "a.h5ad", cell_type="donor")
    assert list(adata.obs["cell_type"]) == ["x", "y"]
    with pytest.raises(InputError, match=r"a\.fcs has no column 'labl' \(did you mean 'label'\?\)"):
        opened(fcs, cell_type="labl")


def text_of(folder):
    return put(folder / "b.csv", "CD3,donor,CD19\n1,x,2\n3,y,4\n")


@pytest.mark.parametrize("text", ["T cell\nB cell\n", 'population\n"T cell"\nB cell'])
def test_populations_come_from_a_file_of_labels(tmp_path, text):
    adata = opened(put(tmp_path / "a.csv"), cell_type=str(put(tmp_path / "labels.txt", text)))
    assert list(adata.obs["cell_type"]) == ["T cell", "B cell"]


def test_labels_of_other_cells_are_refused(tmp_path):
    labels = put(tmp_path / "labels.txt", "T\n")
    with pytest.raises(InputError, match=r"labels\.txt holds 1 lines for the 2 cells of .*a\.csv; give one label per"):
        opened(put(tmp_path / "a.csv"), cell_type=str(labels))


def test_every_spelling_of_a_flag_is_read(tmp_path):
    words = ["true", "Yes", "1", "TRUE", "false", "NO", "0"]
    text = "CD3,is_control\n" + "".join(f"{i},{word}\n" for i, word in enumerate(words))
    assert list(read(put(tmp_path / "a.csv", text)).obs["is_control"]) == [True] * 4 + [False] * 3
