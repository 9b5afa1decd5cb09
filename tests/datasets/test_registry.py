import dataclasses
import hashlib
import importlib.util
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import anndata
import numpy as np
import pandas as pd
import pytest

from magan.cytometry.load import load_files
from magan.cytometry.read_cells import read
from magan.datasets import cells
from magan.datasets.download import File
from magan.datasets.kinds import KINDS
from magan.datasets.registry import DATASETS, DataSet, fetch, load
from magan.errors import InputError

CONTENT = b"CD3,CD19\n150,2\n0,300\n90,4\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def toy(monkeypatch):
    """A data set of one small file, registered for the length of a test."""
    dataset = DataSet("toy", "cells", (File("a.csv", DIGEST),), "none", "nobody", "raw", lambda paths: None)
    monkeypatch.setitem(DATASETS, "toy", dataset)
    return dataset


@pytest.fixture
def folder(tmp_path):
    """A mirror with the file of `toy`."""
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "a.csv").write_bytes(CONTENT)
    return tmp_path / "mirror"


@pytest.fixture
def server(folder):
    """The mirror over HTTP on this machine; ``.requests`` lists what was asked for."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            server.requests.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server):
    return f"http://127.0.0.1:{server.server_port}"


def test_a_mirror_folder_is_used_in_place(toy, folder, tmp_path):
    paths = fetch("toy", mirror=folder, cache=tmp_path / "cache")
    assert paths == {"a.csv": folder / "toy" / "a.csv"}
    assert not (tmp_path / "cache").exists()


def test_a_file_is_downloaded_once_from_a_mirror(toy, server, tmp_path):
    for _ in range(2):
        paths = fetch("toy", mirror=url(server), cache=tmp_path / "cache")
    assert paths["a.csv"].read_bytes() == CONTENT
    assert sum("/toy/a.csv" in request for request in server.requests) == 1
    assert [path.name for path in (tmp_path / "cache" / "toy").iterdir()] == ["a.csv"]  # no half file is left


def test_without_a_mirror_the_files_own_address_is_used(toy, server, tmp_path, monkeypatch):
    file = File("a.csv", DIGEST, f"{url(server)}/toy/a.csv")
    monkeypatch.setitem(DATASETS, "toy", dataclasses.replace(toy, files=(file,)))
    assert fetch("toy", cache=tmp_path)["a.csv"] == tmp_path / "toy" / "a.csv"


def test_a_file_with_another_hash_is_refused_wherever_it_is(toy, folder, server, tmp_path):
    (folder / "toy" / "a.csv").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError, match=rf"a\.csv has sha256 {found}, expected {DIGEST}; "):
        fetch("toy", mirror=str(folder), cache=tmp_path)
    with pytest.raises(InputError, match=rf"http.*a\.csv has sha256 {found}, expected {DIGEST}; http.* has changed"):
        fetch("toy", mirror=url(server), cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "toy").iterdir()) == []
    (tmp_path / "cache" / "toy" / "a.csv").write_bytes(b"other")
    with pytest.raises(InputError, match="delete it, and it is downloaded again"):
        fetch("toy", mirror=url(server), cache=tmp_path / "cache")


def test_files_that_cannot_be_had_are_named_with_the_remedy(toy, folder, server, tmp_path):
    with pytest.raises(
        InputError, match=r"unknown data set 'wishbon' \(did you mean 'wishbone'\?\); known are wishbone"
    ):
        fetch("wishbon", cache=tmp_path)
    (folder / "toy" / "a.csv").unlink()
    with pytest.raises(InputError, match=r"toy/a\.csv does not exist; add it, or correct data\.mirror"):
        fetch("toy", mirror=str(folder), cache=tmp_path)
    with pytest.raises(InputError, match=r"http.*/toy/a\.csv cannot be downloaded .*404.*; set data\.mirror to a copy"):
        fetch("toy", mirror=url(server), cache=tmp_path)
    with pytest.raises(
        InputError, match=r"a\.csv has no address to download from; set data\.mirror to a folder or URL"
    ):
        fetch("toy", cache=tmp_path)


def test_an_unreachable_address_and_an_unwritable_cache_are_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:1/toy/a\.csv cannot be downloaded"):
        fetch("toy", mirror="http://127.0.0.1:1", cache=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cache folder .*file/toy cannot be written \(.*\); set another one"):
        fetch("toy", mirror="http://127.0.0.1:1", cache=tmp_path / "file")


def test_a_package_that_is_not_installed_is_named(monkeypatch, tmp_path):
    absent = dataclasses.replace(DATASETS["cytonorm"], package="surely_not_installed_anywhere")
    monkeypatch.setitem(DATASETS, "cytonorm", absent)
    with pytest.raises(InputError, match=r"not installed; run pip install magan\[demo\]"):
        fetch("cytonorm", cache=tmp_path)


def test_own_files_are_transformed_and_leave_their_digests(tmp_path):
    (tmp_path / "a.csv").write_bytes(CONTENT)
    (tmp_path / "b.csv").write_bytes(CONTENT.replace(b"150", b"151"))
    files = [{"path": tmp_path / "a.csv", "batch": "x"}, {"path": tmp_path / "b.csv", "batch": "y"}]
    adata = load_files(files, cofactor=5, name="mine")
    np.testing.assert_allclose(adata.layers["preprocessed"], np.arcsinh(adata.X / 5), rtol=1e-6)
    assert adata.uns["source"]["name"] == "mine"
    assert adata.uns["source"]["files"]["a.csv"] == DIGEST != adata.uns["source"]["files"]["b.csv"]
    adata.write_h5ad(tmp_path / "c.h5ad")
    again = load_files([{"path": tmp_path / "c.h5ad"}], cofactor=None)
    np.testing.assert_array_equal(again.layers["preprocessed"], adata.layers["preprocessed"])


def test_a_constant_marker_of_own_files_is_set_aside_and_without_another_the_files_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("CD3,CD19\n150,2\n90,2\n")
    adata = load_files([{"path": tmp_path / "a.csv"}], name="mine")
    assert list(adata.var["to_correct"]) == [True, False]
    channels = adata.uns["channels"].set_index("marker")
    assert list(channels.loc["CD19", ["role", "reason"]]) == ["as measured", "2 in every cell"]
    (tmp_path / "a.csv").write_text("CD3,CD19\n150,2\n150,2\n")
    with pytest.raises(InputError, match="no marker is left to correct: CD3 is 150 in every cell; give other files"):
        load_files([{"path": tmp_path / "a.csv"}], name="mine")


def test_every_data_set_says_what_it_is():
    for name, dataset in DATASETS.items():
        assert dataset.name == name and dataset.licence and dataset.citation
        assert dataset.kind in ("cells", "images") and dataset.state in ("raw", "transformed")
        for file in dataset.files:
            assert len(file.sha256) == 64
            assert file.url is None or file.url.endswith(f"/{file.path}")


def test_digits_need_no_file(tmp_path):
    assert load("digits", cache=tmp_path).shape == (1797, 64)
    assert fetch("digits", cache=tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "shape", "cofactor"),
    [
        ("wishbone", (25000, 13), "none"),
        ("huimm", (20000, 21), "none"),
        ("shaham_p1", (6784, 25), 5.0),
        ("krieg_panel3", (129712, 30), 5.0),
    ],
)
def test_real_cells_are_complete(mirror, tmp_path, name, shape, cofactor):
    adata = load(name, mirror=str(mirror), cache=tmp_path)
    assert adata.shape == shape
    assert adata.uns["cytof"]["cofactor"] == cofactor
    assert adata.layers["preprocessed"].max() < 12 and adata.layers["preprocessed"].dtype == np.float32
    assert {"batch", "sample"} <= set(adata.obs) and adata.obs_names.is_unique
    assert set(adata.uns["source"]["files"]) == {file.path for file in DATASETS[name].files}
    adata.write_h5ad(tmp_path / "cells.h5ad")
    written = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert written.uns["source"]["files"] == adata.uns["source"]["files"]
    np.testing.assert_array_equal(read(tmp_path / "cells.h5ad").layers["preprocessed"], adata.layers["preprocessed"])


def test_labels_of_huimm_fit_what_the_cells_show(mirror, tmp_path):
    adata = load("huimm", mirror=str(mirror), cache=tmp_path)
    markers = "CD45 CD123 CD19 CD4 CD8a CD11c CD45RO CD45RA CD161 CD27 CD57 CD28 CD38 CD56 TCRgd CD294 CD197"
    assert list(adata.var_names) == [*markers.split(), "CD14", "CD3", "CD20", "HLA-DR"]
    sizes = adata.obs["cell_type"].value_counts()
    assert sizes["CD4 naive"] == 2710 and sizes["CD4 CM"] == 938 and len(sizes) == 21
    median = adata.to_df("preprocessed").groupby(adata.obs["cell_type"]).median()
    assert median["CD45RA"]["CD4 naive"] > median["CD45RA"]["CD4 CM"] + 1
    assert median["CD19"].nlargest(2).index.tolist() in (["naive B", "memory B"], ["memory B", "naive B"])


def test_huimm_is_parted_into_two_panels_that_share_nine_markers_and_keeps_the_truth(mirror, tmp_path):
    adata, whole = (load(name, mirror=str(mirror), cache=tmp_path) for name in ("huimm_panels", "huimm"))
    assert list(adata.obs_names) == list(whole.obs_names)
    np.testing.assert_array_equal(adata.layers["truth"], whole.layers["preprocessed"])
    for panel, lacks in (("A", cells.HUIMM_ONLY["B"]), ("B", cells.HUIMM_ONLY["A"])):
        part = adata[adata.obs["panel"] == panel]
        measured = np.isfinite(part.layers["preprocessed"])
        assert list(adata.var_names[~measured.any(axis=0)]) == [m for m in adata.var_names if m in lacks]
        assert (measured.all(axis=0) | ~measured.any(axis=0)).all() and 0.49 < part.n_obs / adata.n_obs < 0.51
        np.testing.assert_array_equal(part.layers["preprocessed"][measured], part.layers["truth"][measured])
    table = pd.crosstab(whole.obs["cell_type"].astype(str).str.split().str[-1], adata.obs["cell_type"])
    assert table.loc["B"].idxmax() == "B" and table.loc["NK"].idxmax() == "NK"


def test_labels_of_shaham_mark_cd8_t_cells_and_columns_are_in_the_documented_order(mirror, tmp_path):
    assert list(cells.SHAHAM_MARKERS) == (mirror / "shaham_p1" / "markers.txt").read_text().split()
    adata = load("shaham_p1", mirror=str(mirror), cache=tmp_path)
    baseline = adata[adata.obs["visit"] == "baseline"]
    median = baseline.to_df("preprocessed").groupby(baseline.obs["cell_type"]).median()
    assert median["CD8a"]["CD8"] > median["CD8a"]["other"] + 2 and median["CD3"]["CD8"] > 3
    assert pd.crosstab(adata.obs["batch"], adata.obs["visit"]).to_numpy().tolist() == [[1911, 1858], [1555, 1460]]


@pytest.mark.skipif(importlib.util.find_spec("cytonormpy") is None, reason="cytonormpy is not installed")
def test_cytonorm_is_gated_into_the_populations_of_blood_in_every_batch(tmp_path):
    adata = load("cytonorm", cache=tmp_path)
    assert adata.shape == (6000, 55) and adata.obs["is_control"].all()
    table = pd.crosstab([adata.obs["batch"], adata.obs["sample"]], adata.obs["cell_type"], normalize="index")
    assert [batch for batch, _ in table.index] == ["PTLG021", "PTLG021", "PTLG028", "PTLG028", "PTLG034", "PTLG034"]
    usual = {"neutrophil": (0.4, 0.7), "CD4 T": (0.08, 0.25), "CD8 T": (0.05, 0.2), "monocyte": (0.04, 0.15)}
    usual |= {"B": (0.01, 0.08), "NK": (0.005, 0.08), "other": (0, 0.2)}
    for population, (low, high) in usual.items():
        assert table[population].between(low, high).all(), population
    # A fraction is the donor's, not the batch's: it moves less between batches than a threshold that ignores them.
    assert (table.groupby("sample").max() - table.groupby("sample").min()).to_numpy().max() < 0.11
    median = adata.to_df("preprocessed").groupby(adata.obs["cell_type"].astype(str)).median()
    for marker, population in {"CD3": "CD4 T", "CD8a": "CD8 T", "CD14": "monocyte", "HLADR": "B", "CD56": "NK"}.items():
        assert median[marker].idxmax() == population, marker
    kinds = adata.var["marker_type"]
    assert (kinds[["Time", "BC1", "DNA1", "beadDist", "Y89Di", "Ce140Di"]] == "technical").all()
    assert (kinds != "technical").sum() == 37


@pytest.mark.skipif(importlib.util.find_spec("cytonormpy") is None, reason="cytonormpy is not installed")
def test_a_damaged_package_file_is_refused(tmp_path, monkeypatch):
    first, *rest = DATASETS["cytonorm"].files
    damaged = dataclasses.replace(DATASETS["cytonorm"], files=(dataclasses.replace(first, sha256="0" * 64), *rest))
    monkeypatch.setitem(DATASETS, "cytonorm", damaged)
    with pytest.raises(InputError, match=r"Control_1\.fcs has sha256 852c.*, expected 0000"):
        fetch("cytonorm", cache=tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("mnist28", (70000, 1, 28, 28), 10),
        ("mnist_background", (10000, 1, 28, 28), 10),
        ("mnist_coloured", (10000, 3, 28, 28), 60),
        ("moving_digits", (10000, 6, 28, 28), 10),
    ],
)
def test_real_images_are_bytes_with_their_shape_classes_and_source(mirror, tmp_path, name, shape, classes):
    adata = load(name, mirror=str(mirror), cache=tmp_path)
    assert (adata.n_obs, *adata.uns["image"]["shape"]) == shape and adata.n_vars == np.prod(shape[1:])
    assert adata.X.dtype == np.uint8 and adata.X.max() == 255 and adata.obs["cell_type"].nunique() == classes
    assert adata.uns["source"]["name"] == name and list(adata.uns["source"]["files"]) == [DATASETS[name].files[0].path]


def test_images_of_another_hash_are_refused(tmp_path):
    (tmp_path / "emoji").mkdir()
    (tmp_path / "emoji" / "emoji_pairs_64.npz").write_bytes(b"other")
    with pytest.raises(InputError, match=r"emoji_pairs_64\.npz has no readable arrays .* emoji_fx"):
        load("emoji_fx", mirror=tmp_path, cache=tmp_path)


def test_the_kinds_of_data_sets_are_those_of_the_registry():
    assert {name: dataset.kind for name, dataset in DATASETS.items()} == KINDS
