import anndata
import flowio
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs

from magan import keys
from magan.cytometry.arcsinh import arcsinh, cofactors
from magan.cytometry.check_markers import check
from magan.cytometry.combine_files import gather, read_many, stack, transform
from magan.cytometry.load import load_files
from magan.cytometry.panel import Panel
from magan.cytometry.read_cells import read
from magan.errors import InputError

TABLE = "CD3,CD19\n1.5,20\n0,300\n"
MARKERS = ["CD3", "CD4", "CD8a", "CD14", "CD19", "CD45", "CD56", "HLA-DR"]


def put(path, text=TABLE):
    path.write_text(text)
    return path


def put_cells(path, markers=MARKERS, n=20, seed=0, scale=100.0):
    counts = np.random.default_rng(seed).gamma(2, scale, (n, len(markers))).round(2)
    pd.DataFrame(counts, columns=markers).to_csv(path, index=False)
    return path


def put_fcs(path, values, channels, markers):
    with path.open("wb") as file:
        flowio.create_fcs(file, np.ravel(values).tolist(), channels, markers).close()
    return path


def sheet(folder, n=6, **more):
    """Rows of n good files in two batches."""
    return [
        {"path": str(put_cells(folder / f"{i}.csv", seed=i)), "sample": f"s{i}", "batch": "ab"[i % 2], **more}
        for i in range(n)
    ]


def left_out(adata, kind="file"):
    table = adata.uns[keys.LEFT_OUT]
    return {name.split("/")[-1]: reason for _, name, reason in table[table["kind"] == kind].itertuples(index=False)}


def test_files_are_stacked_with_their_columns_and_unique_names(tmp_path):
    put(tmp_path / "a.csv")
    put(tmp_path / "b.csv", "CD19,CD3\n7,8\n")  # the other order
    adata = read_many(
        [{"path": tmp_path / "a.csv", "batch": 1, "is_control": "true"},
         {"path": str(tmp_path / "b.csv"), "batch": 2, "is_control": False}]
    )  # fmt: skip
    np.testing.assert_array_equal(adata.X, np.float32([[1.5, 20], [0, 300], [8, 7]]))
    assert list(adata.obs_names) == ["a:0", "a:1", "b:0"]
    assert list(adata.obs["batch"]) == ["1", "1", "2"]
    assert list(adata.obs["is_control"]) == [True, True, False]
    assert list(adata.var["marker_type"]) == ["lineage", "lineage"]
    adata.write_h5ad(tmp_path / "c.h5ad")


def test_a_file_that_does_not_say_whether_it_is_a_control_is_none(tmp_path):
    rows = sheet(tmp_path, 4)
    rows[0] |= {"is_control": True, "donor": "d0"}
    rows[1] |= {"is_control": False}
    adata = load_files(rows, leave_out=True)
    known = adata.obs.drop_duplicates("sample").set_index("sample")
    assert known["is_control"].astype(bool).to_dict() == {"s0": True, "s1": False, "s2": False, "s3": False}
    assert known["donor"].to_dict() == {"s0": "d0", "s1": "unknown", "s2": "unknown", "s3": "unknown"}


def test_h5ad_files_with_equal_cell_names_are_told_apart(tmp_path):
    for stem in "ab":
        read(put(tmp_path / "same.csv")).write_h5ad(tmp_path / f"{stem}.h5ad")
    adata = read_many([{"path": tmp_path / "a.h5ad"}, {"path": tmp_path / "b.h5ad"}])
    assert list(adata.obs_names) == ["a:same:0", "a:same:1", "b:same:0", "b:same:1"]


def test_files_that_do_not_belong_together_are_refused_by_name(tmp_path):
    put(tmp_path / "a.csv")
    put(tmp_path / "b.csv", "CD3,CD20\n1,2\n")
    (tmp_path / "sub").mkdir()
    put(tmp_path / "sub" / "a.csv")
    a, b = {"path": tmp_path / "a.csv"}, {"path": tmp_path / "b.csv"}
    with pytest.raises(
        InputError, match=r"markers of .*a\.csv and .*b\.csv differ: \['CD19'\] missing from the second"
    ):
        read_many([a, b])
    with pytest.raises(InputError, match=r"columns of .* differ: \['donor'\] missing from the first"):
        read_many([a, {"path": put(tmp_path / "c.csv"), "donor": "x"}])
    with pytest.raises(InputError, match="2 files are called 'a', which names their cells; rename all but one"):
        read_many([a, {"path": tmp_path / "sub" / "a.csv"}])
    with pytest.raises(InputError, match="file 2 of the list has no path"):
        read_many([a, {"batch": "x"}])
    with pytest.raises(InputError, match="no file is given"):
        read_many([])


def test_cells_are_called_after_samples_where_each_file_is_one(tmp_path):
    for batch in "ab":
        (tmp_path / batch).mkdir()
        put_cells(tmp_path / batch / "A1.csv", n=2)
    rows = [{"path": tmp_path / batch / "A1.csv", "batch": batch, "sample": f"{batch}1"} for batch in "ab"]
    adata = load_files(rows)
    assert list(adata.obs_names) == ["a1:0", "a1:1", "b1:0", "b1:1"]
    assert set(adata.uns["source"]["files"]) == {"a A1.csv", "b A1.csv"}
    with pytest.raises(InputError, match=r"A1\.csv is listed 2 times; list each file once"):
        read_many([rows[0], {**rows[0], "sample": "other"}])


def test_bad_files_are_left_out_by_name_and_the_others_are_read(tmp_path):
    rows = sheet(tmp_path)
    whole = load_files(rows)
    bad = {"empty": write_fcs(tmp_path / "empty.fcs", rows=[]),
           "cut": write_fcs(tmp_path / "cut.fcs", keep=2050),
           "other": put_cells(tmp_path / "other.csv", [*MARKERS[:5], "X1", "X2", "X3"]),
           "log": put_cells(tmp_path / "log.csv", scale=1.0),
           "twice": put_cells(tmp_path / "twice.csv", [*MARKERS, "HLADR"]),
           "word": put(tmp_path / "word.xlsx")}  # fmt: skip
    rows += [{"path": str(path), "sample": name, "batch": "a"} for name, path in bad.items()]
    adata = load_files(rows, leave_out=True)
    told = left_out(adata)
    assert {name.split(".")[0] for name in told} == set(bad)
    np.testing.assert_array_equal(adata.X, whole.X)
    assert list(adata.obs_names) == list(whole.obs_names) and list(adata.var_names) == MARKERS
    assert "holds no events" in told["empty.fcs"] and "is cut short" in told["cut.fcs"]
    assert "lacks 3 of the 8 markers that most files have: CD45, CD56, HLA-DR; leave it out" in told["other.csv"]
    assert "looks transformed already" in told["log.csv"] and "unknown suffix" in told["word.xlsx"]
    assert "measured by 2 channels, 'HLA-DR' (HLA-DR) and 'HLADR' (HLADR)" in told["twice.csv"]
    assert set(adata.uns["source"]["files"]) == {f"{i}.csv" for i in range(6)}
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert left_out(again) == told and again.uns[keys.NAMES].equals(adata.uns[keys.NAMES])


@pytest.mark.parametrize("good", [0, 3])
def test_nothing_or_one_batch_left_is_an_error(tmp_path, good):
    rows = [row for row in sheet(tmp_path) if row["batch"] == "a"][:good]
    rows += [{"path": str(put(tmp_path / f"x{i}.csv", "CD3\nx\n")), "sample": f"x{i}", "batch": "b"} for i in range(2)]
    said = r"only batch 'a' of 2 is left without the bad files: .*x0\.csv" if good else "none of 2 files can be used; "
    with pytest.raises(InputError, match=said):
        load_files(rows, leave_out=True)


def test_a_marker_that_a_whole_batch_lacks_is_set_aside_and_no_file_is(tmp_path):
    rows = sheet(tmp_path)
    for row in rows:
        if row["batch"] == "b":
            put_cells(tmp_path / row["path"], [m for m in MARKERS if m != "CD56"])
    put_cells(tmp_path / "0.csv", [*MARKERS, "CD99"])
    adata = load_files(rows, leave_out=True)
    assert adata.n_obs == 120 and list(adata.var_names) == [m for m in MARKERS if m != "CD56"]
    told = left_out(adata, "marker")
    assert told["CD56"] == "3 of 6 files measure CD56" and told["CD99"] == "1 of 6 files measure CD99"
    assert not left_out(adata)
    names = adata.uns[keys.NAMES]
    assert set(names.loc[~names["kept"], "marker"]) == {"CD56", "CD99"}


def test_a_minority_batch_loses_a_marker_for_all_but_keeps_its_files(tmp_path):
    rows = sheet(tmp_path)
    put_cells(tmp_path / "5.csv", MARKERS[1:])
    rows[5]["batch"] = "c"
    adata = load_files(rows, leave_out=True)
    assert set(adata.obs["batch"]) == {"a", "b", "c"}
    assert left_out(adata, "marker") == {"CD3": "5 of 6 files measure CD3, no file of batch 'c' has it"}
    rows[5]["batch"] = "b"  # beside files of its batch that have it, the file is the odd one
    assert list(left_out(load_files(rows, leave_out=True))) == ["5.csv"]


def test_names_are_made_the_same_and_recorded(tmp_path):
    rows = sheet(tmp_path)
    put_cells(tmp_path / "1.csv", ["cd3", "CD4", "CD8A", "CD14", "CD19", "CD45", "NCAM", "HLA_DR"], seed=1)
    adata = load_files(rows)
    assert list(adata.var_names) == MARKERS
    np.testing.assert_array_equal(adata[20:40].X, read(tmp_path / "1.csv").X)
    names = adata.uns[keys.NAMES]
    changed = names[names["why"] != ""]
    assert dict(zip(changed["name"], changed["marker"])) == {
        "cd3": "CD3", "CD8A": "CD8a", "NCAM": "CD56", "HLA_DR": "HLA-DR"
    }  # fmt: skip
    renamed = load_files(rows, aliases={"HLA-DR": "MHC-II"})
    assert list(renamed.var_names) == [*MARKERS[:-1], "MHC-II"]
    with pytest.raises(InputError, match=r"aliases: no file has a marker 'HLA-DP' \(did you mean 'HLA-DR'\?\)"):
        load_files(rows, aliases={"HLA-DP": "MHC-II"})


def two_panels(folder):
    one = [{**row, "panel": "A"} for row in sheet(folder, 2)]
    other = [*MARKERS[:3], "CD99", "CD123"]
    return one + [
        {
            "path": str(put_cells(folder / f"p{i}.csv", other, seed=9 + i)),
            "sample": f"p{i}",
            "batch": "ab"[i],
            "panel": "B",
        }
        for i in range(2)
    ]


def test_panels_are_joined_and_what_a_panel_lacks_is_nan(tmp_path):
    adata = load_files(two_panels(tmp_path))
    assert list(adata.var_names) == [*MARKERS, "CD99", "CD123"] and adata.X.dtype == np.float32
    own = {"A": MARKERS, "B": [*MARKERS[:3], "CD99", "CD123"]}
    for panel, markers in own.items():
        cells = adata[adata.obs["panel"] == panel]
        lacking = [m for m in adata.var_names if m not in markers]
        for x in (cells.to_df(), cells.to_df("preprocessed")):
            assert np.isfinite(x[markers]).all(axis=None) and x[lacking].isna().all(axis=None)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    check(anndata.read_h5ad(tmp_path / "cells.h5ad"), "cells")
    for key, row in (("CD45", 0), ("CD3", 0)):
        broken = adata.copy()
        broken.layers["preprocessed"][row, broken.var_names.get_loc(key)] = np.nan
        with pytest.raises(InputError, match=f"marker '{key}' is not finite in 1 of 80 cells"):
            check(broken, "cells")


def test_each_panel_has_names_tables_and_a_cofactor_of_its_own(tmp_path):
    rows = two_panels(tmp_path)
    for i in range(2):
        put_cells(tmp_path / f"p{i}.csv", ["Cd3e", "Cd4", "Cd8", "CD99", "CD123"], scale=0.5)
    aliases = {"B": {"Cd3e": "CD3", "Cd8": "CD8a"}}
    adata = load_files(rows, aliases=aliases, cofactor={"A": 5.0, "B": None})
    assert adata.n_vars == 10
    parts = {panel: adata[adata.obs["panel"] == panel] for panel in "AB"}
    np.testing.assert_allclose(
        parts["A"].to_df("preprocessed")["CD4"], np.arcsinh(parts["A"].to_df()["CD4"] / 5), rtol=1e-5
    )
    np.testing.assert_array_equal(parts["B"].to_df("preprocessed")["CD4"], parts["B"].to_df()["CD4"])
    assert set(cofactors(parts["A"]).values()) == {5.0} and set(cofactors(parts["B"]).values()) == {"none"}
    assert cofactors(adata) == {}
    with pytest.raises(InputError, match="cofactor: panel 'B' has none; give one to each panel, or null"):
        load_files(rows, aliases=aliases, cofactor={"A": 5.0})
    table = Panel(("Cd4", "CD99"), ("CD4", "MIC2"), ("lineage", "functional"))
    adata = load_files(rows, panel={"B": table}, cofactor={"A": 5.0, "B": None})
    assert set(adata.var_names) == {*MARKERS, "MIC2"}


def test_counts_are_scaled_over_all_genes_and_logged(tmp_path):
    counts = np.random.default_rng(0).poisson(3, (30, 6)).astype(np.float32) + 1
    genes = AnnData(counts)
    genes.var_names = ["Cd3e", "Cd4", "MT-CO1", "MTCO1", "Actb", "Gapdh"]
    genes.write_h5ad(tmp_path / "rna.h5ad")
    rows = [{**row, "panel": "cytof"} for row in sheet(tmp_path, 2)]
    rows.append({"path": str(tmp_path / "rna.h5ad"), "sample": "rna", "batch": "a", "panel": "rna"})
    chosen = Panel(("Cd3e", "Cd4", "MT-CO1"), ("CD3", "CD4", "MT-CO1"), ("lineage", "lineage", "functional"))
    for panel in (None, {"rna": chosen}):
        adata = load_files(rows, counts=("rna",), aliases={} if panel else {"rna": {"Cd3e": "CD3"}}, panel=panel)
        rna = adata[adata.obs["panel"] == "rna"]
        expected = np.log1p(counts[:, :3] / counts.sum(axis=1, keepdims=True) * 1e4)
        np.testing.assert_allclose(rna.to_df("preprocessed")[["CD3", "CD4", "MT-CO1"]], expected, rtol=1e-5)
        np.testing.assert_array_equal(rna.to_df()[["CD3", "CD4"]], counts[:, :2])
    assert adata.uns["cytof"]["counts"] == {"rna": "scanpy normalize_total to 10,000 counts a cell, then log1p"}
    assert adata.uns["cytof"]["panels"] == {"cytof": 5.0, "rna": "none"}
    genes.X[0, 0] = 0.5
    genes.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.raises(InputError, match=r"rna\.h5ad holds 0\.5, which is no count; give raw counts"):
        load_files(rows, counts=("rna",))


def test_a_cofactor_per_marker_reaches_every_file(tmp_path):
    each = {marker: 1.0 + i for i, marker in enumerate(MARKERS)}
    adata = load_files(sheet(tmp_path, 2), cofactor=each)
    np.testing.assert_allclose(adata.layers["preprocessed"], np.arcsinh(adata.X / list(each.values())), rtol=1e-5)
    assert cofactors(adata) == each
    with pytest.raises(InputError, match=r"cofactor: unknown marker 'CD8' \(did you mean 'CD8a'\?\)"):
        load_files(sheet(tmp_path, 2), cofactor={**each, "CD8": 5.0})


def test_labels_that_some_files_lack_are_unknown(tmp_path):
    rows = sheet(tmp_path, 2)
    rows[0]["cell_type"] = str(put(tmp_path / "labels.txt", "T\n" * 20))
    adata = stack(gather(rows, leave_out=True))
    assert list(adata.obs["cell_type"]) == ["T"] * 20 + ["unknown"] * 20


def test_values_transformed_by_an_h5ad_file_are_kept(tmp_path):
    arcsinh(read(put_cells(tmp_path / "a.csv")), 7.0).write_h5ad(tmp_path / "a.h5ad")
    found = gather([{"path": str(tmp_path / "a.h5ad")}])
    assert transform(found, None) == {"cofactor": "none"}
    adata = stack(found)
    np.testing.assert_allclose(adata.layers["preprocessed"], np.arcsinh(adata.X / 7), rtol=1e-5)


def test_thirty_real_files_are_one_data_set(mirror, tmp_path):
    table = pd.read_csv(mirror / "krieg_panel3" / "Metadata.csv", dtype=str)
    folder = mirror / "krieg_panel3"
    rows = [{"path": str(folder / r.file_name), "sample": r.donor_id, "batch": r.batch, "group": r.group}
            for r in table.itertuples()]  # fmt: skip
    adata = load_files(rows, leave_out=True)
    assert adata.shape == (129712, 30) and adata.var["to_correct"].sum() == 25
    assert dict(adata.obs["batch"].value_counts()) == {"Data29": 97109, "Data23": 32603}
    assert adata.uns[keys.LEFT_OUT].empty and (adata.uns[keys.NAMES]["why"] == "").all()
    assert adata.obs_names[0] == "HD1:0" and adata.obs_names.is_unique
