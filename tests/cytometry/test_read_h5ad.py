"""Cells from .h5ad files as other programs write them."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs
from scipy import sparse

from magan.cytometry import read_h5ad
from magan.cytometry.read_cells import read
from magan.errors import InputError

X = np.random.default_rng(0).gamma(2, 50, (20, 4)).astype(np.float32)


def put(folder, x=X, index=("a", "b", "c", "d"), layers=None, **columns):
    adata = AnnData(x, var=pd.DataFrame(columns, index=list(index)), layers=layers)
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def test_a_marker_without_a_name_is_called_by_its_channel(tmp_path):
    channels = ["FSC-A", "BV421-A", "PE-A", "Time"]
    for empty in ("", np.nan, None, "nan"):
        file = put(tmp_path, index=channels, channel=channels, marker=pd.Categorical([empty, "CD3", "CD19", empty]))
        adata = read(file)
        assert list(adata.var_names) == ["FSC-A", "CD3", "CD19", "Time"]
        assert list(adata.var["channel"]) == channels
        assert list(adata.var["role"]) == ["as measured", "corrected", "corrected", "as measured"]
        np.testing.assert_array_equal(adata.X, X)


def test_what_readfcs_makes_of_an_fcs_file_is_read(tmp_path):
    write_fcs(tmp_path / "a.fcs", keywords={"$P2N": "Time", "$P2S": None})
    readfcs = pytest.importorskip("readfcs")
    readfcs.read(str(tmp_path / "a.fcs")).write_h5ad(tmp_path / "a.h5ad")
    ours = read(tmp_path / "a.fcs")
    theirs = read(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(ours.var, theirs.var, check_names=False)
    np.testing.assert_allclose(ours.X, theirs.X)


def test_catalysts_columns_of_channels_and_classes_count(tmp_path):
    file = put(
        tmp_path,
        channel_name=["Nd142Di", "Er170Di", "Gd155Di", "Ir191Di"],
        marker_name=["CD19", "CD3", "pS6", "DNA1"],
        marker_class=pd.Categorical(["type", "type", "state", "none"]),
        layers={"exprs": np.arcsinh(X / 5)},
    )
    adata = read(file)
    assert list(adata.var["channel"]) == ["Nd142Di", "Er170Di", "Gd155Di", "Ir191Di"]
    assert list(adata.var["marker"]) == ["CD19", "CD3", "pS6", "DNA1"]
    assert list(adata.var["marker_type"]) == ["lineage", "lineage", "functional", "technical"]
    assert list(adata.var["to_correct"]) == [True, True, True, False]


def test_channels_that_are_numbers_and_names_that_repeat_are_read(tmp_path):
    file = put(tmp_path, index=("CD3", "CD4", "CD8", "CD19"), channel=[0, 1, 2, 3])
    assert list(read(file).var["channel"]) == ["0", "1", "2", "3"]
    file = put(tmp_path, index=("x", "x", "y", "z"), channel=["A", "B", "C", "D"], marker=["CD3", "CD4", "CD8", "CD19"])
    assert list(read(file).var_names) == ["CD3", "CD4", "CD8", "CD19"]
    with pytest.raises(InputError, match="marker 'x' is listed twice"):
        read(put(tmp_path, index=("x", "x", "y", "z")))


def test_sparse_values_are_read(tmp_path):
    file = put(tmp_path, sparse.csr_matrix(X), layers={"preprocessed": sparse.csc_matrix(np.arcsinh(X))})
    adata = read(file)
    np.testing.assert_array_equal(adata.X, X)
    np.testing.assert_allclose(adata.layers["preprocessed"], np.arcsinh(X))
    assert isinstance(adata.layers["preprocessed"], np.ndarray)


@pytest.mark.parametrize(
    ("x", "layers", "sentence"),
    [
        (np.full((20, 4), "a"), None, "X holds values of type .*, not real numbers"),
        (X > 50, None, "X holds values of type bool, not real numbers"),
        (X + 1j, None, "X holds values of type complex64, not real numbers"),
        (X, {"preprocessed": X * 1j}, r"layers\['preprocessed'\] holds values of type complex"),
        (np.where(X > 150, np.nan, X), None, "column 'd' is empty or not finite in .* of 20 cells"),
    ],
)
def test_values_that_are_no_real_numbers_are_refused_in_a_sentence(tmp_path, x, layers, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        read(put(tmp_path, x, layers=layers))
    assert "\n" not in str(error.value) and "cells.h5ad" in str(error.value)


def test_nan_in_a_channel_that_is_no_marker_is_let_through(tmp_path):
    x = X.copy()
    x[3, 3] = np.nan
    adata = read(put(tmp_path, x, index=("CD3", "CD19", "CD4", "cluster_id")))
    assert np.isnan(adata.X[3, 3]) and not adata.var.loc["cluster_id", "to_correct"]


@pytest.mark.parametrize("code", ["while True: pass", "os.abort()"])
def test_a_file_on_which_hdf5_hangs_or_crashes_is_refused(code, tmp_path, monkeypatch):
    """Its C library cannot be interrupted, so a second process looks first; here that process is played."""
    limit = "import os, resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\n"
    monkeypatch.setattr(read_h5ad, "PROBE", limit + code)
    with pytest.raises(InputError, match=r"cells.h5ad is damaged: HDF5 crashes or does not end.*; write it again"):
        read(put(tmp_path))


def test_a_process_that_the_machine_ends_says_nothing_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(read_h5ad, "PROBE", "import os; os.kill(os.getpid(), 9)")
    assert read(put(tmp_path)).n_obs
