"""A user's own files, as the workflow reads and prepares them."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from magan import keys
from magan.config import HeldOut
from magan.errors import InputError
from magan.stages import prepare, read

MARKERS = ["CD3", "CD4", "CD8", "CD19"]


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
    out = {name: str(tmp_path / name) for name in ("train", "query")}
    prepare("heldout", "mine", settings.model_dump(mode="json"), 20, [str(tmp_path / "mine.h5ad")], **out,
            truth=str(tmp_path / "truth.h5ad"))  # fmt: skip
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
