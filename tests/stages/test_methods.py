"""What stops the workflow and what is only one method's failure."""

from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData

from magan import keys, tracking
from magan.errors import InputError
from magan.stages import baseline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One fold of a batch task whose target has a marker that the source lacks."""
    for file, markers in (("train/b/x1", "CD3 CD4"), ("train/b/x2", "CD3 CD4 CD8"), ("query/b", "CD3 CD4")):
        values = np.random.default_rng(0).normal(size=(20, len(markers.split()))).astype(np.float32)
        cells = AnnData(values, layers={keys.PREPROCESSED: values})
        cells.var_names = markers.split()
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        cells.write_h5ad(tmp_path / f"{file}.h5ad")
    return tmp_path


def run(folder: Path, name: str) -> AnnData:
    files = {part: str(folder / part) for part in ("train", "query", "events", "log")}
    baseline("batch", "mine", name, **files, mapped=str(folder / "mapped.h5ad"))
    return anndata.read_h5ad(folder / "mapped.h5ad")


def test_input_that_cannot_be_used_stops_the_workflow(folder):
    with pytest.raises(InputError, match="baseline 'identity' cannot make marker 'CD8'"):
        run(folder, "identity")
    assert not (folder / "mapped.h5ad").exists()


def test_a_method_that_breaks_is_written_down_as_failed_with_its_log(folder, monkeypatch):
    def breaks(x1, x2, query):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(baseline.__globals__["BASELINES"], "knn", breaks)
    mapped = run(folder, "knn")
    assert mapped.uns[keys.ERROR] == "ZeroDivisionError: by nothing"
    assert np.isnan(mapped.X).all() and not mapped.layers
    assert tracking.read_events(folder / "events").error == {
        "message": "ZeroDivisionError: by nothing",
        "log": str(folder / "log"),
    }
