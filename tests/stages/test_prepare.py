"""A user's own files, as the workflow reads and prepares them."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from magan import keys
from magan.config import OwnImages
from magan.errors import InputError
from magan.stages.prepare import prepare, read
from magan.stages.sources import sources, unnameable
from magan.tasks.heldout_markers.settings import HeldOut
from magan.tasks.image_translation.settings import Translation

MARKERS = ["CD3", "CD4", "CD8", "CD19"]


def folders_in(folder: Path) -> dict[str, str]:
    return {"train": str(folder / "train"), "query": str(folder / "query"), "truth": str(folder / "truth.h5ad")}


@pytest.fixture
def files(tmp_path: Path) -> dict:
    """Two CSV files of raw counts, and a panel table that renames a channel."""
    random = np.random.default_rng(0)
    for name, n in (("monday", 80), ("tuesday", 60)):
        counts = pd.DataFrame(random.gamma(2, 60, (n, 4)).round(2), columns=["CD3", "CD4", "CD8", "Nd142Di"])
        counts.to_csv(tmp_path / f"{name}.csv", index=False)
    panel = pd.DataFrame({"channel": ["CD3", "CD4", "CD8", "Nd142Di"], "marker": MARKERS, "kind": "lineage"})
    panel.to_csv(tmp_path / "panel.csv", index=False)
    rows = [{"path": str(tmp_path / f"{name}.csv"), "batch": name} for name in ("monday", "tuesday")]
    return {"files": rows, "panel": str(tmp_path / "panel.csv"), "gates": {"T": "CD3+ CD19-", "B": "CD19+"}}


def test_own_files_become_one_checked_data_set(files, tmp_path):
    read("mine", files, None, str(tmp_path / "cache"), str(tmp_path / "mine.h5ad"))
    adata = anndata.read_h5ad(tmp_path / "mine.h5ad")
    assert list(adata.var_names) == MARKERS and adata.n_obs == 140
    assert dict(adata.obs[keys.BATCH].value_counts()) == {"monday": 80, "tuesday": 60}
    raw = pd.read_csv(tmp_path / "monday.csv").to_numpy()
    np.testing.assert_allclose(adata.layers[keys.PREPROCESSED][:80], np.arcsinh(raw / 5), rtol=1e-5)
    assert set(adata.obs[keys.CELL_TYPE]) <= {"T", "B", "other"}
    assert set(adata.uns[keys.SOURCE]["files"]) == {"monday.csv", "tuesday.csv"}


def test_own_files_are_prepared_into_folds(files, tmp_path):
    read("mine", files, None, str(tmp_path / "cache"), str(tmp_path / "mine.h5ad"))
    settings = HeldOut(cells="mine", shared=("CD3", "CD4"), only_1=("CD8",), only_2=("CD19",), arms={})
    cells = [str(tmp_path / "mine.h5ad")]
    prepare("heldout", "mine", settings.model_dump(mode="json"), 20, cells, folders_in(tmp_path))
    assert list(anndata.read_h5ad(tmp_path / "train/CD4/x1.h5ad").var_names) == ["CD3", "CD8"]
    assert list(anndata.read_h5ad(tmp_path / "train/CD4/x2.h5ad").var_names) == ["CD3", "CD4", "CD19"]
    assert anndata.read_h5ad(tmp_path / "truth.h5ad").uns[keys.DATASET] == "mine"


def test_a_cofactor_for_values_that_are_transformed_already_is_refused(files, tmp_path):
    counts = pd.read_csv(tmp_path / "monday.csv")
    np.arcsinh(counts / 5).to_csv(tmp_path / "monday.csv", index=False)
    files = {**files, "files": files["files"][:1]}
    with pytest.raises(InputError, match="looks transformed already"):
        read("mine", files, None, str(tmp_path), str(tmp_path / "mine.h5ad"))


def test_a_missing_file_is_named(files, tmp_path):
    (tmp_path / "tuesday.csv").unlink()
    with pytest.raises(InputError, match=r"tuesday\.csv.* does not exist"):
        read("mine", files, None, str(tmp_path), str(tmp_path / "mine.h5ad"))


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, dict]:
    """Two folders of 30 images each; of 20 things both have one."""
    random = np.random.default_rng(0)
    for name, first in (("A", 0), ("B", 10)):
        (tmp_path / name).mkdir()
        for i in range(first, first + 30):
            Image.fromarray(random.integers(0, 256, (9, 8), dtype=np.uint8)).save(tmp_path / name / f"{i:02}.png")
    return {name: OwnImages(path=str(tmp_path / name), size=4, paired=True).model_dump(mode="json") for name in "AB"}


def read_images(folders: dict[str, dict], tmp_path: Path) -> list[str]:
    for name, own in folders.items():
        read(name, own, None, str(tmp_path / "cache"), str(tmp_path / f"{name}.h5ad"))
    return [str(tmp_path / f"{name}.h5ad") for name in folders]


def test_folders_of_images_are_read_and_prepared_for_translation(folders, tmp_path, capsys):
    (tmp_path / "A" / "notes.txt").touch()
    cells = read_images(folders, tmp_path)
    assert f"left out file {tmp_path}/A/notes.txt: not a PNG, JPEG or TIFF file" in capsys.readouterr().out
    settings = Translation(images_1="A", images_2="B", n_test=5, n_pairs=3, arms={})
    prepare("translation", "pets", settings.model_dump(mode="json"), 8, cells, folders_in(tmp_path))
    x1, x2 = (anndata.read_h5ad(tmp_path / f"train/images/x{i}.h5ad") for i in (1, 2))
    assert x1.X.dtype == np.uint8 and list(x1.uns[keys.IMAGE]["shape"]) == [1, 4, 4]
    assert list(x1.obs[keys.PAIR][:3]) == list(x2.obs[keys.PAIR][:3]) and (x1.obs[keys.PAIR][3:] == "").all()
    query, truth = (anndata.read_h5ad(tmp_path / name) for name in ("query/images.h5ad", "truth.h5ad"))
    assert query.n_obs == 5 and truth.uns[keys.DATASET] == "pets"
    np.testing.assert_array_equal(truth[query.obs_names].X, query.X / np.float32(255))
    assert f"fold images: trained on {x1.n_obs} and {x2.n_obs}, asked for 5" in capsys.readouterr().out


def test_fewer_images_than_a_minibatch_are_refused(folders, tmp_path):
    cells = read_images(folders, tmp_path)
    settings = Translation(images_1="A", images_2="B", n_test=5, arms={})
    with pytest.raises(InputError) as error:
        prepare("translation", "pets", settings.model_dump(mode="json"), 64, cells, folders_in(tmp_path))
    assert str(error.value) == (
        "images_1 has 17 training samples, fewer than a minibatch of 64; lower training.batch_size"
    )


def test_a_set_of_images_is_made_anew_when_one_of_its_files_changes(folders, tmp_path):
    assert sources(folders["A"]) == [str(tmp_path / "A" / f"{i:02}.png") for i in range(30)]
    (tmp_path / "labels").touch()
    files = {"path": str(tmp_path / "A" / "00.png"), "labels": str(tmp_path / "labels")}
    assert sources(files) == [files["path"], files["labels"]]


def test_a_name_that_snakemake_takes_for_a_wildcard_is_a_parameter_and_no_input(tmp_path):
    plain, braces = (tmp_path / name for name in ("b {}.csv", "b {1}.csv"))
    for path in (plain, braces):
        path.write_text("CD3\n1\n")
    own = {"files": [{"path": str(path), "sample": path.stem, "batch": "1"} for path in (plain, braces)]}
    assert sources(own) == [str(plain)] and unnameable(None) == []
    ((path, size, before),) = unnameable(own)
    assert (path, size) == (str(braces), 6)
    os.utime(braces, ns=(before + 1, before + 1))
    assert unnameable(own) == [(str(braces), 6, before + 1)]
